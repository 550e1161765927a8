"""Arms of servos that are not there, for tests: a bus on a pseudo-terminal, and its calibration."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from hardware.clock import ManualClock
from hardware.fake_dynamixel import fake_dynamixel_bus
from hardware.fake_feetech import fake_feetech_bus
from hardware.servo_calibration import JointCalibration, save_calibration
from hardware.so101 import DOWN, JOINTS, make_so101

RANGES = ((760, 3300), (800, 3200), (850, 3100), (900, 3150), (0, 4095), (1500, 3000))
"""Of an SO-101, counts; uneven, so that a mistaken middle shows."""
SO101 = {
    name: JointCalibration(number, 0, 10 * number - 33, low, high)
    for number, (name, (low, high)) in enumerate(zip(JOINTS, RANGES, strict=True), start=1)
}

MANIPULATOR = {
    **{f"joint{number}": JointCalibration(10 + number, 0, 7 * number, 700 + number, 3400 - number) for number in range(1, 5)},
    "gripper": JointCalibration(15, 0, 0, 1200, 2900),
}
"""Of an OpenMANIPULATOR-X."""


def place(bus, calibration, qpos):
    """Put the servos at these angles, rad, by joint name."""
    for name, angle in qpos.items():
        bus.servos[calibration[name].id].place(calibration[name].position(angle))


def fake_so101(clock, calibration=None):
    """Return a bus whose servos are calibrated and stand at DOWN, the gripper half open."""
    calibration = SO101 if calibration is None else calibration
    bus = fake_feetech_bus([joint.id for joint in calibration.values()], clock)
    for joint in calibration.values():
        bus.servos[joint.id].set("homing_offset", joint.homing_offset)
    place(bus, calibration, dict(zip(JOINTS, (*DOWN, 0.0), strict=True)))
    return bus


def fake_manipulator(clock):
    """Return a bus of five Dynamixels that are calibrated, the tool straight down in front of the base."""
    bus = fake_dynamixel_bus([joint.id for joint in MANIPULATOR.values()], clock)
    for joint in MANIPULATOR.values():
        bus.servos[joint.id].set("homing_offset", joint.homing_offset)
    place(bus, MANIPULATOR, {"joint1": 0.0, "joint2": -0.4, "joint3": 0.6, "joint4": np.pi / 2 - 0.2, "gripper": 0.0})
    return bus


@contextmanager
def so101(tmp_path, *, is_connected=True, **options):
    """Yield a robot and the bus that it talks to; on a clock that stands still."""
    clock = ManualClock()
    bus = fake_so101(clock)
    save_calibration(tmp_path / "so101.json", SO101)
    robot = make_so101(bus.path, str(tmp_path / "so101.json"), clock=clock, **options)
    try:
        if is_connected:
            robot.connect()
        yield robot, bus
    finally:
        robot.close()
        bus.close()


def angles(bus, calibration, names):
    """Return where these joints are, rad [J], as the fake servos know it."""
    bus.settle()
    return np.array([calibration[name].angle(bus.servos[calibration[name].id].position) for name in names])
