from __future__ import annotations

import sys
from typing import ClassVar
from unittest import mock

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robot_rl.envs.gymnasium_env import GymnasiumEnv, make
from robot_rl.envs.options import EnvOptions, StepInfo
from robot_rl.errors import ConfigError, DeviceError, SpecMismatch

BOX = gym.spaces.Box(-1.0, 1.0, (2,), np.float64)
DENSE = EnvOptions(reward="dense", max_steps=50)
SPARSE = EnvOptions(max_steps=50)


class Toy(gym.Env):
    """Counts steps; solved at step 3. Records the actions it is given and reuses its observation buffer."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(self, obs=BOX, action=BOX, success_key=None, reward=-0.5, terminate_at=None):
        self.observation_space = obs
        self.action_space = action
        self.success_key = success_key
        self.reward = reward
        self.terminate_at = terminate_at
        self.actions = []
        self.closed = False
        self.count = 0
        self.buffer = obs.sample()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        if isinstance(self.buffer, np.ndarray):
            self.buffer[:] = self.np_random.uniform(size=self.buffer.shape)
        return self.buffer, {}

    def step(self, action):
        self.actions.append(action)
        self.count += 1
        if isinstance(self.buffer, np.ndarray):
            self.buffer[:] = self.count
        info = {} if self.success_key is None else {self.success_key: np.float32(self.count == 3)}
        return self.buffer, self.reward, self.count == self.terminate_at, False, info

    def render(self):
        return np.full((30, 60, 3), self.count, np.uint8)

    def close(self):
        self.closed = True


def wrap(toy, options=DENSE, **kwargs):
    return GymnasiumEnv(toy, options, name="toy", **kwargs)


def rollout(env, steps):
    env.reset(seed=0)
    return [env.step(np.zeros(2, np.float32)) for _ in range(steps)]


def test_nested_dict_becomes_flat_float32_states_and_square_images():
    state = gym.spaces.Box(-np.inf, np.inf, (2, 3), np.float64)
    image = gym.spaces.Box(0, 255, (6, 12, 3), np.uint8)
    toy = Toy(gym.spaces.Dict({"arm": gym.spaces.Dict({"q": state}), "top": image}))
    env = wrap(toy, EnvOptions(reward="dense", max_steps=5, image_size=8))
    obs, _ = env.reset(seed=0)
    assert obs.keys() == {"state/arm/q", "image/top"} == env.env_spec.obs.keys()
    np.testing.assert_array_equal(obs["state/arm/q"], toy.buffer["arm"]["q"].reshape(-1).astype(np.float32))
    assert obs["state/arm/q"].dtype == np.float32
    assert obs["image/top"].shape == (8, 8, 3)
    assert obs in env.observation_space


def test_a_lone_box_is_called_obs_and_a_lone_image_pixels():
    assert wrap(Toy()).reset()[0].keys() == {"state/obs"}
    assert wrap(Toy(gym.spaces.Box(0, 255, (128, 128, 3), np.uint8))).reset()[0].keys() == {"image/pixels"}


def test_observations_are_copies():
    env = wrap(Toy())
    first = env.reset(seed=0)[0]["state/obs"].copy()
    obs, _ = env.reset(seed=0)
    env.step(np.zeros(2, np.float32))
    np.testing.assert_array_equal(obs["state/obs"], first)


def test_actions_are_stretched_to_the_foreign_bounds():
    low, high = np.array([[0.0, -2.0]], np.float32), np.array([[10.0, 6.0]], np.float32)
    toy = Toy(action=gym.spaces.Box(low, high))
    env = wrap(toy)
    assert env.action_space == gym.spaces.Box(-1, 1, (2,))
    env.reset()
    for action in ([-1, -1], [1, 1], [0, 0.5]):
        env.step(np.array(action, np.float32))
        assert toy.actions[-1] in toy.action_space
    np.testing.assert_allclose(toy.actions[-3:], [low, high, [[5.0, 4.0]]])


@pytest.mark.parametrize("key", ["success", "is_success", "goal_achieved"])
def test_sparse_reward_is_one_at_success_and_ends_the_episode(key):
    steps = rollout(wrap(Toy(success_key=key), SPARSE), 3)
    assert [reward for _, reward, *_ in steps] == [0.0, 0.0, 1.0]
    assert [terminated for _, _, terminated, *_ in steps] == [False, False, True]
    assert [info["success"] for *_, info in steps] == [False, False, True]
    assert not any(truncated for _, _, _, truncated, _ in steps)


def test_a_sparse_episode_may_go_on_after_success():
    env = wrap(Toy(success_key="success", terminate_at=5), EnvOptions(end_at_success=False, max_steps=50))
    steps = rollout(env, 5)
    assert [reward for _, reward, *_ in steps] == [0.0, 0.0, 1.0, 0.0, 0.0]
    assert [terminated for _, _, terminated, *_ in steps] == [False] * 4 + [True]  # its own end stays
    assert [info["true_success"] for *_, info in steps] == [False, False, True, False, False]


def test_dense_reward_and_termination_are_the_environments_own():
    steps = rollout(wrap(Toy(success_key="success", terminate_at=4)), 4)
    assert {reward for _, reward, *_ in steps} == {-0.5}
    assert [terminated for _, _, terminated, *_ in steps] == [False, False, False, True]
    assert [info["success"] for *_, info in steps] == [False, False, True, False]


def test_a_failure_of_the_environment_terminates_a_sparse_episode_without_reward():
    _, reward, terminated, _, info = rollout(wrap(Toy(success_key="success", terminate_at=2), SPARSE), 2)[-1]
    assert (reward, terminated, info["success"]) == (0.0, True, False)


def test_return_rule_sums_rewards_within_an_episode_only():
    options = EnvOptions(success_rule="return>=1.5", max_steps=50)
    env = wrap(Toy(reward=0.5), options)
    for _ in range(2):
        assert [info["success"] for *_, info in rollout(env, 3)] == [False, False, True]


def test_reward_rule_looks_at_one_step():
    assert rollout(wrap(Toy(reward=0.5), EnvOptions(success_rule="reward >= 0.5", max_steps=9)), 1)[0][4]["success"]
    assert not rollout(wrap(Toy(reward=0.5), EnvOptions(success_rule="reward>=0.6", max_steps=9)), 2)[1][4]["success"]


def test_sparse_reward_without_a_success_signal_names_both_remedies():
    with pytest.raises(ConfigError, match=r"toy .*option success_rule .*option reward to 'dense'"):
        wrap(Toy(), SPARSE)
    assert wrap(Toy(), DENSE).env_spec.extra["success_rule"] == "never"


@pytest.mark.parametrize("rule", ["return>=many", "return<=3", ""])
def test_a_malformed_rule_is_refused(rule):
    with pytest.raises(ConfigError, match=r"none of: an info key|is not a number"):
        wrap(Toy(success_key="success"), EnvOptions(success_rule=rule, max_steps=5))


def test_a_rule_naming_an_absent_key_lists_those_present():
    with pytest.raises(ConfigError, match=r"'succes'.*holds: is_success"):
        wrap(Toy(success_key="is_success"), EnvOptions(success_rule="succes", max_steps=5))


def test_time_limit_truncates_and_never_terminates():
    env = wrap(Toy(), EnvOptions(reward="dense", max_steps=3))
    for _ in range(2):
        steps = rollout(env, 3)
        assert [truncated for *_, truncated, _ in steps] == [False, False, True]
        assert not any(terminated for _, _, terminated, *_ in steps)


def test_an_environment_without_episode_length_asks_for_one():
    with pytest.raises(ConfigError, match="set option max_steps"):
        wrap(Toy(), EnvOptions(reward="dense"))


def test_every_step_tells_everything_that_step_info_promises():
    action = np.array([0.25, -1], np.float32)
    env = wrap(Toy())
    env.reset()
    for step in (1, 2):
        info = env.step(action)[4]
        assert info.keys() >= StepInfo.__annotations__.keys()
        np.testing.assert_array_equal(info["action"], action)
        assert info["stamp"] == pytest.approx(step / 25)


@pytest.mark.parametrize(
    ("action", "problem"),
    [([0.0], "shape"), ([0.0, np.nan], "finite"), ([0.0, 1.1], "leaves"), ([[0.0, 0.0]], "shape")],
)
def test_a_bad_action_never_reaches_the_environment(action, problem):
    toy = Toy()
    env = wrap(toy)
    env.reset()
    before = len(toy.actions)
    with pytest.raises(SpecMismatch, match=problem):
        env.step(np.array(action, np.float32))
    assert len(toy.actions) == before


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({"action": gym.spaces.Discrete(3)}, r"action space is Discrete\(3\)"),
        ({"action": gym.spaces.Box(-1, 1, (2,), np.int64)}, "Box of floats"),
        ({"action": gym.spaces.Box(np.array([-1, -np.inf]), np.array([1, 1]))}, r"action 1 has bounds \[-inf, 1\]"),
        ({"obs": gym.spaces.Dict({"a": gym.spaces.Dict({"b": gym.spaces.Discrete(2)})})}, r"'a/b' is Discrete\(2\)"),
        ({"obs": gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)}, r"shape \(4, 84, 84\)"),
    ],
)
def test_unsupported_spaces_are_named_and_the_environment_is_closed(spaces, message):
    toy = Toy(**spaces)
    with pytest.raises(ConfigError, match=message):
        wrap(toy)
    assert toy.closed


def test_control_dt_is_the_environments_dt_or_its_frame_rate():
    toy = Toy()
    assert wrap(toy).env_spec.control_dt == 1 / 25
    toy.dt = 0.05
    assert wrap(toy).env_spec.control_dt == 0.05


def test_cameras_are_observed_and_unknown_ones_listed():
    toy = Toy()
    env = wrap(toy, EnvOptions(reward="dense", max_steps=5, cameras=("side",), image_size=16), cameras={"side": toy.render})
    obs = rollout(env, 2)[-1][0]
    assert np.array_equal(obs["image/side"], np.full((16, 16, 3), 2, np.uint8))
    with pytest.raises(ConfigError, match="no camera 'front'; known: side"):
        wrap(Toy(), EnvOptions(reward="dense", max_steps=5, cameras=("front",)), cameras={"side": toy.render})


def test_without_object_state_only_images_are_left():
    toy = Toy()
    options = EnvOptions(reward="dense", max_steps=5, cameras=("side",), object_state=False)
    assert wrap(toy, options, cameras={"side": toy.render}).env_spec.obs.keys() == {"image/side"}
    with pytest.raises(ConfigError, match="nothing is left to observe"):
        wrap(Toy(), EnvOptions(reward="dense", max_steps=5, object_state=False))


def test_a_repeated_action_lasts_and_its_dense_rewards_are_added_up():
    toy = Toy()
    env = wrap(toy, EnvOptions(reward="dense", action_repeat=3), max_steps=10)
    assert (env.env_spec.max_steps, env.env_spec.control_dt) == (4, 3 / 25)
    env.reset(seed=0)
    toy.actions.clear()
    obs, reward, _, _, info = env.step(np.array([0.5, -1], np.float32))
    np.testing.assert_array_equal(toy.actions, [[0.5, -1]] * 3)
    assert (reward, info["stamp"]) == (-1.5, 3 / 25)
    np.testing.assert_array_equal(obs["state/obs"], [3, 3])
    assert [env.step(np.zeros(2, np.float32))[3] for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(("ends", "count"), [(True, 3), (False, 4)])
def test_success_within_a_repeated_action_is_rewarded_once(ends, count):
    toy = Toy(success_key="success")
    env = wrap(toy, EnvOptions(max_steps=50, action_repeat=2, end_at_success=ends))
    steps = rollout(env, 2)
    assert [reward for _, reward, *_ in steps] == [0.0, 1.0]
    assert [info["success"] for *_, info in steps] == [False, True]
    assert steps[-1][2] is ends
    assert toy.count == count  # a success that ends the episode ends the action too


def test_a_repeated_action_ends_with_the_foreign_episode():
    toy = Toy(terminate_at=2)
    _, reward, terminated, _, _ = rollout(wrap(toy, EnvOptions(reward="dense", max_steps=9, action_repeat=5)), 1)[0]
    assert (toy.count, reward, terminated) == (2, -1.0, True)


def test_a_repeated_action_leaves_the_registered_episode_its_length():
    env = make("Pendulum-v1", EnvOptions(reward="dense", action_repeat=3))
    assert env.env_spec.max_steps == 67
    longer = make("Pendulum-v1", EnvOptions(reward="dense", action_repeat=3, max_steps=70))
    longer.reset(seed=0)
    truncations = [longer.step(np.zeros(1, np.float32))[3] for _ in range(70)]
    assert truncations.index(True) == 69


@pytest.mark.parametrize("repeat", [0, -1, 1001])
def test_an_absurd_repeat_is_refused(repeat):
    with pytest.raises(ConfigError, match=rf"action_repeat {repeat} is not in 1\.\.1000"):
        EnvOptions(action_repeat=repeat)


def test_the_foreign_environment_is_there_for_demonstrators():
    toy = Toy()
    assert wrap(toy).foreign is toy


@pytest.mark.parametrize("option", ["regrasp", "randomize", "viewer", "from_hand"])
def test_options_of_our_tasks_are_refused_rather_than_ignored(option):
    with pytest.raises(ConfigError, match=option):
        wrap(Toy(), EnvOptions(reward="dense", max_steps=5, **{option: True}))


def test_a_failing_renderer_names_the_remedy():
    toy = Toy()
    env = wrap(toy)
    toy.render = lambda: 1 / 0
    with pytest.raises(DeviceError, match=r"ZeroDivisionError.*MUJOCO_GL"):
        env.render()


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (gym.error.DependencyNotInstalled("pygame is not installed, run `pip install it`"), "pygame.*images need that package"),
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), "images need the package cv2"),
    ],
)
def test_a_renderer_that_lacks_a_package_is_not_sent_after_opengl(error, remedy):
    toy = Toy()
    env = wrap(toy)
    toy.render = mock.Mock(side_effect=error)
    with pytest.raises(DeviceError, match=remedy) as caught:
        env.render()
    assert "EGL" not in str(caught.value)


def test_it_passes_gymnasiums_checker():
    check_env(wrap(Toy(success_key="success"), SPARSE))
    check_env(make("Pendulum-v1", EnvOptions(reward="dense")), skip_render_check=True)


def test_the_same_seed_gives_the_same_episode():
    env = make("Pendulum-v1", EnvOptions(reward="dense"))

    def episode(seed):
        env.reset(seed=seed)
        return np.stack([env.step(np.array([0.3], np.float32))[0]["state/obs"] for _ in range(20)])

    first = episode(4)
    assert not np.array_equal(episode(5), first)
    np.testing.assert_array_equal(episode(4), first)


def test_registered_length_holds_unless_options_have_one():
    assert make("Pendulum-v1", EnvOptions(reward="dense")).env_spec.max_steps == 200
    env = make("Pendulum-v1", EnvOptions(reward="dense", max_steps=201))  # longer than registered
    env.reset(seed=0)
    truncations = [env.step(np.zeros(1, np.float32))[3] for _ in range(201)]
    assert truncations.index(True) == 200


def test_an_unknown_id_lists_close_ones():
    with pytest.raises(ConfigError, match=r"'Pendulm-v1'; close: .*Pendulum-v1"):
        make("Pendulm-v1", EnvOptions())


def test_a_missing_package_is_named_with_its_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    with pytest.raises(ConfigError, match=r"gymnasium_robotics.*pip install -c constraints.txt -e '\.\[gymnasium-robotics\]'"):
        make("AdroitHandJuggle-v1", EnvOptions())


def test_an_environment_that_cannot_be_built_says_why():
    def broken():
        raise AssertionError

    gym.register("Broken-v0", entry_point=broken)
    try:
        with pytest.raises(ConfigError, match=r"gymnasium:Broken-v0 cannot be built \(AssertionError\)"):
            make("Broken-v0", EnvOptions())
    finally:
        del gym.registry["Broken-v0"]


def test_a_constructor_without_render_mode_is_fine():
    gym.register("Plain-v0", entry_point=lambda: Toy(success_key="success"), max_episode_steps=7)
    try:
        assert make("Plain-v0", EnvOptions()).env_spec.max_steps == 7
    finally:
        del gym.registry["Plain-v0"]


def test_adroit_hand_tells_its_success():
    pytest.importorskip("gymnasium_robotics")
    env = make("AdroitHandDoorSparse-v1", EnvOptions())
    assert env.env_spec.extra["success_rule"] == "success"
    assert (env.env_spec.max_steps, env.env_spec.action.dim) == (200, 28)
    env.reset(seed=0)
    _, reward, terminated, truncated, _ = env.step(np.zeros(28, np.float32))
    assert (reward, terminated, truncated) == (0.0, False, False)  # the environment's own would be -0.1
