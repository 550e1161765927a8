"""The reflex in simulation: a hand that misses the cube comes free of it, and one that does not is left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "launch"))
from evaluate import EvaluateConfig, measured_in
from train import environments

from robot_rl.envs.factory import Env, make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from robot_rl.training.config import EvaluationConfig, TrainConfig


def heights_and_openings(env: Env) -> tuple[np.ndarray, np.ndarray]:
    """Lower the hand for a while and close it far above the table; return heights in m and openings of every step."""
    env.reset(seed=0)
    seen = []
    for step in range(25):
        obs, *_ = env.step(np.array([0.0, 0.0, 0.5 if step < 5 else 0.0, 0.0, 1.0 if step < 5 else -1.0], np.float32))
        seen.append((env.physics.site_pose("tcp").position[2], obs["state/gripper/opening"][0]))
    heights, openings = np.array(seen).T
    return heights, openings


def test_a_hand_that_closes_on_nothing_opens_and_rises():
    heights, openings = heights_and_openings(make_env("pick_lift", EnvOptions(regrasp=True)))
    closed = int(openings.argmin())
    assert openings[closed] < 0.4
    assert openings[closed + 1 :].max() > 0.9
    assert heights[closed + 1 :].max() > heights[closed] + 0.04


def test_what_the_reflex_does_is_what_was_executed():
    env = make_env("pick_lift", EnvOptions(regrasp=True))
    env.reset(seed=0)
    asked = np.array([0.0, 0.0, 0.0, 0.0, -1.0], np.float32)
    infos = [env.step(asked)[-1] for _ in range(25)]
    overruled = [info for info in infos if info["action"][-1] == 1.0]
    assert overruled
    for info in infos:
        np.testing.assert_array_equal(info["policy_action"], asked)
        assert not info["is_intervention"]
    for info in overruled:  # pick_lift moves along the tool's axes, and the tool points down
        np.testing.assert_allclose(info["action"], [0.0, 0.0, -0.5, 0.0, 1.0], atol=0.05)
    np.testing.assert_array_equal(infos[0]["action"], asked)


def test_without_the_reflex_it_stays_as_it_is():
    heights, openings = heights_and_openings(make_env("pick_lift", EnvOptions()))
    assert openings[-10:].max() < 0.1
    assert np.ptp(heights[-10:]) < 0.005


@pytest.mark.parametrize(("asked", "acts"), [(None, True), (False, False), (True, True)])
def test_its_worth_can_be_measured(asked, acts):
    config = TrainConfig(task="pick_lift", evaluation=EvaluationConfig(regrasp=True))
    assert measured_in(EvaluateConfig(Path("run"), regrasp=asked), config).regrasp == acts


def test_a_policy_may_be_measured_with_it_and_learn_without():
    config = TrainConfig(task="pick_lift", evaluation=EvaluationConfig(regrasp=True))
    with environments(config) as (env, eval_env):
        assert env.env_spec == eval_env.env_spec
        assert heights_and_openings(env)[1][-10:].max() < 0.1
        assert heights_and_openings(eval_env)[1][-10:].max() > 0.9


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
