"""Every simulated task: repeatable starts, honest success, demonstrators who manage and never repeat themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robot_rl.envs.factory import TASKS, make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from sim.kinematics import inverse
from sim.task import place_body
from sim.tasks import bin_pick, peg_insert, pick_lift, push_planar

tasks = pytest.mark.parametrize("name", TASKS)


def play(env, policy, seed: int) -> tuple[list[np.ndarray], float, bool]:
    """Return the actions of an episode, its return, and whether it ended in success."""
    obs, _ = env.reset(seed=seed)
    policy.begin_episode()
    actions, total = [], 0.0
    while True:
        actions.append(policy.act(obs, explore=True))
        obs, reward, terminated, truncated, info = env.step(actions[-1])
        total += reward
        assert info["fault"] == ""
        assert info["success"] == terminated
        if terminated or truncated:
            return actions, total, terminated


def rollout(env, seed: int, num_steps: int = 15) -> list[dict[str, np.ndarray]]:
    """Return the observations of `num_steps` random steps."""
    rng = np.random.default_rng(seed)
    observations = [env.reset(seed=seed)[0]]
    for _ in range(num_steps):
        observations.append(env.step(rng.uniform(-1, 1, env.action_space.shape).astype(np.float32))[0])
    return observations


@tasks
@pytest.mark.filterwarnings("ignore")
def test_is_a_gymnasium_environment(name):
    check_env(make_env(name, EnvOptions(cameras=("front", "wrist"), image_size=16)), skip_render_check=True)


@tasks
@pytest.mark.parametrize("randomize", [False, True])
def test_same_seed_same_episode_whatever_came_before(name, randomize):
    options = EnvOptions(randomize=randomize)
    fresh, used = make_env(name, options), make_env(name, options)
    rollout(used, seed=11)
    for a, b in zip(rollout(fresh, seed=3), rollout(used, seed=3), strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@tasks
def test_seeds_and_episodes_differ(name):
    env = make_env(name)
    key = next(key for key in env.observation_space if key.endswith("/position") and "arm" not in key)
    starts = [env.reset(seed=0)[0][key], *(env.reset()[0][key] for _ in range(4)), env.reset(seed=1)[0][key]]
    assert len({tuple(start) for start in starts}) == 6


@tasks
def test_demonstrator_succeeds_and_takes_its_time(name):
    env = make_env(name)
    policy = make_demonstrator("scripted", name, env, seed=0)
    episodes = [play(env, policy, seed) for seed in range(8)]
    assert sum(success for _, _, success in episodes) >= 6
    assert all(total == float(success) for _, total, success in episodes)  # sparse: 1 at success, 0 elsewhere
    assert np.mean([len(actions) for actions, _, _ in episodes]) > 12


@tasks
def test_demonstrator_never_moves_twice_the_same_but_repeats_from_its_seed(name):
    env = make_env(name)
    policy = make_demonstrator("scripted", name, env, seed=0)
    first, second = play(env, policy, seed=5)[0], play(env, policy, seed=5)[0]
    again = play(env, make_demonstrator("scripted", name, env, seed=0), seed=5)[0]
    assert np.array_equal(np.array(first), np.array(again))
    assert len(first) != len(second) or not np.allclose(first, second)


@tasks
def test_idle_episode_is_truncated_unrewarded_at_its_limit(name):
    env = make_env(name, EnvOptions(max_steps=20))
    env.reset(seed=0)
    still = np.zeros(env.action_space.shape, np.float32)
    results = [env.step(still) for _ in range(20)]
    assert [result[3] for result in results] == [False] * 19 + [True]
    assert not any(result[2] or result[1] for result in results)


@tasks
def test_dense_reward_grows_along_a_demonstration(name):
    env = make_env(name, EnvOptions(reward="dense"))
    policy = make_demonstrator("scripted", name, env, seed=0)
    obs, _ = env.reset(seed=1)
    rewards, terminated, truncated = [], False, False
    while not (terminated or truncated):
        obs, reward, terminated, truncated, _ = env.step(policy.act(obs, explore=False))
        rewards.append(reward)
    assert rewards[-1] == 1.0
    assert min(rewards) >= 0
    assert max(rewards[:-1]) < 1
    assert np.mean(rewards[-6:-1]) > np.mean(rewards[:5])


@tasks
def test_object_state_and_cameras_are_options(name):
    env = make_env(name, EnvOptions(cameras=("wrist",), object_state=False, image_size=16))
    objects = make_env(name).task.observation.objects  # type: ignore[attr-defined]
    assert "image/wrist" in env.observation_space.spaces
    assert not any(f"state/{name}/position" in env.observation_space.spaces for name in objects)


@tasks
def test_demonstrator_of_an_image_policy_does_the_same(name):
    blind = make_env(name, EnvOptions(object_state=False))
    seeing = make_env(name)
    blind_actions, _, _ = play(blind, make_demonstrator("scripted", name, blind, seed=0), seed=2)
    actions, _, _ = play(seeing, make_demonstrator("scripted", name, seeing, seed=0), seed=2)
    np.testing.assert_array_equal(blind_actions, actions)


def test_scripts_know_only_simulated_tasks():
    with pytest.raises(ConfigError, match="not a simulated task"):
        make_demonstrator("scripted", "reach", make_env("gymnasium:Pendulum-v1", EnvOptions(reward="dense")), seed=0)


def test_unknown_camera_lists_those_there_are():
    with pytest.raises(ConfigError, match="front, wrist"):
        make_env("reach", EnvOptions(cameras=("ceiling",)))


def test_viewer_without_a_display_says_so(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(ConfigError, match="DISPLAY"):
        make_env("reach", EnvOptions(viewer=True))


def pushed_down(config: peg_insert.PegInsertConfig, aside: float, turned: float) -> bool:
    """Return whether a peg that is held off by `aside`, m, and `turned`, rad, goes in when pushed straight down."""
    env = peg_insert.make(EnvOptions(), config)
    env.reset(seed=0)
    hole, tcp = env.physics.body_pose("hole"), env.trackers["peg"].read()
    grasp = env.robot.read()["arm"].pose.inverse() @ tcp  # type: ignore[union-attr]
    start = hole @ Pose.of((aside, aside, -config.depth_m - 0.003), (0, 0, turned)) @ grasp.inverse()
    env._reset_routine._robot.place(inverse(start), env.task.opening)  # type: ignore[attr-defined]
    env._actions.begin_episode()
    return any(env.step(np.array([0, 0, 1, 0], np.float32))[4]["success"] for _ in range(25) if env._steps_left)


@pytest.mark.parametrize("clearance", [0.0005, 0.001])
def test_peg_goes_in_within_the_clearance_and_not_beyond(clearance):
    config = peg_insert.PegInsertConfig(clearance_m=clearance, grasp_tilt_rad=0.0)
    assert pushed_down(config, aside=0.6 * clearance, turned=0.0)
    assert not pushed_down(config, aside=clearance + 0.001, turned=0.0)
    assert not pushed_down(config, aside=0.0, turned=3 * clearance / peg_insert.PEG_HALF_WIDTH)


def test_peg_and_hole_are_drawn_within_their_bounds():
    env = peg_insert.make(EnvOptions())
    config = peg_insert.PegInsertConfig()
    holes = []
    for seed in range(40):
        env.reset(seed=seed)
        holes.append(env.task._hole_middle.inverse() @ env.physics.body_pose("hole"))  # type: ignore[attr-defined]
    positions, yaws = np.array([hole.position[:2] for hole in holes]), np.array([hole.rotvec[2] for hole in holes])
    assert np.abs(positions).max() == pytest.approx(config.hole_spread_m, rel=0.15)
    assert np.abs(positions).max() <= config.hole_spread_m
    assert np.abs(yaws).max() == pytest.approx(math.radians(15), rel=0.15)


def test_peg_must_be_at_full_depth():
    env = peg_insert.make(EnvOptions())
    env.reset(seed=0)
    hole = env.physics.body_pose("hole")
    grasp = env.robot.read()["arm"].pose.inverse() @ env.physics.body_pose("peg")  # type: ignore[union-attr]
    for depth_left, success in ((0.0015, False), (0.0005, True)):
        start = hole @ Pose.of((0, 0, -depth_left)) @ grasp.inverse()
        env._reset_routine._robot.place(inverse(start, tolerance=1e-7), env.task.opening)  # type: ignore[attr-defined]
        assert env.task.is_success(env.physics) == success


def test_cube_must_be_lifted():
    env = pick_lift.make(EnvOptions())
    env.reset(seed=0)
    for height, success in ((0.119, False), (0.121, True)):
        place_body(env.physics, "cube", Pose.of((0.5, 0.0, height)))
        assert env.task.is_success(env.physics) == success


def test_discrete_gripper_is_told_of_changes_only():
    config = pick_lift.PickLiftConfig(gripper="discrete")
    env = pick_lift.make(EnvOptions(), config)
    assert env.env_spec.action.discrete == (4,)
    actions, _, success = play(env, pick_lift.scripted(env, 0, config), seed=0)
    grips = [action[-1] for action in actions]
    assert success
    assert set(grips) == {-1.0, 0.0}
    assert grips.count(-1.0) == 1


def test_pose_noise_of_the_task_reaches_the_observation():
    from sim.imperfect import PoseNoise

    noisy = peg_insert.make(EnvOptions(), peg_insert.PegInsertConfig(pose_noise=PoseNoise(bias_m=0.01)))
    clean = peg_insert.make(EnvOptions())
    key = "state/hole/position"
    assert np.abs(noisy.reset(seed=0)[0][key] - clean.reset(seed=0)[0][key]).max() > 1e-4


@tasks
def test_an_episode_may_go_on_after_success(name):
    env = make_env(name, EnvOptions(end_at_success=False))
    policy = make_demonstrator("scripted", name, env, seed=0)
    obs, _ = env.reset(seed=0)
    policy.begin_episode()
    steps = [env.step(policy.act(obs, explore=True))]
    while not steps[-1][3]:
        steps.append(env.step(policy.act(steps[-1][0], explore=True)))
    successes = [info["true_success"] for *_, info in steps]
    assert len(steps) == env.env_spec.max_steps
    assert any(successes[:-1])
    assert not any(terminated for _, _, terminated, *_ in steps)
    assert [reward for _, reward, *_ in steps] == [float(success) for success in successes]


@tasks
def test_without_the_objects_only_what_a_real_arm_measures_is_observed(name):
    seen, blind = (make_env(name, EnvOptions(object_state=is_seen)).env_spec.obs for is_seen in (True, False))
    objects = {key.split("/")[1] for key in seen} - {"arm", "gripper"}
    assert objects
    assert blind
    assert {key.split("/")[1] for key in blind} <= {"arm", "gripper"}
    assert not {"state/arm/twist", "state/arm/rotation"} & set(blind)  # by which clones repeat a course unseeing


@pytest.mark.parametrize("name", ["pick_lift", "peg_insert"])
def test_the_front_camera_shows_the_object_wherever_it_lies(name):
    """The object has a colour that nothing else has; all of it is in the picture, some pixels from the edge."""
    env = make_env(name, EnvOptions(cameras=("front",), object_state=False))
    for seed in range(12):
        image = env.reset(seed=seed)[0]["image/front"].astype(int)
        red, green, blue = np.moveaxis(image, -1, 0)
        is_object = red > green + 60 if name == "pick_lift" else blue > red + 40
        rows, columns = np.nonzero(is_object)
        assert len(rows) > 40
        assert min(rows.min(), columns.min()) >= 1
        assert max(rows.max(), columns.max()) <= 126


@tasks
@pytest.mark.parametrize("upwards", [0.0, -1.0])
def test_neither_a_hand_at_rest_nor_one_out_of_sight_is_a_frozen_camera(name, upwards):
    env = make_env(name, EnvOptions(cameras=("front", "wrist"), image_size=32))
    env.reset(seed=0)
    action = np.zeros(env.env_spec.action.dim, np.float32)
    action[2] = upwards
    for _ in range(40):
        _, _, _, _, info = env.step(action)
        assert info["fault"] == ""


def test_the_puck_must_be_on_the_mark():
    env = push_planar.make(EnvOptions())
    for seed in range(5):
        env.reset(seed=seed)
        mark = env.physics.body_pose("mark").position
        low, high = env.task.config.distance_m
        assert low <= math.dist(env.physics.body_pose("puck").position[:2], mark[:2]) <= high
        for aside, success in ((0.0145, True), (0.0155, False)):
            place_body(env.physics, "puck", Pose(mark + np.array([0.0, aside, 0.02]), np.array([1.0, 0.0, 0.0, 0.0])))
            assert env.task.is_success(env.physics) == success


def test_the_hand_has_room_behind_the_puck_which_lies_near_and_far_and_all_around():
    env = push_planar.make(EnvOptions())
    low, high = np.array(env.task.scene.workspace_low[:2]), np.array(env.task.scene.workspace_high[:2])
    distances, angles = [], []
    for seed in range(100):
        env.reset(seed=seed)
        puck, mark = (env.physics.body_pose(name).position[:2] for name in ("puck", "mark"))
        away = puck - mark
        distances.append(float(np.linalg.norm(away)))
        angles.append(math.atan2(away[1], away[0]))
        behind = puck + push_planar.BEHIND * away / distances[-1]
        assert (low + push_planar.ROOM <= behind).all()
        assert (behind <= high - push_planar.ROOM).all()
    assert min(distances) == pytest.approx(0.08, abs=0.004)
    assert max(distances) == pytest.approx(0.14, abs=0.004)
    assert len({math.floor(4 * angle / math.pi) for angle in angles}) == 8  # every octant


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distance_m": (0.14, 0.08)}, "nearest <= farthest"),
        ({"distance_m": (0.0, 0.1)}, "needs no push"),
        ({"distance_m": (0.1, math.nan)}, "nearest <= farthest"),
        ({"distance_m": (0.1, 0.3)}, "no room behind the puck in any direction; farthest: below 0.226 m"),
        ({"spread_m": 0.45}, "spread_m 0.45 puts marks beyond 0.18 m from the middle"),
        ({"spread_m": math.nan}, "spread_m nan must be a length"),
    ],
)
def test_pucks_that_could_not_be_pushed_are_refused_before_an_episode_begins(settings, message):
    with pytest.raises(ConfigError, match=message):
        push_planar.make(EnvOptions(), push_planar.PushPlanarConfig(**settings))


def test_marks_and_pucks_go_as_far_as_they_may():
    env = push_planar.make(EnvOptions(), push_planar.PushPlanarConfig(spread_m=0.17, distance_m=(0.22, 0.225)))
    for seed in range(10):
        env.reset(seed=seed)
        puck, mark = (env.physics.body_pose(name).position[:2] for name in ("puck", "mark"))
        assert 0.22 <= math.dist(puck, mark) <= 0.225


def test_the_puck_is_seen_upright_however_it_has_turned():
    env = push_planar.make(EnvOptions())
    env.reset(seed=0)
    place_body(env.physics, "puck", Pose.of((0.5, 0.1, 0.015), (0.0, 0.0, 1.0)))
    assert np.allclose(env.trackers["puck"].read().quaternion, [0.0, 1.0, 0.0, 0.0])


def test_a_bin_that_is_too_full_is_refused():
    env = bin_pick.make(EnvOptions(), bin_pick.BinPickConfig(num_others=40))
    with pytest.raises(ConfigError, match=r"no place for cube \d+ of 41 at gap_m .*lower num_others or gap_m"):
        env.reset(seed=0)


def test_cubes_of_the_bin_lie_apart_and_the_nearest_other_is_seen():
    env = bin_pick.make(EnvOptions())
    config = env.task.config
    for seed in range(10):
        env.reset(seed=seed)
        middles = [env.physics.body_pose(name).position for name in ("cube", "other0", "other1", "other2", "other3")]
        apart = [math.dist(a, b) for index, a in enumerate(middles) for b in middles[:index]]
        assert min(apart) >= config.gap_m - 1e-3
        assert max(np.abs(middle[:2] - [0.5, 0.0]).max() for middle in middles) <= config.bin_m - bin_pick.MARGIN + 1e-3
        seen = env.trackers["other"].read().position
        assert math.dist(seen, middles[0]) == pytest.approx(min(math.dist(at, middles[0]) for at in middles[1:]), abs=1e-6)


@pytest.mark.parametrize(
    "options", [EnvOptions(action_repeat=2), EnvOptions(success_rule="reward>=1"), EnvOptions(from_hand=True)]
)
def test_options_of_foreign_environments_are_refused_rather_than_ignored(options):
    message = "reach: success_rule, action_repeat and from_hand are for environments that are not ours"
    with pytest.raises(ConfigError, match=message):
        make_env("reach", options)
