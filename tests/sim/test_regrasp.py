"""The reflex in simulation: a hand that misses the cube comes free of it, and one that does not is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from robot_rl.envs.factory import make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError


def heights_and_openings(regrasp: bool) -> tuple[np.ndarray, np.ndarray]:
    """Lower the hand for a while and close it far above the table; return heights in m and openings of every step."""
    env = make_env("pick_lift", EnvOptions(regrasp=regrasp))
    env.reset(seed=0)
    seen = []
    for step in range(25):
        obs, *_ = env.step(np.array([0.0, 0.0, 0.5 if step < 5 else 0.0, 0.0, 1.0 if step < 5 else -1.0], np.float32))
        seen.append((env.physics.site_pose("tcp").position[2], obs["state/gripper/opening"][0]))
    heights, openings = np.array(seen).T
    return heights, openings


def test_a_hand_that_closes_on_nothing_opens_and_rises():
    heights, openings = heights_and_openings(regrasp=True)
    closed = int(openings.argmin())
    assert openings[closed] < 0.4
    assert openings[closed + 1 :].max() > 0.9
    assert heights[closed + 1 :].max() > heights[closed] + 0.04


def test_a_policy_that_is_not_told_openings_exactly_sees_that_its_hand_is_empty():
    env = make_env("pick_lift", EnvOptions(regrasp=True, object_state=False))
    obs, _ = env.reset(seed=0)
    seen = {float(obs["state/gripper/opening"][0])}
    for _ in range(10):
        obs, *_ = env.step(np.array([0.0, 0.0, 0.0, 0.0, -1.0], np.float32))
        seen.add(float(obs["state/gripper/opening"][0]))
    assert min(seen) == pytest.approx(0.4)


def test_without_the_reflex_it_stays_as_it_is():
    heights, openings = heights_and_openings(regrasp=False)
    assert openings[-10:].max() < 0.1
    assert np.ptp(heights[-10:]) < 0.005


@pytest.mark.parametrize("task", ["pick_lift", "bin_pick"])
def test_who_grasps_well_does_not_notice_it(task):
    seen = []
    for regrasp in (False, True):
        env = make_env(task, EnvOptions(regrasp=regrasp))
        policy = make_demonstrator("scripted", task, env, 3)
        obs, _ = env.reset(seed=3)
        policy.begin_episode()
        rows, ended, info = [], False, {}
        while not ended:
            obs, _, terminated, truncated, info = env.step(policy.act(obs, explore=False))
            rows.append(np.concatenate([obs[key] for key in sorted(obs)]))
            ended = terminated or truncated
        assert info["success"]
        seen.append(np.array(rows))
    np.testing.assert_array_equal(*seen)


def test_a_task_without_anything_to_grasp_refuses_it():
    with pytest.raises(ConfigError, match="peg_insert nothing is"):
        make_env("peg_insert", EnvOptions(regrasp=True))
