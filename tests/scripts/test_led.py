"""Leading the arm by hand to teach a workspace, at a station, by the script."""

from __future__ import annotations

import pytest
from toy_script import call_script

from robot_rl.deploy.workspace import workspace_of
from robot_rl.station_file import load_station

FILE = """
[robot]
driver = "fake"

[workspace.arm]
low_m = [0.44, -0.05, 0.25]
high_m = [0.46, 0.05, 0.35]

[cameras.front]
driver = "fake"

[teleop]
driver = "led_by:Hand"
options = { ends = "failure" }
mode = "touch"
"""
HAND = """
from hardware.teleop_scripted import ScriptedDevice
from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput

def go(**motion):
    return [DeviceInput(motion, is_touched=True)] * 8

class Hand(ScriptedDevice):
    def __init__(self, ends):
        last = {"failure": DeviceInput(failure=True), "stop": DeviceInput(stop=True), "gone": DeviceError("unplugged")}[ends]
        rest, mark = DeviceInput(), DeviceInput(success=True)
        super().__init__([rest, *go(x=1.0, z=1.0), mark, rest, *go(x=-1.0, y=1.0, z=-1.0), *go(x=-1.0), mark, rest, last])
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "lab.toml").write_text(FILE)
    (tmp_path / "led_by.py").write_text(HAND)
    return tmp_path


def teach(place, ends="failure"):
    (place / "lab.toml").write_text(FILE.replace('"failure"', f'"{ends}"'))
    return call_script("teach_workspace", "lab.toml", cwd=place)


def test_corners_that_the_arm_was_led_to_make_the_stations_table(place):
    done = teach(place)
    assert not done.returncode, done.stderr
    (place / "taught.toml").write_text('[robot]\ndriver = "fake"\n\n' + done.stdout)
    box = load_station(place / "taught.toml").workspace["arm"]
    assert box.high_m[0] > 0.5  # beyond the station's old box, which does not count while a new one is taught
    assert box.low_m[0] < 0.45
    assert box.high_m[1] - box.low_m[1] > 0.05
    assert box.low_m == pytest.approx(workspace_of([box.low_m, box.high_m]).low_m)


@pytest.mark.parametrize(("ends", "status", "said"), [("stop", 130, "interrupted"), ("gone", 2, "unplugged")])
def test_a_stop_or_a_dead_device_teaches_nothing(place, ends, status, said):
    done = teach(place, ends)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stdout == ""


def test_a_camera_that_is_not_there_is_named(place):
    done = call_script("calibrate_camera", "lab.toml", "wrist", cwd=place)
    assert done.returncode == 2
    assert "has no camera 'wrist'; it has: front" in done.stderr
