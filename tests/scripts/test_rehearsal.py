"""Deployments rehearsed: the simulated arm in a task's scene, driven through the driver and the protocol of a real one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from toy_script import LAUNCH

from robot_rl.envs.factory import make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.station_env import StationEnv
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.protocols import Clock
from robot_rl.station_file import load_station

WIRES = ("serl", "ur")


@pytest.fixture(autouse=True)
def scripts_are_found(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(LAUNCH), *sys.path])


@pytest.fixture(params=WIRES)
def rehearsed(request):
    if request.param == "ur":
        pytest.importorskip("rtde_control")
    env = StationEnv(load_station(f"rehearse_{request.param}"), EnvOptions())
    yield env
    env.close()


def test_a_person_inserts_the_peg_through_a_real_driver(rehearsed):
    person = make_demonstrator("scripted", "peg_insert", make_env("peg_insert"), 0)
    obs, _ = rehearsed.reset(seed=1)
    person.begin_episode()
    forces, is_over = [], False
    while not is_over:
        obs, reward, terminated, truncated, info = rehearsed.step(person.act(obs, explore=False))
        forces.append(np.abs(obs["state/arm/wrench"][:3]).max())
        is_over = terminated or truncated
    assert (reward, info["fault"]) == (1.0, "")
    assert max(forces) > 2.0  # N: what the peg felt came back over the wire


def test_the_same_seed_is_the_same_start(rehearsed):
    first, second, other = (rehearsed.reset(seed=seed)[0]["state/hole/position"] for seed in (3, 3, 4))
    np.testing.assert_allclose(first, second, atol=2e-3)
    assert np.abs(first - other).max() > 5e-3


def test_cameras_show_the_scene():
    import rehearsal

    robot = rehearsal.make_robot("pick_lift", "serl")
    camera = rehearsal.make_camera(robot.clock, "front", size=64)
    camera.connect()
    robot.connect()
    try:
        reset = rehearsal.make_reset(robot)
        frames = []
        for seed in (0, 1):
            reset(robot, np.random.default_rng(seed))
            frames.append(camera.read(max_age=0.1).image)
        assert frames[0].shape == (64, 64, 3)
        assert np.abs(frames[0].astype(int) - frames[1]).max() > 50  # the cube lies elsewhere
        assert rehearsal.make_tracker(robot, "cube").read().position[2] == pytest.approx(0.02, abs=1e-3)
    finally:
        robot.close()


def test_what_cannot_be_rehearsed_is_named():
    import rehearsal

    with pytest.raises(ConfigError, match="unknown wire 'usb'; known: serl, ur"):
        rehearsal.make_robot("peg_insert", "usb")
    with pytest.raises(DeviceError, match="the scene 'no_such_task' behind serl ended"):
        rehearsal.make_robot("no_such_task", "serl")
    robot = rehearsal.make_robot("pick_lift", "serl")
    with pytest.raises(DeviceError, match="KeyError: 'peg'"):
        rehearsal.make_tracker(robot, "peg").read()
    with pytest.raises(ConfigError, match="stands in no rehearsed scene"):
        rehearsal.make_camera(NoClock(), "front")


class NoClock(Clock):
    """A clock of no robot."""


def test_ctrl_c_in_a_terminal_ends_a_rehearsal_with_the_arm_held():
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); import rehearsal\n"
        "robot = rehearsal.make_robot('peg_insert', 'serl'); robot.connect()\n"
        "try:\n    print('ready', flush=True); time.sleep(60)\n"
        "finally:\n    robot.stop(); rehearsal.make_reward(robot)({}); robot.close(); print('held', flush=True)\n"
    )
    player = subprocess.Popen(
        [sys.executable, "-c", code, str(LAUNCH)], cwd=LAUNCH.parent, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert player.stdout is not None
    assert player.stdout.readline() == "ready\n"
    os.killpg(player.pid, signal.SIGINT)  # as a terminal does: to whoever it started
    assert player.communicate(timeout=20)[0] == "held\n"
