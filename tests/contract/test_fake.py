"""The fake hardware keeps the contracts, and fails when it is told to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from contract.camera_contract import CameraContract
from contract.robot_contract import RobotContract

from hardware.clock import ManualClock
from hardware.fake import FAKE_SPEC, HOME, FakeCamera, FakeRobot, FakeTracker, ScriptedTeleop
from hardware.watchdog import Watchdog
from robot_rl.envs.actions import displace
from robot_rl.errors import DeviceError, StaleFrame
from robot_rl.geometry import Pose
from robot_rl.specs import DriveSpec, JointSpec, RobotSpec
from robot_rl.types import (
    ArmState,
    ArmTarget,
    DriveState,
    DriveTarget,
    GripperState,
    JointState,
    JointTarget,
    TeleopInput,
)

ARM = FAKE_SPEC.parts["arm"]


class TestFakeRobot(RobotContract):
    def make(self):
        return FakeRobot()


class TestWatchedRobot(RobotContract):
    def make(self):
        return Watchdog(FakeRobot(), timeout_s=0.5)


class TestFakeCamera(CameraContract):
    def make(self):
        clock = ManualClock()
        return FakeCamera(clock), clock


def test_arm_moves_straight_at_its_speed_limit_and_says_so():
    clock = ManualClock()
    robot = FakeRobot(clock)
    robot.connect()
    robot.command({"arm": ArmTarget(displace(HOME, [0.3, 0.4, 0.0, 0, 0, 0], "base"))})
    clock.advance(0.5)
    arm = robot.read()["arm"]
    assert isinstance(arm, ArmState)
    np.testing.assert_allclose(arm.pose.position - HOME.position, [0.15, 0.20, 0.0])
    np.testing.assert_allclose(arm.twist, [0.3, 0.4, 0, 0, 0, 0], atol=1e-12)


def test_joints_and_drives_follow_their_targets():
    spec = RobotSpec("car", {"hand": JointSpec((-1.0,) * 2, (1.0,) * 2, max_qvel=2.0), "base": DriveSpec(3.0, 0.4)})
    clock = ManualClock()
    robot = FakeRobot(clock, spec)
    robot.connect()
    robot.command({"hand": JointTarget(np.array([1.0, -0.1])), "base": DriveTarget(1.0, 0.2)})
    clock.advance(0.25)
    state = robot.read()
    hand, base = state["hand"], state["base"]
    assert isinstance(hand, JointState)
    np.testing.assert_allclose(hand.qpos, [0.5, -0.1])
    assert base == DriveState(1.0, 0.2, 0.25)
    robot.stop()
    clock.advance(0.1)
    assert robot.read()["base"] == DriveState(0.0, 0.0, 0.35)


@pytest.mark.parametrize("method", ["read", "command"])
def test_fails_as_often_as_told(method):
    robot = FakeRobot()
    robot.connect()
    robot.fail_next(method, "cable is out", times=2)
    call = {"read": robot.read, "command": lambda: robot.command({})}[method]
    for _ in range(2):
        with pytest.raises(DeviceError, match="cable is out"):
            call()
    call()


def test_placed_parts_stay_where_they_were_put():
    clock = ManualClock()
    robot = FakeRobot(clock)
    robot.connect()
    robot.command({"arm": ArmTarget(Pose.of((0.6, 0.1, 0.1), (math.pi, 0, 0)))})
    robot.place({"gripper": GripperState(0.3, 0.0)})
    clock.advance(1.0)
    gripper = robot.read()["gripper"]
    assert gripper == GripperState(0.3, 1.0)


def test_frozen_camera_delivers_until_its_frame_is_too_old():
    clock = ManualClock(10.0)
    camera = FakeCamera(clock, "wrist")
    camera.connect()
    camera.freeze("USB device gone")
    clock.advance(0.15)
    assert camera.read(0.2).stamp == pytest.approx(10.0)
    clock.advance(0.28)
    with pytest.raises(StaleFrame, match=r"'wrist': newest frame is 0.43 s old, limit 0.20 s \(cause: USB device gone\)"):
        camera.read(0.2)
    camera.unfreeze()
    assert camera.read(0.2).stamp > 10.2


def test_images_tell_which_frame_they_are():
    clock = ManualClock()
    camera = FakeCamera(clock)
    camera.connect()
    clock.advance(1.0)
    assert np.all(camera.read(0.1).image[..., 0] == 30)


def test_tracker_hands_out_copies():
    tracker = FakeTracker(Pose.of((1, 2, 3)))
    tracker.read().position[:] = 0
    assert tracker.read().position.tolist() == [1, 2, 3]


def test_scripted_person_follows_the_script_then_keeps_hands_off():
    teleop = ScriptedTeleop([TeleopInput(success=True), DeviceError("unplugged")])
    assert teleop.read().success
    with pytest.raises(DeviceError, match="unplugged"):
        teleop.read()
    assert teleop.read() == TeleopInput()
