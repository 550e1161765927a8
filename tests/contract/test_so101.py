"""An SO-101 and its leader keep the contracts of every robot and input device: Feetech's SDK, fake servos behind a pty."""

from __future__ import annotations

import pytest
from contract.input_device_contract import InputDeviceContract
from contract.robot_contract import RobotContract
from toy_servo import SO101, fake_so101, place

from hardware.clock import ManualClock
from hardware.servo_bus import feetech_bus
from hardware.servo_calibration import save_calibration
from hardware.servo_leader import ServoJointReader
from hardware.so101 import ARM_JOINTS, DOWN, make_so101
from hardware.teleop_leader import LeaderArm, LeaderConfig


class TestSO101Robot(RobotContract):
    @pytest.fixture(autouse=True)
    def _bus(self, tmp_path):
        self.clock = ManualClock()
        self.bus, self.path = fake_so101(self.clock), tmp_path / "so101.json"
        save_calibration(self.path, SO101)
        yield
        self.bus.close()

    def make(self):
        return make_so101(self.bus.path, str(self.path), clock=self.clock)


class TestSO101Leader(InputDeviceContract):
    events, axis, take_over = (), "arm/shoulder_pan", ""

    @pytest.fixture(autouse=True)
    def _bus(self):
        self.bus, self.pan = fake_so101(ManualClock()), DOWN[0]
        yield
        self.bus.close()

    def make(self):
        bus = feetech_bus(self.bus.path, {SO101[name].id: name for name in (*ARM_JOINTS, "gripper")})
        reader = ServoJointReader(bus, [SO101[name] for name in ARM_JOINTS], SO101["gripper"])
        config = LeaderConfig(joint_names=("arm/shoulder_pan", "", "", "", ""), joint_scale_rad=0.1)
        return LeaderArm(reader, config, name="so101 leader")

    def move(self):
        self.pan += 0.1
        place(self.bus, SO101, {"shoulder_pan": self.pan})

    def rest(self):
        pass

    def unplug(self):
        self.bus.unplug()
