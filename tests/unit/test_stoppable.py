"""A stop from any thread, and a person's during a reset, end what moves the robot."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from hardware.clock import ManualClock
from hardware.fake import HOME, FakeRobot
from hardware.teleop_scripted import ScriptedDevice
from robot_rl.envs.intervention import STOPPED, Intervention
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import WHILE_RESETTING, RobotEnv, RobotEnvConfig
from robot_rl.envs.stoppable import STOPPED_ELSEWHERE
from robot_rl.envs.takeover import TakeOver
from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, DeviceInput

AWAY = np.array([1.0, 0.0, 0.0, 0.0], np.float32)
FAR = Pose(HOME.position + np.array([0.2, 0.0, 0.0]), HOME.quaternion)


class Interrupted(ManualClock):
    """Lets another thread act in the middle of the `after`-th sleep from now."""

    def __init__(self):
        super().__init__()
        self.left, self.act = -1, lambda: None

    def sleep_until(self, deadline):
        self.left -= 1
        if self.left == 0:
            thread = threading.Thread(target=self.act)
            thread.start()
            thread.join()
        super().sleep_until(deadline)


def made(start=HOME):
    clock = Interrupted()
    robot = FakeRobot(clock)
    env = RobotEnv(robot, config=RobotEnvConfig(), reward=SparseReward(lambda _: False), reset=DrivenReset(start))
    return env, robot, clock


def stands(robot, clock):
    before = robot.read()["arm"]
    clock.sleep_until(clock.now() + 1.0)
    after = robot.read()["arm"]
    assert isinstance(before, ArmState)
    assert isinstance(after, ArmState)
    return before.pose.distance(after.pose)[0] == 0.0


def test_a_stop_from_another_thread_in_the_middle_of_a_step_ends_the_episode():
    env, robot, clock = made()
    env.reset(seed=0)
    env.step(AWAY)
    clock.left, clock.act = 1, env.stop
    _, reward, terminated, truncated, info = env.step(AWAY)
    assert (reward, terminated, truncated, info["fault"]) == (0.0, False, True, STOPPED_ELSEWHERE)
    assert stands(robot, clock)
    sent = len(robot.sent)
    with pytest.raises(Exception, match="call reset before step"):
        env.step(AWAY)
    assert len(robot.sent) == sent


def test_a_stop_that_races_a_command_is_made_good():
    env, robot, clock = made()
    env.reset(seed=0)
    command = robot.command

    def slow(told):
        sent = command(told)
        env.stop_thread = threading.Thread(target=env.stop)  # pressed while the driver sends
        env.stop_thread.start()
        env.stop_thread.join()
        robot._targets |= sent  # and the driver takes the command after the stop
        return sent

    robot.command = slow
    _, _, _, truncated, info = env.step(AWAY)
    assert (truncated, info["fault"]) == (True, STOPPED_ELSEWHERE)
    assert stands(robot, clock)


def test_a_stop_between_two_steps_needs_a_reset_and_a_reset_moves_again():
    env, _, _ = made()
    env.reset(seed=0)
    env.stop()
    with pytest.raises(Exception, match="call reset before step"):
        env.step(AWAY)
    env.reset(seed=1)
    assert env.step(AWAY)[4]["fault"] == ""


def test_a_stop_from_another_thread_ends_a_reset():
    env, robot, clock = made(FAR)
    clock.left, clock.act = 3, env.stop
    with pytest.raises(DeviceError, match=STOPPED_ELSEWHERE):
        env.reset(seed=0)
    assert stands(robot, clock)
    arm = robot.read()["arm"]
    assert isinstance(arm, ArmState)
    assert arm.pose.distance(FAR)[0] > 0.1


def test_whatever_watches_a_reset_can_end_it():
    env, robot, clock = made(FAR)
    count = iter(range(100))

    def watch():
        if next(count) > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        env.reset(seed=0, options={WHILE_RESETTING: watch})
    assert stands(robot, clock)


@pytest.mark.parametrize("presses", [0, 1, 2])
def test_a_person_can_stop_a_reset_and_a_pause_is_kept_for_its_end(presses):
    env, robot, clock = made(FAR)
    rest = [DeviceInput()] * 3
    pauses = [DeviceInput(pause=True)] * presses
    device = ScriptedDevice([*rest, *pauses, *rest, DeviceInput(success=True), DeviceInput(stop=True)])
    teleop = TakeOver(device, env.env_spec)
    teleop.connect()
    with pytest.raises(KeyboardInterrupt, match=STOPPED):
        Intervention(env, teleop).reset(seed=0)
    assert stands(robot, clock)
    assert teleop.read().pause == (presses == 1)


def test_a_device_that_dies_during_a_reset_ends_it():
    env, robot, clock = made(FAR)
    teleop = TakeOver(ScriptedDevice([DeviceInput(), DeviceError("unplugged")]), env.env_spec)
    teleop.connect()
    with pytest.raises(DeviceError, match="unplugged"):
        Intervention(env, teleop).reset(seed=0)
    assert stands(robot, clock)
