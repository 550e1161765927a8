from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robot_rl.envs.factory import make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from sim.metaworld_expert import scripted
from sim.suites import METAWORLD_MAX_STEPS, make_dmc, make_metaworld, seen_from_hand

DENSE = EnvOptions(reward="dense")


@pytest.fixture
def cartpole():
    pytest.importorskip("dm_control")
    env = make_dmc("cartpole-swingup", DENSE)
    yield env
    env.close()


@pytest.fixture
def assembly():
    pytest.importorskip("metaworld")
    env = make_metaworld("assembly", EnvOptions())
    yield env
    env.close()


def episode(env, seed, steps=20):
    rng = np.random.default_rng(0)
    obs, _ = env.reset(seed=seed)
    track = [obs]
    for _ in range(steps):
        track.append(env.step(rng.uniform(-1, 1, env.action_space.shape).astype(np.float32))[0])
    return np.stack([np.concatenate(list(obs.values())) for obs in track])


def test_dmc_seed_decides_the_episode_whatever_went_before(cartpole):
    first = episode(cartpole, 5)
    assert not np.array_equal(episode(cartpole, 6), first)
    np.testing.assert_array_equal(episode(cartpole, 5), first)


def test_dmc_takes_seeds_beyond_32_bits(cartpole):
    np.testing.assert_array_equal(episode(cartpole, 2**32 + 5, 0), episode(cartpole, 5, 0))


def test_dmc_truncates_after_a_thousand_steps_and_never_terminates(cartpole):
    cartpole.reset(seed=0)
    ends = [cartpole.step(np.zeros(1, np.float32))[2:4] for _ in range(1000)]
    assert not any(terminated for terminated, _ in ends)
    assert [truncated for _, truncated in ends].index(True) == 999


def test_dmc_can_run_longer_than_the_suite_does():
    pytest.importorskip("dm_control")
    env = make_dmc("cartpole-swingup", EnvOptions(reward="dense", max_steps=1002))
    env.reset(seed=0)
    obs = [env.step(np.ones(1, np.float32))[0]["state/position"] for _ in range(1002)]
    assert np.abs(np.diff(obs[-4:], axis=0)).max() < 0.5  # a new episode would jump


def test_dmc_reward_is_the_suites_and_success_the_default_rule(cartpole):
    cartpole.reset(seed=0)
    rewards = [cartpole.step(np.zeros(1, np.float32))[1] for _ in range(5)]
    assert all(0 < reward < 0.2 for reward in rewards)
    assert cartpole.env_spec.extra["success_rule"] == "return>=800"
    assert cartpole.env_spec.control_dt == 0.01


def test_dmc_sparse_reward_comes_once_where_the_rule_first_holds():
    pytest.importorskip("dm_control")
    env = make_dmc("cartpole-balance", EnvOptions(success_rule="return>=3"))
    env.reset(seed=0)
    steps = [env.step(np.zeros(1, np.float32)) for _ in range(4)]  # each step is worth a little less than 1
    assert [reward for _, reward, *_ in steps] == [0.0, 0.0, 0.0, 1.0]
    assert steps[-1][2]


def test_dmc_passes_gymnasiums_checker(cartpole):
    check_env(cartpole, skip_render_check=True)


def test_dmc_unknown_task_and_camera_list_what_exists():
    pytest.importorskip("dm_control")
    with pytest.raises(ConfigError, match=r"'cartpole-swingu' \(did you mean cartpole-swingup.*walker-run"):
        make_dmc("cartpole-swingu", DENSE)
    with pytest.raises(ConfigError, match="no camera 'front'; known: fixed, lookatcart"):
        make_dmc("cartpole-swingup", EnvOptions(cameras=("front",)))


def test_dmc_unlimited_controls_are_refused():
    pytest.importorskip("dm_control")
    with pytest.raises(ConfigError, match=r"\[-inf, inf\]"):
        make_dmc("lqr-lqr_2_1", DENSE)


@pytest.mark.parametrize(
    ("make", "module", "extra"), [(make_dmc, "dm_control", "dmc"), (make_metaworld, "metaworld", "metaworld")]
)
def test_a_missing_package_is_named_with_its_pip_line(make, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install -c constraints.txt -e '\.\[{extra}\]'"):
        make("cartpole-swingup", DENSE)


def test_metaworld_seed_decides_goal_and_episode(assembly):
    first = episode(assembly, 5)
    assert not np.array_equal(episode(assembly, 6)[0, -3:], first[0, -3:])
    np.testing.assert_array_equal(episode(assembly, 5), first)


def test_metaworld_layouts_are_the_same_whatever_went_before(assembly):
    episode(assembly, 6)
    np.testing.assert_array_equal(episode(make_metaworld("assembly-v3", EnvOptions()), 5, 0), episode(assembly, 5, 0))


def test_metaworld_draws_every_episode_its_own_layout(assembly):
    goals = {tuple(assembly.reset(seed=seed)[0]["state/obs"][-3:]) for seed in range(100)}
    assert len(goals) == 100
    goals = {tuple(assembly.reset()[0]["state/obs"][-3:]) for _ in range(20)}
    assert len(goals) == 20


def test_metaworld_sparse_reward_follows_its_own_success(assembly):
    assert assembly.env_spec.extra["success_rule"] == "success"
    assembly.reset(seed=0)
    _, reward, terminated, truncated, info = assembly.step(np.zeros(4, np.float32))
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, False, False)


