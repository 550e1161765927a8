"""The human wins, says how it went, and can always stop the robot."""

from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hardware.fake import HOME, FakeRobot, ScriptedTeleop
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.options import StepInfo
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import DeviceError
from robot_rl.types import ArmTarget, TeleopInput

POLICY = np.array([0.5, 0, 0], np.float32)
HUMAN = np.array([0, -1.0, 0], np.float32)
MOVE = ActionConfig(frame="base", axes=("x", "y", "z"))
GRASP = ActionConfig(frame="base", axes=("x", "y", "z"), gripper="continuous", empty_opening=0.4)


class Bench:
    """An environment of which the policy succeeds once it is 1 cm away, with a person beside it."""

    def __init__(self, *script, goal: float = 1.0, ends: bool = True, action: ActionConfig = MOVE):
        self.robot = FakeRobot()
        config = RobotEnvConfig(max_steps=5, action=action, terminate_on_success=ends)
        reward = SparseReward(lambda obs: bool(np.linalg.norm(obs["state/arm/position"]) >= goal))
        self.robot_env = RobotEnv(self.robot, config=config, reward=reward, reset=DrivenReset(HOME))
        self.teleop = ScriptedTeleop()
        self.env = Intervention(self.robot_env, self.teleop)
        self.env.reset(seed=0)
        self.teleop.then(*script)
        self.robot.sent.clear()
        self.robot.num_stops = 0

    def way(self) -> list[float]:
        """Return how far the last command was from home."""
        target = self.robot.sent[-1]["arm"]
        assert isinstance(target, ArmTarget)
        return (target.pose.position - HOME.position).tolist()


def test_without_a_hand_the_policy_acts():
    bench = Bench()
    info = bench.env.step(POLICY)[4]
    assert bench.way() == pytest.approx([0.01, 0, 0])
    assert info["is_intervention"] is False
    assert info["action"].tolist() == info["policy_action"].tolist() == POLICY.tolist()


def test_the_human_wins_and_both_actions_are_told():
    bench = Bench(TeleopInput(action=HUMAN))
    info = bench.env.step(POLICY)[4]
    assert bench.way() == pytest.approx([0, -0.02, 0])
    assert info["is_intervention"] is True
    assert info["action"].tolist() == HUMAN.tolist()
    assert info["policy_action"].tolist() == POLICY.tolist()
    assert bench.env.step(POLICY)[4]["is_intervention"] is False


def test_what_a_reflex_does_meanwhile_is_no_persons_demonstration():
    bench = Bench(*[TeleopInput(action=np.array([0, 0, 0, -1.0], np.float32))] * 5, action=GRASP)
    infos = [bench.env.step(np.zeros(4, np.float32))[4] for _ in range(5)]
    assert [info["action"][-1] for info in infos] == [-1.0, -1.0, 1.0, 1.0, 1.0]
    assert [info["is_intervention"] for info in infos] == [True, True, False, False, False]


def test_a_hand_that_keeps_still_wins_too():
    bench = Bench(TeleopInput(action=np.zeros(3, np.float32)))
    info = bench.env.step(POLICY)[4]
    assert bench.way() == pytest.approx([0, 0, 0])
    assert info["is_intervention"] is True


@pytest.mark.parametrize("script", ["     ", "x x x", "xxxxx", "  xx ", "x    "])
def test_taking_over_and_giving_back_end_nothing(script):
    bench = Bench(*[TeleopInput(action=HUMAN) if mark == "x" else TeleopInput() for mark in script])
    steps = [bench.env.step(POLICY) for _ in script]
    assert [step[2] for step in steps] == [False] * 5
    assert [step[3] for step in steps] == [False] * 4 + [True]  # the time limit, and that is no end of the task
    assert [step[4]["is_intervention"] for step in steps] == [mark == "x" for mark in script]


