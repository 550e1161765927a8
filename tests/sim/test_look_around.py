"""A hand that looks around goes everywhere, touches nothing, and then does what it was meant to do."""

from __future__ import annotations

import numpy as np
import pytest

from robot_rl.envs.factory import make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from robot_rl.specs import ActionSpec
from sim.look_around import STEPS, LookAround, look_around

SPEC = ActionSpec(("arm/x", "arm/z", "gripper"))
INTENDED = np.array([0.2, -0.1, -1.0], np.float32)
LOW, HIGH, GRIP = np.array([-2.0, 0.0, 0.0]), np.array([2.0, 3.0, 0.0]), np.array([0.0, 0.0, 1.0])


class Steady:
    version = 0

    def begin_episode(self):
        pass

    def act(self, obs, *, explore):
        return INTENDED.copy()


def actions(seed=0, episodes=10, steps=40):
    policy = LookAround(Steady(), SPEC, LOW, HIGH, GRIP, seed)
    played = []
    for _ in range(episodes):
        policy.begin_episode()
        played.append([policy.act({}, explore=True) for _ in range(steps)])
    return np.array(played)  # [episodes, steps, A]


def test_actions_are_valid_and_repeat_with_their_seed():
    played = actions()
    assert played.dtype == np.float32
    assert np.abs(played).max() <= 1.0
    np.testing.assert_array_equal(played, actions())
    assert np.abs(played - actions(seed=1)).max() > 0.1
    assert np.abs(played[0] - played[1]).max() > 0.1


def test_it_stays_within_reach_until_the_policy_acts_with_the_gripper_open():
    grips = []
    for episode in actions():
        looking = int(np.argmax((episode == INTENDED).all(axis=-1)))
        assert STEPS[0] <= looking <= STEPS[1]
        np.testing.assert_array_equal(episode[looking:], np.tile(INTENDED, (len(episode) - looking, 1)))
        way = episode[:looking].cumsum(axis=0)
        assert (way[:, :2] >= LOW[:2] - 1e-5).all()
        assert (way[:, :2] <= HIGH[:2] + 1e-5).all()
        grips += episode[:looking, 2].tolist()
    assert set(grips) == {1.0}


def test_a_cube_lies_where_it_was_when_the_hand_has_looked_around_and_is_lifted_then():
    env = make_env("pick_lift", EnvOptions())
    policy = look_around(env, make_demonstrator("scripted", "pick_lift", env, 0), 0)
    sideways, low, successes = [], [], 0
    for seed in range(8):
        obs, _ = env.reset(seed=seed)
        policy.begin_episode()
        start, is_over, step = env.objects(exact=True)["state/cube/position"], False, 0
        lain = env.physics.body_pose("cube").position.copy()
        while not is_over:
            obs, _, terminated, truncated, info = env.step(policy.act(obs, explore=True))
            step, is_over = step + 1, terminated or truncated
            if step == STEPS[0]:
                seen = env.objects(exact=True)["state/cube/position"]
                sideways.append(np.abs(seen - start)[:2].max())
                low.append(start[2] - seen[2])
                np.testing.assert_allclose(env.physics.body_pose("cube").position, lain, atol=1e-4)
        successes += info["success"]
    assert max(sideways) > 0.05
    assert max(low) > 0.05
    assert successes >= 7


def test_only_simulated_tasks_are_looked_around_in():
    env = make_env("gymnasium:Pendulum-v1", EnvOptions(reward="dense"))
    with pytest.raises(ConfigError, match="not a simulated task"):
        look_around(env, Steady(), 0)