def test_metaworld_from_the_hand_tells_the_same_of_a_task_wherever_it_stands(assembly):
    near = make_metaworld("assembly", EnvOptions(from_hand=True))
    room, _ = assembly.reset(seed=5)
    seen, _ = near.reset(seed=5)
    assert set(seen) == {"state/from_hand"} != set(room), "so experience of both is never mixed"
    assert seen["state/from_hand"].shape == room["state/obs"].shape == (39,)
    action = np.array([0.5, -0.5, 0.0, 1.0], np.float32)
    for env in (assembly, near):
        env.step(action)
    before, now = (env.step(action)[0] for env in (assembly, near))
    room, seen = before["state/obs"].astype(float), now["state/from_hand"].astype(float)
    hand = room[:3]
    np.testing.assert_allclose(seen[:4], room[:4])
    np.testing.assert_allclose(seen[4:7], room[4:7] - hand, atol=1e-6)
    np.testing.assert_array_equal(seen[11:18], np.zeros(7), "there is no second object, neither here nor beside the hand")
    np.testing.assert_allclose(seen[18:36], room[:18] - room[18:36], atol=1e-6)
    np.testing.assert_allclose(seen[36:], room[36:] - hand, atol=1e-6)
    near.close()


def test_a_quaternion_that_changes_sign_is_no_motion():
    obs = np.zeros(39)
    obs[7:11], obs[25:29] = (0.6, 0.0, 0.0, 0.8), (-0.6, 0.0, 0.0, -0.8)
    obs[4:7] = obs[22:25] = 0.1
    np.testing.assert_array_equal(seen_from_hand(obs)[18:36], np.zeros(18))


def test_from_hand_is_for_metaworld(cartpole):
    with pytest.raises(ConfigError, match="from_hand works with Meta-World only"):
        make_dmc("cartpole-swingup", EnvOptions(reward="dense", from_hand=True))


def test_metaworld_unknown_task_and_too_long_episode_are_refused():
    pytest.importorskip("metaworld")
    with pytest.raises(ConfigError, match=r"'asembly'.*assembly-v3"):
        make_metaworld("asembly", EnvOptions())
    with pytest.raises(ConfigError, match=str(METAWORLD_MAX_STEPS)):
        make_metaworld("assembly", EnvOptions(max_steps=METAWORLD_MAX_STEPS + 1))
    with pytest.raises(ConfigError, match="max_steps 251 x action_repeat 2 is above"):
        make_metaworld("assembly", EnvOptions(max_steps=251, action_repeat=2))


def solve(env, seed):
    policy = make_demonstrator("scripted", env.env_spec.name, env, seed=0)
    obs, _ = env.reset(seed=seed)
    policy.begin_episode()
    actions = []
    while True:
        actions.append(policy.act(obs, explore=True))
        obs, reward, terminated, truncated, _ = env.step(actions[-1])
        if terminated or truncated:
            return np.stack(actions), reward


@pytest.mark.parametrize("task", ["assembly", "stick-pull", "pick-place-wall"])
def test_metaworld_experts_demonstrate_whatever_the_policy_sees(task):
    pytest.importorskip("metaworld")
    options = EnvOptions(action_repeat=2, max_steps=100)
    seeing = make_metaworld(task, options)
    blind = make_metaworld(task, replace(options, cameras=("corner",), object_state=False, image_size=16))
    for seed in (3, 4):
        actions, reward = solve(seeing, seed)
        assert (reward, actions.dtype, np.abs(actions).max()) == (1.0, np.float32, 1.0)
        assert len(actions) < 70
    from_hand = make_metaworld(task, replace(options, from_hand=True))
    for other in (blind, from_hand):
        np.testing.assert_array_equal(solve(other, seed)[0], actions)
    for env in (seeing, blind, from_hand):
        env.close()


def test_metaworld_experts_know_no_other_environment():
    pytest.importorskip("metaworld")
    with pytest.raises(ConfigError, match="'gymnasium:Pendulum-v1' is not of Meta-World"):
        scripted(make_env("gymnasium:Pendulum-v1", DENSE), 0)
