"""`calibrate_servos` as a person runs it: what it writes is what the robot needs; what would be lost or wrong is refused."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from toy_script import call_script
from toy_servo import RANGES

from hardware.clock import ManualClock
from hardware.fake_dynamixel import fake_dynamixel_bus
from hardware.fake_feetech import fake_feetech_bus
from hardware.servo_calibration import load_calibration
from hardware.so101 import JOINTS, make_so101
from robot_rl.errors import ConfigError

LAUNCH = Path(__file__).parents[2] / "launch"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(LAUNCH))
    spec = importlib.util.spec_from_file_location("calibrate_servos", LAUNCH / "calibrate_servos.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(LAUNCH))
    del sys.modules[spec.name]


class Hand:
    """Moves every joint to one stop and to the other when it is asked to."""

    def __init__(self, bus, ranges):
        self.bus, self.ranges, self.said, self.looks = bus, ranges, [], 0

    def wait(self, text):
        self.said.append(text)

    def show(self, ranges):
        self.shown = ranges

    def is_finished(self):
        self.looks += 1
        if self.looks > 3:
            return True
        for servo, (low, high) in zip(self.bus.servos.values(), self.ranges, strict=True):
            half = (high - low) // 2
            servo.place(2048 + (0, -half, half)[self.looks - 1])
        return False


def test_what_it_writes_is_what_the_robot_needs(script, tmp_path):
    clock = ManualClock()
    bus = fake_feetech_bus(range(1, 7), clock)
    for number, servo in enumerate(bus.servos.values()):
        servo.place(500 + 600 * number)
        servo.set("torque_enable", 1)
    out = tmp_path / "new" / "so101.json"
    script.main(script.CalibrateConfig("so101", bus.path, out), Hand(bus, RANGES))
    found = load_calibration(out, JOINTS)
    for (low, high), name in zip(RANGES, JOINTS, strict=True):
        if name != "wrist_roll":
            assert found[name].range_max - found[name].range_min == pytest.approx(high - low, abs=2)
    assert {servo.get("torque_enable") for servo in bus.servos.values()} == {0}
    robot = make_so101(bus.path, str(out), clock=clock)
    robot.connect()
    robot.close()
    with pytest.raises(ConfigError, match=r"exists; give --overwrite"):
        script.main(script.CalibrateConfig("so101", bus.path, out), Hand(bus, RANGES))
    bus.close()


def test_joints_of_a_hand_are_named_and_some_turn_freely(script, tmp_path):
    bus = fake_dynamixel_bus((3, 4), ManualClock())
    joints = ("3:thumb", "4:index")
    config = script.CalibrateConfig(
        "dynamixel", bus.path, tmp_path / "hand.json", joints, turning=("index",), is_zero_first=True
    )
    hand = Hand(bus, ((1500, 2500),) * 2)
    script.main(config, hand)
    found = load_calibration(tmp_path / "hand.json", ("thumb", "index"))
    assert (found["thumb"].id, found["thumb"].zero) == (3, 2048)
    assert (found["index"].range_min, found["index"].range_max) == (0, 4095)
    assert "from stop to stop, one after the other, and press Enter again: thumb." in hand.said[-1]
    bus.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("so101", "--joints", "1:pan"), "has its own joints"),
        (("dynamixel",), "which joints"),
        (("dynamixel", "--joints", "1:a", "1:b"), "give id:name, each once"),
        (("feetech", "--joints", "1:a", "--turning", "b"), "no such joint; there are: a"),
        (("so101",), "there is no /dev/ttyNONE"),
    ],
)
def test_bad_input_is_a_sentence(tmp_path, options, message):
    done = call_script("calibrate_servos", *options, "--port", "/dev/ttyNONE", "--out", "arm.json", cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())
