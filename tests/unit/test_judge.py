"""A learned reward decides alone, tells what it replaced, and gives way to a person and to faults."""

from __future__ import annotations

import warnings
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hardware.fake import HOME, FakeRobot, ScriptedTeleop
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.gymnasium_env import make
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.judge import Judged
from robot_rl.envs.options import EnvOptions, StepInfo
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError
from robot_rl.types import TeleopInput

AWAY = np.array([1.0, 0, 0], np.float32)
CONFIG = RobotEnvConfig(max_steps=6, action=ActionConfig(frame="base", axes=("x", "y", "z")), terminate_on_success=False)


def further_than(distance):
    """Return a reward that says success beyond `distance` m from the start; a step of AWAY is 2 cm."""
    return SparseReward(lambda obs: bool(np.linalg.norm(obs["state/arm/position"]) >= distance))


class Counting:
    """A reward model that needs two successes in a row, and so must be told of new episodes."""

    def __init__(self, reward=0.75):
        self.reward, self.seen = reward, 0

    def begin_episode(self):
        self.seen = 0

    def __call__(self, obs):
        self.seen += 1
        return (self.reward, True) if self.seen == 2 else (0.0, False)


class Bench:
    """A robot whose own task is done after `truth` m, judged by a model, beside a person who follows a script."""

    def __init__(self, model, *script, truth=1.0):
        self.robot = FakeRobot()
        self.robot_env = RobotEnv(self.robot, config=CONFIG, reward=further_than(truth), reset=DrivenReset(HOME))
        self.judged = Judged(self.robot_env, model)
        teleop = ScriptedTeleop()
        self.env = Intervention(self.judged, teleop)
        self.env.reset(seed=0)
        teleop.then(*script)
        self.robot.num_stops = 0

    def episode(self):
        """Return the steps of a whole episode."""
        steps = [self.env.step(AWAY)]
        while not (steps[-1][2] or steps[-1][3]):
            steps.append(self.env.step(AWAY))
        return steps


def test_reward_success_and_end_are_the_models_and_the_truth_is_told():
    steps = Bench(further_than(0.079), truth=0.039).episode()
    assert [step[1] for step in steps] == [0.0, 0.0, 0.0, 1.0]
    assert [step[2] for step in steps] == [False] * 3 + [True]
    assert [step[4]["success"] for step in steps] == [False] * 3 + [True]
    assert [step[4]["true_success"] for step in steps] == [False, True, True, True]


def test_a_false_success_ends_the_episode_and_is_known_to_be_false():
    _, reward, terminated, truncated, info = Bench(further_than(0.019)).env.step(AWAY)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["success"], info["true_success"]) == (True, False)


def test_the_truth_alone_neither_pays_nor_ends():
    steps = Bench(further_than(9.0), truth=0.019).episode()
    assert [step[1] for step in steps] == [0.0] * 6
    assert [step[2:4] for step in steps] == [(False, False)] * 5 + [(False, True)]
    assert steps[-1][4]["true_success"]


def test_success_in_the_last_step_terminates_and_does_not_truncate():
    assert Bench(further_than(0.119)).episode()[-1][2:4] == (True, False)


def test_the_model_begins_anew_with_every_episode():
    bench = Bench(Counting())
    for _ in range(2):
        bench.env.reset()
        bench.env.step(AWAY)
    assert bench.env.step(AWAY)[1:3] == (0.75, True)


def test_the_robot_is_held_at_the_models_success_and_the_episode_is_over():
    bench = Bench(further_than(0.039))
    held = []
    for _ in range(2):
        bench.env.step(AWAY)
        held.append(bench.robot.num_stops)
    assert held == [0, 1]
    with pytest.raises(gym.error.ResetNeeded):
        bench.env.step(AWAY)


def test_a_fault_is_a_fault_whatever_the_model_would_say():
    bench = Bench(further_than(0.0))
    bench.robot.fail_next("command", "cable is out")
    _, reward, terminated, truncated, info = bench.env.step(AWAY)
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, True, False)
    assert "cable is out" in info["fault"]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_model_that_breaks_leaves_no_robot_moving(error):
    def broken(_):
        raise error

    bench = Bench(SparseReward(broken))
    with pytest.raises(error):
        bench.env.step(AWAY)
    assert bench.robot.num_stops >= 1  # Intervention stops it again, which changes nothing


@pytest.mark.parametrize("event", [{"failure": True}, {"discard": True}])
def test_a_persons_veto_beats_the_model(event):
    bench = Bench(further_than(0.019), TeleopInput(**event))
    _, reward, terminated, truncated, info = bench.env.step(AWAY)
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, True, False)


def test_a_persons_success_ends_the_episode_where_the_model_sees_none():
    bench = Bench(further_than(9.0), TeleopInput(success=True))
    _, reward, terminated, truncated, info = bench.env.step(AWAY)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["success"], info["true_success"]) == (True, False)
    assert bench.robot.num_stops == 1
    with pytest.raises(gym.error.ResetNeeded):
        bench.env.step(AWAY)


def test_a_persons_action_is_judged_as_any_other():
    bench = Bench(further_than(0.019), TeleopInput(action=-AWAY))
    _, reward, terminated, _, info = bench.env.step(np.zeros(3, np.float32))
    assert (reward, terminated, info["is_intervention"]) == (1.0, True, True)


def test_an_environment_that_ends_at_its_own_success_is_refused():
    env = RobotEnv(
        FakeRobot(), config=replace(CONFIG, terminate_on_success=True), reward=further_than(1.0), reset=DrivenReset(HOME)
    )
    with pytest.raises(ConfigError, match=r"robot ends its episodes at its own success.*end_at_success=False"):
        Judged(env, Counting())


def test_foreign_environments_are_judged_too():
    env = make("Pendulum-v1", EnvOptions(success_rule="reward>=-100", end_at_success=False))
    judged = Judged(env, Counting())
    judged.reset(seed=0)
    steps = [judged.step(np.zeros(1, np.float32)) for _ in range(2)]
    assert [step[1:3] for step in steps] == [(0.0, False), (0.75, True)]
    assert [step[4]["true_success"] for step in steps] == [True, True]


def test_info_always_has_all_keys_and_others_are_kept():
    bench = Bench(Counting())
    keys = set(StepInfo.__annotations__)
    infos = [bench.judged.reset()[1], bench.judged.step(AWAY)[4]]
    bench.robot.fail_next("read")
    infos.append(bench.judged.step(AWAY)[4])
    assert all(set(info) == keys for info in infos)
    assert infos[1]["action"].tolist() == AWAY.tolist()


def test_keeps_gymnasiums_and_the_houses_promises():
    bench = Bench(further_than(0.05))
    assert bench.judged.env_spec is bench.env.env_spec is bench.robot_env.env_spec
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # states are unbounded, which the checker finds unusual
        bench.env.action_space.seed(0)  # the checker compares exactly, and the fake's clock goes on between its two episodes
        check_env(bench.env)
