"""Serving a robot to SERL's clients: they drive it, Ctrl-C holds it and ends, and what is wrong is said before it moves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from toy_script import LAUNCH, call_script

from hardware.serl_server import SerlRobot
from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, ArmTarget
from sim.kinematics import QPOS_HIGH, QPOS_LOW

STATION = """
[robot]
driver = "toy_served:make"
"""
SERVED = """
import json
import math
from pathlib import Path

from sim.station import make_robot


def make():
    robot = make_robot()
    close = robot.close

    def note_how_it_holds():
        if not robot._connected:
            return
        before = robot.read()["arm"]
        close()
        robot.clock.sleep_until(robot.clock.now() + 0.2)
        robot.connect()
        after = robot.read()["arm"]
        close()
        moved = math.dist(before.pose.position.tolist(), after.pose.position.tolist())
        speeds = [math.hypot(*arm.twist[:3].tolist()) for arm in (before, after)]
        Path("held.json").write_text(json.dumps({"moved": moved, "speeds": speeds}))

    robot.close = note_how_it_holds
    return robot
"""


@pytest.fixture
def served(tmp_path):
    """The script with a simulated arm that notes how it is held at the end, and its address."""
    (tmp_path / "lab.toml").write_text(STATION)
    (tmp_path / "toy_served.py").write_text(SERVED)
    packages = os.pathsep.join((str(LAUNCH.parent), str(LAUNCH.parent / "tests")))
    process = subprocess.Popen(
        [sys.executable, LAUNCH / "serve_robot.py", "lab.toml", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": packages, "OMP_NUM_THREADS": "1", "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert "Ctrl-C holds the robot" in said, said + process.communicate(timeout=30)[1]
        yield process, next(word for word in said.split() if word.startswith("http://")).rstrip("/")
    finally:
        process.kill()
        process.communicate()


def arm_of(robot: SerlRobot) -> ArmState:
    arm = robot.read()["arm"]
    assert isinstance(arm, ArmState)
    return arm


def speed_of(robot: SerlRobot) -> float:
    return float(np.linalg.norm(arm_of(robot).twist[:3]))


def test_a_client_drives_it_and_ctrl_c_holds_it_in_motion(served, tmp_path):
    process, url = served
    robot = SerlRobot(url, timeout_s=10.0, max_frozen_s=30.0, qpos_low=QPOS_LOW, qpos_high=QPOS_HIGH)
    robot.connect()
    start = arm_of(robot).pose
    goal = ArmTarget(Pose(start.position + np.array([0.03, 0.05, 0.0]), start.quaternion))
    deadline = time.monotonic() + 60
    while arm_of(robot).pose.distance(goal.pose)[0] > 0.005:
        assert time.monotonic() < deadline, "it does not arrive"
        robot.command({"arm": goal})

    far, fastest = ArmTarget(Pose(goal.pose.position - np.array([0.0, 0.3, 0.0]), start.quaternion)), 0.0
    robot.command({"arm": far})
    while fastest < 0.05:
        assert time.monotonic() < deadline, "it does not move"
        fastest = speed_of(robot)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.strip() == "interrupted"

    held = json.loads((tmp_path / "held.json").read_text())
    assert held["speeds"][1] < 0.005
    assert held["moved"] < 0.02
    with pytest.raises(DeviceError, match=f"robot server at {url}"):
        robot.read()
    robot.close()


def test_a_port_in_use_is_said_before_the_robot_is_touched(tmp_path):
    (tmp_path / "lab.toml").write_text('[robot]\ndriver = "toy_asleep:make"\n')
    (tmp_path / "toy_asleep.py").write_text(
        "from hardware.fake import FakeRobot\n"
        "class Asleep(FakeRobot):\n    def connect(self):\n        raise AssertionError('touched')\n"
        "def make():\n    return Asleep()\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call_script("serve_robot", "lab.toml", "--port", port, cwd=tmp_path)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "is a robot server running already?" in done.stderr


def test_a_robot_that_does_not_answer_ends_it_with_its_reason(tmp_path):
    (tmp_path / "lab.toml").write_text('[robot]\ndriver = "serl_server"\n[robot.options]\nurl = "http://127.0.0.1:1"\n')
    done = call_script("serve_robot", "lab.toml", "--port", 0, cwd=tmp_path)
    assert done.returncode == 2
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), ["nowhere", "sim"]),
        (("missing.toml",), ["missing.toml"]),
        (("sim", "--port", "99999"), ["99999"]),
        (("sim", "--host", "no.such.host.invalid"), ["no.such.host.invalid"]),
        (("sim", "--goals.rate-hz", "0"), ["rate_hz 0"]),
    ],
)
def test_bad_input_is_one_message(words, said):
    done = call_script("serve_robot", *words, cwd=LAUNCH.parent)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in said:
        assert word in done.stderr
