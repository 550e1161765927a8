"""Checking a station: the simulated one is well, faults are found with what to do, and a dry run touches nothing."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from toy_script import LAUNCH, call_script

from hardware.fake import FakeRobot
from hardware.serl_http import SerlHttpServer
from hardware.ur_bench import UrBench

GOOD = """
[robot]
driver = "fake"

[cameras.front]
driver = "toy_cameras:Moving"

[trackers.cube]
driver = "fake"
options = { position_m = [0.5, 0.0, 0.1] }

[teleop]
driver = "scripted"

[task]
name = "touch"

[task.observation]
objects = { cube = "tcp" }

[calibration]
date = DATE
"""
CAMERAS = """
from hardware.fake import FakeCamera
class Moving(FakeCamera):
    def __init__(self, clock, name):
        super().__init__(clock, name)
class Frozen(Moving):
    def connect(self):
        super().connect()
        self.freeze()
class Asleep(Moving):
    def connect(self):
        from robot_rl.errors import DeviceError
        raise DeviceError("camera 'front': no device with serial 42; plug it in")
class Foreign(Moving):
    def connect(self):
        return {}["a vendor's key"]
"""


@pytest.fixture
def check(tmp_path):
    (tmp_path / "toy_cameras.py").write_text(CAMERAS)

    def check(text=GOOD, *words, days=10):
        (tmp_path / "lab.toml").write_text(text.replace("DATE", str(date.today() - timedelta(days))))
        done = call_script("check_station", "lab.toml", "--json", *words, cwd=tmp_path)
        assert done.returncode in (None, 0, 1), done.stderr
        return done.returncode or 0, {row["name"]: row for row in json.loads(done.stdout)}

    return check


def failed(rows):
    return {name for name, row in rows.items() if row["is_ok"] is False}


def test_a_sound_station_passes_and_says_what_was_measured(check):
    status, rows = check(GOOD, "--move")
    assert failed(rows) == set()
    assert status == 0
    assert rows["robot answers"]["found"].startswith("fake: arm, gripper")
    assert rows["stops moving in"]["is_ok"]
    assert rows["calibration"]["found"] == "10 days old"
    assert rows["tracker cube"]["found"] == "at [0.5, 0.0, 0.1] m"
    assert rows["input device answers"]["found"] == "scripted"


def test_nothing_moves_unless_it_is_allowed(check):
    _, rows = check()
    assert rows["stops moving"]["is_ok"] is None
    assert "give --move" in rows["stops moving"]["found"]


def test_three_faults_are_found_and_each_says_what_to_do(check):
    text = GOOD.replace("toy_cameras:Moving", "toy_cameras:Frozen")
    text += "[workspace.arm]\nlow_m = [0.5, 0.1, 0.02]\nhigh_m = [0.6, 0.2, 0.2]\n"
    status, rows = check(text, days=100)
    assert status == 1
    assert failed(rows) == {
        "calibration", "arm is in its workspace", "front: age of a picture (p99)", "front: pictures a second",
    }  # fmt: skip
    assert rows["calibration"]["limit"] == "at most 90 days"
    assert "0.150 m outside" in rows["arm is in its workspace"]["found"]
    assert all(rows[name]["fix"] for name in failed(rows))


@pytest.mark.parametrize(
    ("old", "new", "name", "found"),
    [
        ("toy_cameras:Moving", "toy_cameras:Asleep", "camera front", "no device with serial 42"),
        ("toy_cameras:Moving", "toy_cameras:Foreign", "camera front", "KeyError: \"a vendor's key\""),
        ('driver = "fake"\n\n[cam', 'driver = "far"\n\n[cam', "drivers", "unknown robot driver 'far'"),
        ("[calibration]\ndate = DATE\n", "", "calibration", "none"),
        ('objects = { cube = "tcp" }', 'objects = { cup = "tcp" }', "task", "no tracker 'cup'"),
        ('driver = "scripted"', 'driver = "gamepad:/dev/none"', "input device answers", "/dev/none"),
        ("[calibration]", "[safety]\nwatchdog_s = 0\n[calibration]", "watchdog", "off: nothing holds the robot"),
        ("[calibration]", "[safety]\nwatchdog_s = 0.1\n[calibration]", "watchdog", "0.1 s"),
        ("[calibration]", "[safety]\nwatchdog_s = 1e9\n[calibration]", "watchdog", "1e+09 s"),
        ("cube]\ndriver = \"fake\"\noptions = { position_m = [0.5, 0.0, 0.1] }", "cube]\ndriver = \"fake\"\n"
         "options = { position_m = [inf, 0.0, 0.1] }", "tracker cube", "not finite"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(check, old, new, name, found):
    assert old in GOOD
    status, rows = check(GOOD.replace(old, new, 1))
    assert status == 1
    assert rows[name]["is_ok"] is False
    assert found in rows[name]["found"]


def test_faults_of_the_file_are_found_without_devices(check):
    status, rows = check(
        GOOD.replace("toy_cameras:Moving", "sim").replace("[calibration]", "[safety]\nwatchdog_s = 0\n[calibration]"), days=100
    )
    assert status == 1
    assert failed(rows) == {"drivers", "watchdog", "calibration"}


def test_a_camera_that_a_scene_does_not_have_is_named(tmp_path):
    text = (LAUNCH.parent / "stations" / "sim.toml").read_text().replace("[cameras.wrist]", "[cameras.elbow]")
    (tmp_path / "lab.toml").write_text(text)
    done = call_script("check_station", "lab.toml", "--json", cwd=tmp_path)
    assert "no camera 'elbow'; it has: front, wrist" in done.stdout


def test_a_dry_run_touches_no_device(check):
    status, rows = check(GOOD.replace("toy_cameras:Moving", "toy_cameras:Asleep"), "--dry-run")
    assert status == 0
    assert set(rows) == {"drivers", "limits of arm", "task", "watchdog", "input device", "calibration"}


def test_the_shipped_station_is_well_and_its_table_is_for_people(tmp_path):
    done = call_script("check_station", LAUNCH.parent / "stations" / "sim.toml", cwd=tmp_path)
    assert not done.returncode, done.stdout
    assert "all is well" in done.stdout
    assert "60 N" in done.stdout


STOPPED = """
from pathlib import Path
from hardware.fake import FakeRobot
from robot_rl.errors import RobotFault
class Stuck(FakeRobot):
    def connect(self):
        if Path("stopped").exists():
            raise RobotFault("fake made a protective stop")
        super().connect()
