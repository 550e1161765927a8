from datetime import date
from pathlib import Path

import numpy as np
import pytest
from toy_servo import MANIPULATOR, SO101

from hardware.fake import FakeCamera, FakeRobot
from hardware.servo_calibration import save_calibration
from robot_rl.envs.factory import make_env
from robot_rl.envs.safety import limit
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose
from robot_rl.protocols import Camera, Robot
from robot_rl.specs import ArmSpec
from robot_rl.station_file import load_station
from robot_rl.types import ArmTarget

STATIONS = Path(__file__).parents[2] / "stations"

GOOD = """
[robot]
driver = "fake"

[workspace.arm]
low_m = [0.40, -0.10, 0.1]
high_m = [0.60, 0.10, 0.3]

[cameras.front]
driver = "fake"
options = { height = 20, width = 30 }
crop = [2, 4, 10, 12]

[cameras.wrist]
driver = "hardware.fake:FakeCamera"

[teleop]
driver = "scripted"

[calibration]
date = 2026-03-01
note = "printed board"
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "lab.toml").write_text(text)
        return load_station("lab", tmp_path)

    return load


def test_a_station_is_what_its_file_says(load):
    station = load(GOOD)
    assert station.name == "lab"
    assert station.robot.driver == "fake"
    assert station.cameras["front"].options == {"height": 20, "width": 30}
    assert station.crops == {"front": (2, 4, 10, 12)}
    assert station.calibration is not None
    assert station.calibration.date == date(2026, 3, 1)


def test_building_gives_named_devices_on_one_clock(load):
    station = load(GOOD)
    robot = station.build_robot()
    cameras = station.build_cameras(robot.clock)
    assert isinstance(robot, FakeRobot)
    assert isinstance(cameras["wrist"], FakeCamera)
    assert (cameras["front"].spec.name, cameras["front"].spec.width) == ("front", 30)
    cameras["front"].connect()
    assert cameras["front"].read(1.0).stamp == robot.clock.now()
    assert station.build_teleop() is not None


def test_the_stations_workspace_is_what_safety_keeps(load):
    robot = load(GOOD).build_robot()
    robot.connect()
    state = robot.read()
    far = ArmTarget(Pose(np.array([5.0, 5.0, 5.0]), state["arm"].pose.quaternion))
    limited = limit({"arm": far}, state, robot.spec, dt=1000.0)
    arm = limited.command["arm"]
    assert isinstance(arm, ArmTarget)
    assert arm.pose.position == pytest.approx([0.60, 0.10, 0.3])


def test_every_shipped_station_builds_without_a_device():
    files = sorted(set(STATIONS.glob("*.toml")) - set(STATIONS.glob("rehearse_*.toml")))  # tests/scripts/test_rehearsal.py
    assert files
    for file in files:
        station = load_station(file)
        robot = station.build_robot()
        assert isinstance(robot, Robot)
        for camera in station.build_cameras(robot.clock).values():
            assert isinstance(camera, Camera)
        if station.task is not None:
            assert make_env(f"station:{file}").env_spec.name == station.task.name


def test_a_simulated_station_moves(load):
    robot = load('[robot]\ndriver = "sim"\n').build_robot()
    robot.connect()
    robot.clock.sleep_until(0.1)
    assert robot.read()["arm"].stamp == pytest.approx(0.1)


def test_an_unknown_station_lists_those_that_exist(tmp_path, load):
    load(GOOD)
    with pytest.raises(ConfigError, match=rf"no station file {tmp_path}/kitchen.toml; .*: lab; or give a path"):
        load_station("kitchen", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[robot", "cannot be read"),
        ("", r"lab.toml: lacks 'robot', a table \[robot\]"),
        ("robot = 3", "robot must be a table"),
        ("[robot]", r"\[robot\] lacks 'driver'"),
        ("[robot]\ndriver = 3", r"\[robot\] driver must be a driver's name .*, is 3"),
        (
            '[robot]\ndriver = "fake"\n[camera.x]',
            r"has unknown key 'camera' \(did you mean 'cameras'\?\); allowed: robot",
        ),
        ('[robot]\ndriver = "fake"\nserial = "1"', r"\[robot\] has unknown key 'serial'; allowed: driver, options"),
        (
            '[robot]\ndriver = "fake"\n[cameras]\nfront = 1',
            r"\[cameras\] front must be a table \[cameras.front\], is 1",
        ),
        (GOOD.replace("[2, 4, 10, 12]", "[2, 4, 10]"), r"\[cameras.front\] crop must be \[top, left, height, width\]"),
        (GOOD.replace("[2, 4, 10, 12]", "[2, -4, 10, 12]"), "crop must be .* inside the picture"),
        (GOOD.replace("[0.60, 0.10, 0.3]", "[0.60, true, 0.3]"), r"\[workspace.arm\] high_m must be \[x, y, z\] in m"),
        (GOOD.replace("[0.60, 0.10, 0.3]", "[0.60, -0.20, 0.3]"), "low_m .* is not below high_m"),
        (GOOD.replace("2026-03-01", '"yesterday"'), r"\[calibration\] date must be a date such as"),
    ],
)
def test_a_mistake_is_reported_with_its_key_and_what_is_allowed(load, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(text)
    assert "lab.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'driver = "fake"\n\n[work',
            'driver = "fak"\n\n[work',
            r"\[robot\] driver: unknown robot driver 'fak' .*known: .*fake",
        ),
        (
            "height = 20",
            "hight = 20",
            r"\[cameras.front.options\] do not fit driver 'fake': .*'hight'; its options: height",
        ),
        ("[0.40, -0.10, 0.1]", "[-9.0, -0.10, 0.1]", r"\[workspace.arm\]: .* is not inside the driver's"),
        ("[workspace.arm]", "[workspace.gripper]", "has no arm called 'gripper'; its arms: arm"),
    ],
)
def test_what_does_not_fit_a_driver_is_reported_when_it_is_built(load, old, new, message):
    station = load(GOOD.replace(old, new, 1))

    def build():
        station.build_cameras(station.build_robot().clock)

    with pytest.raises(ConfigError, match=message):
        build()


@pytest.mark.parametrize("name", ["so101", "dynamixel"])
def test_the_examples_of_servo_arms_build_with_a_calibration(name, tmp_path, monkeypatch):
    station = load_station(name, STATIONS)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeviceError, match=r"stations/.*json: no calibration here; make one: python launch/calibrate_servos.py"):
        station.build_robot().connect()
    (tmp_path / "stations").mkdir()
    calibration = {"so101": SO101, "dynamixel": MANIPULATOR}[name]
    save_calibration(str(station.robot.options["calibration"]), calibration)
    arm = station.build_robot().spec.parts["arm"]
    assert isinstance(arm, ArmSpec)
    assert arm.qpos_low == tuple(joint.limits[0] for part, joint in calibration.items() if part != "gripper")
    assert arm.workspace_low == station.workspace["arm"].low_m
