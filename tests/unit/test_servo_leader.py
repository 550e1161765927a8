"""A leader arm of bus servos is limp, its joints are read, and an environment's arm goes as far as its tool did."""

from __future__ import annotations

import numpy as np
import pytest
from toy_servo import MANIPULATOR, SO101, fake_manipulator, fake_so101, place

from hardware import so101
from hardware.clock import ManualClock
from hardware.dynamixel import make_leader as make_dynamixel_leader
from hardware.servo_calibration import save_calibration
from hardware.so101 import ARM_JOINTS, CHAIN, DOWN, make_leader
from hardware.teleop import open_device
from hardware.teleop_leader import LeaderConfig, open_leader
from robot_rl.errors import ConfigError, DeviceError


@pytest.fixture
def bus():
    fake = fake_so101(ManualClock())
    yield fake
    fake.close()


@pytest.fixture
def leader(bus, tmp_path):
    save_calibration(tmp_path / "leader.json", SO101)
    arm = make_leader(bus.path, tmp_path / "leader.json")
    yield arm
    arm.close()


def test_its_motors_are_off_once_it_is_connected(bus, leader):
    for servo in bus.servos.values():
        servo.set("torque_enable", 1)
    leader.connect()
    assert {servo.get("torque_enable") for servo in bus.servos.values()} == {0}


def test_the_tool_goes_as_far_as_the_hand_moved_it(bus, leader):
    leader.connect()
    assert not leader.read().is_touched
    before = np.array(DOWN)
    moved = before + np.array([0.05, 0.03, -0.04, 0.02, 0.0])
    place(bus, SO101, dict(zip(ARM_JOINTS, moved, strict=True)))
    motion = leader.read().motion
    way = CHAIN.forward(moved).position - CHAIN.forward(before).position
    assert [LeaderConfig().position_scale_m * motion[axis] for axis in "xyz"] == pytest.approx(way.tolist(), abs=0.001)


def test_its_trigger_is_the_gripper(bus, leader):
    leader.connect()
    leader.read()
    bus.servos[6].place(SO101["gripper"].opened(0.9))
    assert leader.read().gripper == pytest.approx(0.8, abs=0.01)


def test_unplugged_or_silent_it_is_a_device_error(bus, leader):
    leader.connect()
    bus.servos[2].is_silent = True
    with pytest.raises(DeviceError, match=r"servo 2 \(leader shoulder_lift\)"):
        leader.read()
    bus.servos[2].is_silent = False
    assert leader.read()
    bus.unplug()
    with pytest.raises(DeviceError, match="check the USB cable"):
        leader.read()


def test_another_arms_calibration_is_refused(bus, leader):
    bus.servos[3].set("homing_offset", 99)
    with pytest.raises(DeviceError, match=r"servo 3 \(leader elbow_flex\).*offset 99, the calibration says -3"):
        leader.connect()


def test_a_leader_of_dynamixels(tmp_path):
    bus = fake_manipulator(ManualClock())
    save_calibration(tmp_path / "leader.json", MANIPULATOR)
    arm = make_dynamixel_leader(bus.path, tmp_path / "leader.json", "open_manipulator_x")
    arm.connect()
    arm.read()
    place(bus, MANIPULATOR, {"joint1": 0.05})
    assert arm.read().motion["y"] > 0.2
    arm.close()
    bus.close()


def test_it_is_found_by_name_and_port(bus, tmp_path, monkeypatch):
    save_calibration(tmp_path / "leader.json", SO101)
    monkeypatch.setattr(so101, "LEADER_CALIBRATION", tmp_path / "leader.json")
    device = open_device(f"leader:so101@{bus.path}")
    device.connect()
    assert device.name == "so101 leader"
    device.close()


def test_the_only_serial_port_is_the_leaders_and_several_are_listed(monkeypatch, tmp_path):
    save_calibration(tmp_path / "leader.json", SO101)
    monkeypatch.setattr(so101, "LEADER_CALIBRATION", tmp_path / "leader.json")
    monkeypatch.setattr(so101, "known_ports", lambda: ["/dev/ttyACM0"])
    with pytest.raises(DeviceError, match="/dev/ttyACM0"):
        open_leader("so101").connect()
    monkeypatch.setattr(so101, "known_ports", lambda: ["/dev/ttyACM0", "/dev/ttyACM1"])
    with pytest.raises(ConfigError, match=r"found: /dev/ttyACM0, /dev/ttyACM1; give it: leader:so101@"):
        open_leader("so101")
