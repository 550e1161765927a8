"""The cockpit, as the control process sees it: what it shows to people, and what comes back from them."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from robot_rl.cockpit.config import CockpitConfig
from robot_rl.cockpit.device import BrowserDevice
from robot_rl.cockpit.inputs import Inputs
from robot_rl.cockpit.process import CockpitProcess


class Cockpit:
    """Serves the page from a process of its own. Nothing here waits for it but `start` and `close`.

    What is published before `start` or after `close` is lost; the same code runs with and without people who look.
    """

    def __init__(self, config: CockpitConfig | None = None, title: str = "robot-rl", now: Callable[[], float] = time.monotonic):
        """Prepare a cockpit; nothing is opened before `start`.

        Args:
            config: Where it is served; on this machine alone if None.
            title: Of the page: task and run, say.
            now: s, `time.monotonic` but in tests.
        """
        self.config = config or CockpitConfig()
        self.title = title
        self.device = BrowserDevice(self, now)
        """An `InputDevice`: the hands of whoever drives from the page."""
        self._token = self.config.secret()
        self._process: CockpitProcess | None = None
        self._layout: dict[str, list[int]] = {}
        self._is_told_dead = False

    def start(self) -> None:
        """Serve the page, and return once it can be opened; idempotent.

        Raises:
            ConfigError: If a package is missing or the address is taken.
            DeviceError: If the process does not come up.
        """
        if self._process is None:
            host, port = self.config.host, self.config.port
            self._process = CockpitProcess({"host": host, "port": port, "token": self._token, "title": self.title})

    @property
    def port(self) -> int:
        """Where it is served; the configured one before `start`."""
        return self.config.port if self._process is None else self._process.port

    @property
    def pid(self) -> int | None:
        """Process id of the page's process, or None before `start`."""
        return None if self._process is None else self._process.pid

    @property
    def url(self) -> str:
        """What to open in a browser, token included."""
        host = self.config.host
        if host in ("0.0.0.0", "::"):
            host = _own_address()
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        token = "" if self._token is None else f"?token={self._token}"
        return f"http://{host}:{self.port}/{token}"

    def publish(self, points: Mapping[str, float]) -> None:
        """Add points to curves, by their names (`episode/success`)."""
        self._send({"type": "points", "points": {name: float(value) for name, value in points.items()}})

    def say(self, text: str) -> None:
        """Show a line that tells what is going on: a countdown, a phase; empty: nothing."""
        self._send({"type": "say", "text": text})

    def pause(self) -> None:
        """Show that the robot holds because somebody said pause; the next state that is shown ends it."""
        self._send({"type": "phase", "phase": "paused"})

    def show(self, images: Mapping[str, np.ndarray], state: Mapping[str, Any], *, droppable: bool = True) -> None:
        """Show the newest pictures and the newest state; older ones that nobody has seen yet are forgotten.

        Args:
            images: By camera, uint8 [H, W, 3], RGB; none: the last ones stay.
            state: JSON values.
            droppable: Whether a newer state comes soon, so that this one may be left out.
        """
        if self._process is not None:
            self._layout, device = self._process.show(images) or self._layout, self.device
            extra = {"cameras": self._layout, "is_driven_here": device.is_connected, "num_stops_read": device.num_stops_read}
            self._send({"type": "state", **extra, **state}, droppable=droppable)

    def inputs(self) -> Inputs:
        """Return what hands do at the page."""
        return Inputs() if self._process is None else self._process.inputs()

    def trouble(self) -> str:
        """Return why nobody can reach the page, or an empty string."""
        return "the cockpit is not running; call its start() first" if self._process is None else self._process.trouble()

    def close(self) -> None:
        """End the page; idempotent, never raises."""
        self.device.close()
        if self._process is not None:
            self._process.close()
            self._process = None

    def _send(self, message: Mapping[str, Any], *, droppable: bool = False) -> None:
        if self._process is None:
            return
        self._process.send(message, droppable=droppable)
        if not self._is_told_dead and self._process.is_deaf:
            self._is_told_dead = True
            warnings.warn("the cockpit's process has ended: nobody sees or stops this run from there", stacklevel=3)


def _own_address() -> str:
    """Return the address by which others reach this machine, as far as can be told without asking anybody."""

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: it asks for the route
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()
