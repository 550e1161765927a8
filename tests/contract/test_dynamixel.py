"""An arm of Dynamixels keeps the contract of every robot, and so does a hand: Robotis' SDK, fake servos behind a pty."""

from __future__ import annotations

import numpy as np
import pytest
from contract.robot_contract import RobotContract
from toy_servo import MANIPULATOR, fake_manipulator

from hardware.clock import ManualClock
from hardware.dynamixel import make_dynamixel
from hardware.fake_dynamixel import fake_dynamixel_bus
from hardware.servo_calibration import JointCalibration, save_calibration
from robot_rl.geometry import Pose
from robot_rl.types import JointState, JointTarget

HAND = {f"finger{number}": JointCalibration(number, number % 2, 0, 1000, 3000) for number in range(1, 17)}
"""Sixteen joints, as a LEAP or Allegro hand has; every second counts the other way round."""


class TestDynamixelArm(RobotContract):
    move = Pose.of((0.0, 0.0, -0.03))
    """Without a turn: four joints cannot turn the tool about its own axis."""

    @pytest.fixture(autouse=True)
    def _bus(self, tmp_path):
        self.clock = ManualClock()
        self.bus, self.path = fake_manipulator(self.clock), tmp_path / "arm.json"
        save_calibration(self.path, MANIPULATOR)
        yield
        self.bus.close()

    def make(self):
        return make_dynamixel(self.bus.path, "open_manipulator_x", str(self.path), clock=self.clock)


class TestDynamixelHand(RobotContract):
    @pytest.fixture(autouse=True)
    def _bus(self, tmp_path):
        self.clock, self.path = ManualClock(), tmp_path / "hand.json"
        self.bus = fake_dynamixel_bus(range(1, 17), self.clock)
        save_calibration(self.path, HAND)
        yield
        self.bus.close()

    def make(self):
        return make_dynamixel(self.bus.path, calibration=str(self.path), clock=self.clock)

    def test_its_joints_go_where_they_are_told(self):
        goal = np.linspace(-0.8, 0.8, 16)
        with self.connected() as robot:
            self.drive(robot, {"hand": JointTarget(goal)})
            state = robot.read()["hand"]
            assert isinstance(state, JointState)
            np.testing.assert_allclose(state.qpos, goal, atol=0.002)