@pytest.mark.parametrize(("action", "message"), [([np.nan] * 3, "finite"), ([0.0, 1.5, 0.0], "1.5"), ([0.0], "shape")])
def test_a_humans_action_is_checked_like_any_other_and_the_robot_held(action, message):
    bench = Bench(TeleopInput(), TeleopInput(action=np.array(action, np.float32)))
    bench.env.step(POLICY)
    with pytest.raises(ValueError, match=message):
        bench.env.step(POLICY)
    assert len(bench.robot.sent) == 1
    assert bench.robot.num_stops > 0


def test_whatever_goes_wrong_with_the_person_the_robot_is_held():
    class Confused(ScriptedTeleop):
        def read(self):
            super().read()
            raise RuntimeError("a bug in a driver")

    bench = Bench()
    bench.env.step(POLICY)
    bench.env._teleop = Confused()
    with pytest.raises(RuntimeError, match="a bug"):
        bench.env.step(POLICY)
    assert bench.robot.num_stops > 0


def test_success_terminates_with_reward_one():
    bench = Bench(TeleopInput(action=HUMAN, success=True))
    _, reward, terminated, truncated, info = bench.env.step(POLICY)
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)
    assert len(bench.robot.sent) == 1
    assert bench.robot.num_stops == 1


@pytest.mark.parametrize("judgement", [{"failure": True}, {"discard": True}, {"failure": True, "success": True}])
def test_failure_and_discard_truncate_without_reward(judgement):
    bench = Bench(TeleopInput(**judgement), goal=0.009)
    _, reward, terminated, truncated, info = bench.env.step(POLICY)
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, True, False)
    assert info["discard"] is judgement.get("discard", False)
    assert info["fault"] == ""
    assert bench.robot.num_stops > 0


def test_an_episode_that_a_person_ended_is_over():
    bench = Bench(TeleopInput(failure=True))
    bench.env.step(POLICY)
    with pytest.raises(gym.error.ResetNeeded):
        bench.env.step(POLICY)


@pytest.mark.parametrize(
    ("event", "fault"),
    [(TeleopInput(stop=True), "stopped by a person"), (DeviceError("unplugged"), "input device: unplugged")],
)
def test_stop_and_a_dead_input_device_hold_the_robot_before_anything_is_executed(event, fault):
    bench = Bench(TeleopInput(), event, goal=0.009, ends=False)
    last, _, _, _, before = bench.env.step(POLICY)
    num_sent = len(bench.robot.sent)
    obs, reward, terminated, truncated, info = bench.env.step(POLICY)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["fault"] == fault
    assert info["stamp"] == before["stamp"]
    assert (before["true_success"], info["success"], info["true_success"]) == (True, False, False)
    assert len(bench.robot.sent) == num_sent
    assert bench.robot.num_stops == 1
    np.testing.assert_array_equal(obs["state/arm/position"], last["state/arm/position"])


def test_a_fault_is_no_success_whatever_the_person_says():
    bench = Bench(TeleopInput(success=True))
    bench.robot.fail_next("command", "cable is out")
    _, reward, terminated, truncated, info = bench.env.step(POLICY)
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, True, False)
    assert "cable is out" in info["fault"]


def test_what_was_pressed_during_the_reset_is_forgotten():
    bench = Bench(TeleopInput(success=True))
    bench.env.reset(seed=1)
    assert bench.env.step(POLICY)[2:4] == (False, False)


def test_stop_before_the_first_reset_still_asks_for_a_reset():
    env = Intervention(Bench().robot_env, ScriptedTeleop([TeleopInput(stop=True)]))
    with pytest.raises(gym.error.ResetNeeded):
        env.step(POLICY)


def test_info_always_has_all_keys():
    bench = Bench(TeleopInput(), TeleopInput(stop=True))
    keys = {*StepInfo.__annotations__, "discard"}
    assert set(bench.env.step(POLICY)[4]) == set(bench.env.step(POLICY)[4]) == set(bench.env.reset()[1]) == keys


def test_keeps_gymnasiums_and_the_houses_promises():
    bench = Bench()
    assert bench.env.env_spec is bench.robot_env.env_spec
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # states are unbounded, which the checker finds unusual
        bench.env.action_space.seed(0)  # the checker compares exactly, and the fake's clock goes on between its two episodes
        check_env(bench.env)
