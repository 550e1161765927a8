"""What a person says besides moving: pause, stop, labels at the end and a veto, and what is pressed during a reset."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.fake import HOME, FakeRobot, ScriptedTeleop
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.intervention import STOPPED, Intervention
from robot_rl.envs.judge import Judged
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.types import TeleopInput

AWAY = np.array([1.0, 0, 0], np.float32)
NOTHING, PAUSE, STOP = TeleopInput(), TeleopInput(pause=True), TeleopInput(stop=True)
SUCCESS, FAILURE = TeleopInput(success=True), TeleopInput(failure=True)
CONFIG = RobotEnvConfig(max_steps=3, action=ActionConfig(frame="base", axes=("x", "y", "z")), terminate_on_success=False)
DT = CONFIG.control_dt


class Bench:
    """Three steps of 2 cm; a model calls it a success `goal` m from the start, and a person may differ."""

    def __init__(self, *script, goal=1.0, veto_s=0.0, wait=None, **options):
        self.robot = FakeRobot()
        never, at_goal = (SparseReward(lambda obs, far=far: self.distance(obs) >= far) for far in (9.0, goal))
        env = Judged(RobotEnv(self.robot, config=CONFIG, reward=never, reset=DrivenReset(HOME)), at_goal)
        self.teleop = ScriptedTeleop()
        self.env = Intervention(env, self.teleop, veto_s=veto_s, wait=wait, **options)
        self.env.reset(seed=0)
        self.teleop.then(*script)
        self.robot.sent.clear()
        self.robot.num_stops = 0

    @staticmethod
    def distance(obs):
        return float(np.linalg.norm(obs["state/arm/position"]))

    def step(self):
        return self.env.step(AWAY)

    def episode(self):
        """Return reward, terminated, truncated and info of the last step."""
        is_over, last = False, None
        while not is_over:
            last = self.step()
            is_over = last[2] or last[3]
        return last[1:]


# Pause


@pytest.mark.parametrize("length", [1, 3, 30])
def test_a_pause_holds_the_robot_until_it_is_tapped_again_and_the_episode_goes_on(length):
    bench = Bench(NOTHING, PAUSE, *[NOTHING] * (length - 1), PAUSE)
    bench.step()
    before, start = len(bench.robot.sent), bench.robot.clock.now()
    obs, _, terminated, truncated, info = bench.step()
    assert bench.robot.num_stops == 1
    assert bench.robot.clock.now() - start == pytest.approx((length + 1) * DT)
    assert len(bench.robot.sent) == before + 1  # the policy's, afterwards
    assert bench.distance(obs) == pytest.approx(0.04, abs=1e-6)
    assert (terminated, truncated, info["fault"], info["is_intervention"]) == (False, False, "", False)


def test_that_a_pause_begins_is_told_when_the_robot_holds():
    told = []
    bench = Bench(NOTHING, PAUSE, NOTHING, PAUSE, on_pause=lambda: told.append(bench.robot.num_stops))
    bench.step()
    assert told == []
    bench.step()
    assert told == [1]


def test_the_time_of_a_pause_is_no_time_of_the_episode():
    bench = Bench(NOTHING, PAUSE, *[NOTHING] * 9, PAUSE)
    stamps = [bench.step()[4]["stamp"] for _ in range(3)]
    assert stamps == pytest.approx([DT, 2 * DT, 3 * DT])


@pytest.mark.parametrize(("word", "reward"), [(SUCCESS, 1.0), (FAILURE, 0.0)])
def test_a_label_during_a_pause_counts_after_it(word, reward):
    bench = Bench(PAUSE, word, NOTHING, PAUSE)
    _, paid, terminated, truncated, info = bench.step()
    assert (paid, terminated, truncated, info["success"]) == (reward, reward > 0, reward == 0, reward > 0)


@pytest.mark.parametrize(("event", "fault"), [(STOP, STOPPED), (DeviceError("unplugged"), "input device: unplugged")])
def test_stop_and_a_dead_device_end_a_pause_with_the_robot_held(event, fault):
    bench = Bench(PAUSE, NOTHING, event)
    _, reward, terminated, truncated, info = bench.step()
    assert (reward, terminated, truncated, info["fault"]) == (0.0, False, True, fault)
    assert bench.robot.sent == []
    assert bench.robot.num_stops >= 1


def test_a_pause_at_the_end_of_an_episode_holds_the_robot_before_the_reset_can_move_it():
    bench = Bench(*[NOTHING] * 3, PAUSE, NOTHING, NOTHING, PAUSE)
    bench.step()
    bench.step()
    start = bench.robot.clock.now()
    assert bench.step()[3]
    assert bench.robot.clock.now() - start == pytest.approx(4 * DT)


# The end of an episode


@pytest.mark.parametrize("ends_by", ["time", "model"])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (SUCCESS, (1.0, True, False, True)),
        (FAILURE, (0.0, False, True, False)),
        (TeleopInput(discard=True), (0.0, False, True, False)),
    ],
)
def test_a_label_that_comes_during_the_last_step_is_not_lost(ends_by, word, expected):
    bench = Bench(*[NOTHING] * 3, word, goal=0.059 if ends_by == "model" else 1.0)
    reward, terminated, truncated, info = bench.episode()
    assert (reward, terminated, truncated, info["success"]) == expected
    assert info["discard"] is word.discard


def test_without_a_word_the_model_and_the_time_limit_decide():
    reward, terminated, truncated, _ = Bench(goal=0.039).episode()
    assert (reward, terminated, truncated) == (1.0, True, False)
    reward, terminated, truncated, _ = Bench().episode()
    assert (reward, terminated, truncated) == (0.0, False, True)


@pytest.mark.parametrize("late", [0, 2, 5])
def test_a_classifier_can_be_contradicted_for_a_while(late):
    waits = []
    bench = Bench(NOTHING, *[NOTHING] * late, FAILURE, goal=0.019, veto_s=0.5, wait=waits.append)
    reward, terminated, truncated, info = bench.step()[1:]
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, True, False)
    assert waits == [DT] * late
    assert bench.robot.num_stops >= 1


def test_and_no_longer():
    waits = []
    bench = Bench(NOTHING, *[NOTHING] * 6, FAILURE, goal=0.019, veto_s=0.5, wait=waits.append)
    assert bench.step()[1:4] == (1.0, True, False)
    assert sum(waits) == pytest.approx(0.5)


def test_who_called_the_end_is_not_asked_again():
    waits = []
    bench = Bench(SUCCESS, FAILURE, veto_s=0.5, wait=waits.append)
    assert bench.step()[1:4] == (1.0, True, False)
    assert waits == []


def test_a_device_that_fails_at_the_end_leaves_the_step_as_it_was():
    bench = Bench(NOTHING, DeviceError("unplugged"), goal=0.019, veto_s=0.5)
    _, reward, terminated, truncated, info = bench.step()
    assert (reward, terminated, truncated, info["fault"]) == (1.0, True, False, "")


def test_stop_at_the_end_is_told_so_that_no_reset_follows():
    bench = Bench(NOTHING, NOTHING, STOP, goal=0.019, veto_s=0.5)
    assert bench.step()[4]["fault"] == STOPPED


def test_a_veto_takes_time_that_exists():
    with pytest.raises(ConfigError, match="veto_s -1 is negative"):
        Bench(veto_s=-1.0)


# The reset


def test_stop_during_the_reset_counts_before_the_first_step():
    bench = Bench(STOP)
    bench.env.reset()
    num_sent = len(bench.robot.sent)
    assert bench.step()[4]["fault"] == STOPPED
    assert len(bench.robot.sent) == num_sent


def test_pause_during_the_reset_counts_before_the_first_step_too():
    bench = Bench(PAUSE, NOTHING, NOTHING, PAUSE)
    bench.env.reset()
    start = bench.robot.clock.now()
    bench.step()
    assert bench.robot.clock.now() - start == pytest.approx(3 * DT)


def test_a_pause_that_is_tapped_again_before_the_first_step_is_taken_back():
    bench = Bench(PAUSE, PAUSE, NOTHING)
    bench.env.reset()
    start = bench.robot.clock.now()
    bench.step()
    assert bench.robot.clock.now() - start == pytest.approx(DT)


def test_labels_during_the_reset_are_about_an_episode_that_is_gone():
    for word in (SUCCESS, FAILURE, TeleopInput(discard=True)):
        bench = Bench(word)
        bench.env.reset()
        _, _, terminated, truncated, info = bench.step()
        assert (terminated, truncated, info["discard"]) == (False, False, False)


def test_a_reset_with_a_dead_device_is_refused_with_the_robot_held():
    bench = Bench(DeviceError("unplugged"))
    with pytest.raises(DeviceError, match="unplugged"):
        bench.env.reset()
    assert bench.robot.num_stops >= 1
