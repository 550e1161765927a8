"""The cockpit's process: comes up without torch, keeps strangers out, and neither outlives the run nor holds it up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from robot_rl.cockpit import Cockpit, CockpitConfig
from robot_rl.errors import ConfigError, DeviceError

pytest.importorskip("nicegui", reason="pip install -c constraints.txt -e '.[cockpit]'")

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def cockpit():
    cockpit = Cockpit(CockpitConfig(port=0, token=TOKEN), "test")
    cockpit.start()
    yield cockpit
    cockpit.close()


def status(url):
    """Return status and text of a page."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_end(pid):
    """Wait until a process has ended."""
    deadline = time.monotonic() + 20
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.02)


def test_serves_the_page_to_who_has_the_token(cockpit):
    code, text = status(cockpit.url)
    assert code == 200
    assert "nicegui" in text
    assert cockpit.url == f"http://127.0.0.1:{cockpit.port}/?token={TOKEN}"


@pytest.mark.parametrize("path", ["", "?token=token-of-an-earlier-run", "cockpit/live.js?token=wrong", "_nicegui/anything"])
def test_keeps_out_who_has_none_or_an_old_one(cockpit, path):
    code, text = status(f"http://127.0.0.1:{cockpit.port}/{path}")
    assert code == 403
    assert "token" in text
    assert TOKEN not in text


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_needs_neither_torch_nor_mujoco_and_keeps_the_token_from_other_users(cockpit):
    maps = Path(f"/proc/{cockpit.pid}/maps").read_text()
    assert "torch" not in maps
    assert "mujoco" not in maps
    assert TOKEN.encode() not in Path(f"/proc/{cockpit.pid}/cmdline").read_bytes()


def test_a_port_that_is_taken_is_named(cockpit):
    with pytest.raises(ConfigError, match=rf"cannot listen at 127\.0\.0\.1:{cockpit.port}: .*give another port"):
        Cockpit(CockpitConfig(port=cockpit.port)).start()


def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr("robot_rl.cockpit.process.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs nicegui.*pip install .*\[cockpit\]"):
        Cockpit(CockpitConfig(port=0)).start()


def test_without_a_process_showing_is_nothing_and_driving_says_what_to_do():
    cockpit = Cockpit()
    cockpit.publish({"critic/q": 1.0})
    cockpit.say("hello")
    cockpit.show({"front": np.zeros((4, 4, 3), np.uint8)}, {"phase": "running"})
    with pytest.raises(DeviceError, match=r"not running; call its start\(\)"):
        cockpit.device.connect()
    cockpit.close()


def test_a_process_that_dies_is_a_device_that_is_gone_and_holds_up_nothing_else():
    cockpit = Cockpit(CockpitConfig(port=0))
    cockpit.start()
    cockpit.start()
    cockpit.device.connect()
    cockpit.device.read()
    os.kill(cockpit.pid, signal.SIGKILL)
    await_end(cockpit.pid)
    with pytest.raises(DeviceError, match="ended with status -9"):
        cockpit.device.read()
    with pytest.warns(UserWarning, match="nobody sees or stops this run"):
        cockpit.publish({"critic/q": 1.0})
    cockpit.publish({"critic/q": 1.0})
    cockpit.show({"front": np.zeros((4, 4, 3), np.uint8)}, {"phase": "running"})
    cockpit.close()
    cockpit.close()


def test_ends_by_itself_when_it_is_closed():
    cockpit = Cockpit(CockpitConfig(port=0))
    cockpit.start()
    child = cockpit._process._process
    cockpit.close()
    assert child.returncode == 0, "it had to be killed"
    assert cockpit.pid is None


def test_dies_with_a_run_that_is_killed():
    script = (
        "from robot_rl.cockpit import Cockpit, CockpitConfig; import time\n"
        "cockpit = Cockpit(CockpitConfig(port=0)); cockpit.start(); print(cockpit.pid, flush=True); time.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(run.stdout.readline())
    assert is_alive(pid)
    run.kill()
    run.wait()
    run.stdout.close()
    await_end(pid)
