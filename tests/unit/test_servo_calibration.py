"""A calibration says which count is which angle; a hand that moves the arm makes one, and one that was careless does not."""

from __future__ import annotations

import json
import math

import pytest

from hardware.clock import ManualClock
from hardware.fake_dynamixel import fake_dynamixel_bus
from hardware.fake_feetech import fake_feetech_bus
from hardware.servo_bus import dynamixel_bus, feetech_bus
from hardware.servo_calibration import Calibrator, JointCalibration, load_calibration, save_calibration
from hardware.servo_table import RAD_PER_COUNT
from robot_rl.errors import ConfigError, DeviceError

NAMES = {1: "pan", 2: "lift", 3: "roll"}
STOPS = {1: (3600, 5200), 2: (-300, 900), 3: (0, 4095)}
"""Counts of the encoders at the mechanical stops; of the first two the range crosses the seam at 4096."""


@pytest.fixture(params=[(fake_feetech_bus, feetech_bus), (fake_dynamixel_bus, dynamixel_bus)], ids=["feetech", "dynamixel"])
def buses(request):
    """Yield fake servos, and the real SDK connected to them."""
    make_fake, make_real = request.param
    fake = make_fake(NAMES, ManualClock())
    real = make_real(fake.path, NAMES)
    real.connect()
    yield fake, real
    real.close()
    fake.close()


def move(fake, servo, encoder):
    """Turn the shaft of a limp servo, whose encoder begins anew every 4096 counts."""
    offset = fake.servos[servo].get("homing_offset") * fake.servos[servo].table.homing_sign
    position = encoder % 4096 + offset
    fake.servos[servo].place(position % 4096 if fake.servos[servo].table.make == "feetech" else position)


def calibrated(fake, real, **options):
    for servo, (low, high) in STOPS.items():
        move(fake, servo, (low + high) // 2)
    calibrator = Calibrator(real, turning=("roll",), **options)
    calibrator.begin()
    for share in (0.5, 0.25, 0.0, 0.5, 1.0):
        for servo in (1, 2):
            low, high = STOPS[servo]
            here = (low + high) // 2 + round((share - 0.5) * 0.9 * (high - low))
            middle = (low + high) // 2
            fake.servos[servo].place(2048 + here - middle)
        calibrator.watch()
    return calibrator.finish()


def test_ranges_do_not_cross_the_seam_wherever_the_encoders_zero_is(buses):
    fake, real = buses
    found = calibrated(fake, real)
    for name, (low, high) in (("pan", STOPS[1]), ("lift", STOPS[2])):
        joint = found[name]
        assert joint.range_max - joint.range_min == pytest.approx(0.9 * (high - low), abs=2)
        assert (joint.range_max + joint.range_min) / 2 == pytest.approx(2048, abs=2)
        assert fake.servos[joint.id].get("homing_offset") == joint.homing_offset
        assert fake.servos[joint.id].get("max_position") == joint.range_max
    assert (found["roll"].range_min, found["roll"].range_max) == (0, 4095)


def test_motors_are_off_while_it_is_made(buses):
    fake, real = buses
    for servo in fake.servos.values():
        servo.set("torque_enable", 1)
    Calibrator(real).begin()
    assert {servo.get("torque_enable") for servo in fake.servos.values()} == {0}


def test_zero_may_be_where_the_arm_was_held_first(buses):
    found = calibrated(*buses, is_zero_first=True)
    assert found["pan"].zero == pytest.approx(2048, abs=1)
    assert found["pan"].angle(found["pan"].zero) == 0


def test_a_joint_that_was_forgotten_or_turned_over_the_seam_is_named(buses):
    fake, real = buses
    calibrator = Calibrator(real, turning=("roll",))
    calibrator.begin()
    fake.servos[1].place(3000)
    calibrator.watch()
    with pytest.raises(DeviceError, match=r"lift was moved by 0.00 rad only"):
        calibrator.finish()
    fake.servos[2].place(4090)
    calibrator.watch()
    with pytest.raises(DeviceError, match=r"lift crossed the encoder's seam"):
        calibrator.finish()
    assert fake.servos[1].get("max_position") == 4095  # nothing is kept


@pytest.mark.parametrize("joint", [JointCalibration(1, 0, 0, 800, 3000), JointCalibration(1, 1, 0, 800, 3000, zero=1000)])
def test_angles_and_counts_are_each_others_inverse_and_stay_in_range(joint):
    low, high = joint.limits
    assert high - low == pytest.approx(2200 * RAD_PER_COUNT)
    for counts in (800, 1000, 1900, 3000):
        assert joint.position(joint.angle(counts)) == counts
    assert {joint.position(low - 1), joint.position(high + 1)} == {800, 3000}
    assert joint.angle(joint.origin) == 0


def test_a_reversed_gripper_opens_the_other_way():
    assert [JointCalibration(6, mode, 0, 1000, 3000).opening(1500) for mode in (0, 1)] == [0.25, 0.75]
    assert [JointCalibration(6, mode, 0, 1000, 3000).opened(0.25) for mode in (0, 1)] == [1500, 2500]


def test_lerobots_files_are_read_and_written(tmp_path):
    path = tmp_path / "follower.json"
    content = {"pan": {"id": 1, "drive_mode": 0, "homing_offset": -1470, "range_min": 758, "range_max": 3292}}
    path.write_text(json.dumps(content))
    found = load_calibration(path, ("pan",))
    assert found["pan"].angle(2025) == 0
    assert found["pan"].angle(2025 + 1024) == pytest.approx(math.pi / 2)
    save_calibration(path, found)
    assert json.loads(path.read_text()) == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no calibration here; make one: python launch/calibrate_servos.py"),
        ("{", "is not a calibration"),
        ("[]", "it has no joints"),
        ('{"lift": {"id": 2}}', "joints pan are wanted; it has lift"),
        ('{"pan": {"id": 1, "range_min": 3000, "range_max": 1000}}', r"pan: servo 1: range 3000..1000"),
        ('{"pan": {"number": 1}}', "pan: .*number"),
    ],
)
def test_a_file_that_does_not_fit_says_so(tmp_path, content, message):
    path = tmp_path / "arm.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_calibration(path, ("pan",))


def test_two_joints_on_one_servo_are_refused(tmp_path):
    path = tmp_path / "arm.json"
    save_calibration(path, {"pan": JointCalibration(1), "lift": JointCalibration(1)})
    with pytest.raises(ConfigError, match=r"servo ids \[1, 1\] are not all different"):
        load_calibration(path, ("pan", "lift"))
