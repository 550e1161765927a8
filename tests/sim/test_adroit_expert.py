from __future__ import annotations

import numpy as np
import pytest

from robot_rl.envs.factory import make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from sim.adroit_expert import scripted

DOOR = "gymnasium:AdroitHandDoorSparse-v1"
REPEATED = EnvOptions(action_repeat=2, max_steps=100)


@pytest.fixture
def door():
    pytest.importorskip("gymnasium_robotics")
    env = make_env(DOOR, REPEATED)
    yield env
    env.close()


def open_door(env, policy, seed, steps=100):
    """Return the actions, and the reward of the last."""
    obs, _ = env.reset(seed=seed)
    policy.begin_episode()
    actions, reward = [], 0.0
    for _ in range(steps):
        actions.append(policy.act(obs, explore=False))
        obs, reward, terminated, truncated, _ = env.step(actions[-1])
        if terminated or truncated:
            break
    return np.stack(actions), reward


def test_it_opens_the_door_by_actions_of_the_house(door):
    actions, reward = open_door(door, make_demonstrator("scripted", DOOR, door, 0), seed=1)
    assert reward == 1.0
    assert actions.shape[1:] == (28,)
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1.0


def test_planning_leaves_the_simulation_as_it_was_and_its_seed_decides(door):
    first, again, other = (open_door(door, scripted(door, seed), seed=1, steps=4)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(other, first)

    obs, _ = door.reset(seed=1)
    policy = scripted(door, 0)
    policy.begin_episode()
    before = door.foreign.unwrapped.data.qpos.copy()
    policy.act(obs, explore=True)
    np.testing.assert_array_equal(door.foreign.unwrapped.data.qpos, before)


def test_an_episode_owes_nothing_to_the_last_ones_plan(door):
    policy = scripted(door, 0)
    open_door(door, policy, seed=1, steps=3)
    policy.begin_episode()
    rest = door.foreign.unwrapped.init_qpos[:4]  # the arm's joints, which is where its servos are sent
    np.testing.assert_allclose(policy._plan[:, :4] * door.foreign.unwrapped.act_rng[:4] + door.foreign.unwrapped.act_mean[:4],
                               np.tile(rest, (len(policy._plan), 1)), atol=1e-6)  # fmt: skip


def test_it_opens_nothing_else():
    with pytest.raises(ConfigError, match=r"'gymnasium:Pendulum-v1' is not gymnasium:AdroitHandDoor"):
        scripted(make_env("gymnasium:Pendulum-v1", EnvOptions(reward="dense")), 0)
