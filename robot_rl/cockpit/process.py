"""The cockpit's own process, as the control process sees it: started, spoken to, ended."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot_rl.cockpit.frames import FrameWriter
from robot_rl.cockpit.inputs import PAGE_NBYTES, InputReader, Inputs
from robot_rl.cockpit.shared import create_shared
from robot_rl.cockpit.wire import LineWriter
from robot_rl.errors import ConfigError, DeviceError, pip_line

START_TIMEOUT_S = 60.0
"""s: importing a web server takes 2 s on an idle core"""
END_TIMEOUT_S = 3.0
EXTRA = pip_line("cockpit")


class CockpitProcess:
    """A child that serves the page. Nothing but `__init__` and `close` ever waits for it, and nothing else raises."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Start it and wait until it listens.

        Args:
            settings: Its first message: host, port, token, title.

        Raises:
            ConfigError: If a package is missing, or it cannot listen at the address.
            DeviceError: If it does not come up.
        """
        _check_packages()
        frames, inputs = create_shared("cockpit-frames", 0), create_shared("cockpit-inputs", PAGE_NBYTES)
        state_out, state_in = os.pipe()
        ready_out, ready_in = os.pipe()
        fds = (state_out, ready_in, frames, inputs)
        self._process = subprocess.Popen(  # no fork of this process's memory, no import of its script
            [sys.executable, "-P", "-m", "robot_rl.cockpit.server", *map(str, fds)],
            pass_fds=fds,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the run: it closes the cockpit when it is done
        )
        os.close(state_out)
        os.close(ready_in)
        self._writer = LineWriter(state_in)
        self._inputs = InputReader(inputs)
        self._frames = FrameWriter(frames)
        self._fds = [frames, inputs]
        try:
            self._writer.send(settings)
            self.port: int = _await_port(ready_out, settings)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(ready_out)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def trouble(self) -> str:
        """Return why no more inputs will come, or an empty string."""
        code = self._process.poll()
        return "" if code is None else f"the cockpit's process {self._process.pid} ended with status {code}"

    @property
    def is_deaf(self) -> bool:
        """Whether it was found to hear nothing any more; costs nothing, unlike `trouble`."""
        return not self._writer.is_open

    def inputs(self) -> Inputs:
        """Return the newest inputs."""
        return self._inputs.read()

    def show(self, images: Mapping[str, Any]) -> dict[str, list[int]]:
        """Write the newest pictures and return their layout."""
        return self._frames.write(images)

    def send(self, message: Mapping[str, Any], *, droppable: bool = False) -> bool:
        """Send a message; see `LineWriter.send`."""
        return self._writer.send(message, droppable=droppable)

    def close(self) -> None:
        """End it; idempotent, never raises."""
        self._writer.close()  # by which it knows
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._frames.close()
        self._inputs.close()
        for fd in self._fds:
            os.close(fd)
        self._fds = []


def _check_packages() -> None:
    for package in ("nicegui", "PIL"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"the cockpit needs {package}, which is not installed: {EXTRA}")


def _environment() -> dict[str, str]:
    """Return the environment in which the child finds this package, wherever it was started from."""
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def _await_port(ready: int, settings: Mapping[str, Any]) -> int:
    address = f"{settings['host']}:{settings['port']}"
    if not select.select([ready], [], [], START_TIMEOUT_S)[0]:
        raise DeviceError(f"the cockpit at {address} did not come up within {START_TIMEOUT_S:g} s")
    answer = os.read(ready, 65536)
    if not answer:
        raise DeviceError(f"the cockpit at {address} ended before it listened; its reason is above")
    message = json.loads(answer)
    if "error" in message:
        raise ConfigError(f"the cockpit cannot listen at {address}: {message['error']}; give another port, or 0 for a free one")
    return message["port"]
