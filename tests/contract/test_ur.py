"""The UR driver keeps the contract through the vendor's client, and fails safely when the controller does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from contract.robot_contract import RobotContract

from hardware.ur import ARM, UrRobot
from hardware.ur_bench import UrBench

pytest.importorskip("rtde_control", reason="ur_rtde is not installed")

SLACK = {"watchdog_hz": 0.5, "max_age_s": 1.0, "zero_sensor": True}
"""For a busy machine, whose threads may sleep for half a second."""


class TestUrRobot(RobotContract):
    control_dt = 0.05
    num_steps = 50

    @pytest.fixture(autouse=True)
    def _bench(self) -> Iterator[None]:
        self.bench = UrBench()
        yield
        assert self.bench.state()["failure"] == ""
        self.bench.close()

    def make(self):
        return UrRobot(self.bench.address, **SLACK)
