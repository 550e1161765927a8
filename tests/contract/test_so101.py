"""An SO-101 keeps the contract of every robot: Feetech's SDK on a pseudo-terminal, fake servos behind it."""

from __future__ import annotations

import pytest
from contract.robot_contract import RobotContract
from toy_servo import SO101, fake_so101

from hardware.clock import ManualClock
from hardware.servo_calibration import save_calibration
from hardware.so101 import make_so101


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