class Stopped(Stuck):
    def recover(self):
        if Path("too_early").exists():
            raise RobotFault("fake stays stopped")
        Path("stopped").unlink()
"""


@pytest.fixture
def stopped(check, tmp_path):
    """Check a station whose robot its own safety has stopped."""
    (tmp_path / "toy_stopped.py").write_text(STOPPED)
    (tmp_path / "stopped").touch()

    def check_stopped(*words, driver="Stopped"):
        return check(GOOD.replace('driver = "fake"\n\n[cam', f'driver = "toy_stopped:{driver}"\n\n[cam'), *words)

    return check_stopped


def test_a_stopped_robot_is_recovered_on_request_only(stopped, tmp_path):
    status, rows = stopped()
    assert status == 1
    assert failed(rows) == {"robot answers"}
    assert "--recover" in rows["robot answers"]["fix"]
    (tmp_path / "too_early").touch()
    assert {"recovery", "robot answers"} == failed(stopped("--recover")[1])
    (tmp_path / "too_early").unlink()
    status, rows = stopped("--recover")
    assert status == 0
    assert "made a protective stop" in rows["recovery"]["found"]
    assert rows["robot answers"]["is_ok"]
    assert "not needed" in stopped("--recover")[1]["recovery"]["found"]
    assert "recovery" not in stopped()[1]


def test_a_driver_without_recovery_says_so(stopped):
    status, rows = stopped("--recover", driver="Stuck")
    assert status == 1
    assert rows["recovery"]["found"] == "fake made a protective stop"
    assert "clear it at the robot" in rows["recovery"]["fix"]


def test_a_driver_that_cannot_tell_of_faults_is_asked_all_the_same(check):
    with SerlHttpServer(FakeRobot(), port=0) as server:
        text = f'[robot]\ndriver = "serl_server"\noptions = {{ url = "{server.url}", timeout_s = 5.0 }}\n'
        assert check(text, "--recover")[1]["recovery"]["found"].startswith("done (it was: unknown")


def test_a_dry_run_recovers_nothing(tmp_path):
    done = call_script("check_station", LAUNCH.parent / "stations" / "sim.toml", "--dry-run", "--recover", cwd=tmp_path)
    assert done.returncode == 2
    assert "give one of them" in done.stderr


def test_a_protective_stop_of_a_ur_is_recovered(tmp_path):
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed")
    bench = UrBench()
    (tmp_path / "ur.toml").write_text(
        f'[robot]\ndriver = "ur"\n[robot.options]\nhost = "{bench.address}"\nwatchdog_hz = 0.5\nmax_age_s = 1.0\n'
    )

    def check(*words):
        done = call_script("check_station", "ur.toml", "--json", *words, cwd=tmp_path)
        return {row["name"]: row for row in json.loads(done.stdout)}

    try:
        bench.protective_stop()
        assert "made a protective stop" in check()["robot answers"]["found"]
        bench.wait(6.0)
        rows = check("--recover")
        assert rows["recovery"]["is_ok"], rows["recovery"]
        assert rows["robot answers"]["is_ok"], rows["robot answers"]
        bench.protective_stop(7)
        rows = check("--recover")
        assert rows["recovery"]["is_ok"] is rows["robot answers"]["is_ok"] is False
        assert "emergency" in rows["recovery"]["found"]
        assert not any(bench.state()["twist"])
    finally:
        bench.close()
