"""The browser as an input device: what is done at the page, for the control loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from robot_rl.cockpit.inputs import EVENTS, Inputs
from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput

HEARTBEAT_TIMEOUT_S = 0.4
"""A page in control beats every 0.05 s. Whoever is not heard of for longer has let go."""
MAX_SILENCE_S = 3.0
"""s without a sign of life after which the cockpit counts as gone: nobody could stop the robot from it."""


class Source(Protocol):
    """Where the inputs come from: the cockpit."""

    def inputs(self) -> Inputs:
        """Return the newest."""
        ...

    def trouble(self) -> str:
        """Return why no more inputs will come, or an empty string."""
        ...


class BrowserDevice:
    """An `InputDevice` whose hands are at the page. Nobody is in control unless their page has been heard of just now."""

    name = "browser"

    def __init__(self, source: Source, now: Callable[[], float] = time.monotonic) -> None:
        """Read from `source`; `now` is in s, on the clock that the inputs are stamped by."""
        self._source, self._now = source, now
        self._taps = dict.fromkeys(EVENTS, 0)
        self._num_grips = 0
        self.is_connected = False
        """Whether somebody reads it, so that driving from the page has an effect."""

    def connect(self) -> None:
        """Begin to listen. What was tapped before counts no more, but for a stop.

        Raises:
            DeviceError: If the cockpit is not running.
        """
        if self.is_connected:
            return
        self._check()
        inputs = self._source.inputs()
        self._taps |= {event: count for event, count in inputs.taps.items() if event != "stop"}
        self._num_grips = inputs.num_grips
        self.is_connected = True

    def read(self) -> DeviceInput:
        """Return what was done since the last read; never blocks.

        Raises:
            DeviceError: If the device is not connected, or the cockpit has died or hangs.
        """
        if not self.is_connected:
            raise DeviceError("the browser is not connected; call connect() first")
        self._check()
        inputs = self._source.inputs()
        now = self._now()
        if inputs.alive and now - inputs.alive > MAX_SILENCE_S:
            raise DeviceError(f"the cockpit has not been heard of for {now - inputs.alive:.1f} s, limit {MAX_SILENCE_S:g} s")
        num_taps = {event: inputs.taps[event] - self._taps[event] for event in EVENTS}
        num_grips, self._num_grips = inputs.num_grips - self._num_grips, inputs.num_grips
        self._taps = dict(inputs.taps)
        is_driven = inputs.is_driven and now - inputs.heard <= HEARTBEAT_TIMEOUT_S
        motion = dict(inputs.motion) if is_driven else {}
        gripper = inputs.gripper if is_driven else None
        if gripper is None and is_driven and num_grips:
            gripper = inputs.grip
        return DeviceInput(
            motion=motion,
            gripper=gripper,
            is_touched=bool(motion) or gripper is not None,
            is_held=is_driven,
            is_tapped=num_taps["takeover"] % 2 == 1,  # the page taps when it takes over and when it lets go: both are neither
            success=num_taps["success"] > 0,
            failure=num_taps["failure"] > 0,
            discard=num_taps["discard"] > 0,
            pause=num_taps["pause"] % 2 == 1,
            stop=num_taps["stop"] > 0,
        )

    @property
    def num_stops_read(self) -> int:
        """How many presses of stop have reached the control loop."""
        return self._taps["stop"]

    def take_stop(self) -> bool:
        """Return whether stop has been pressed since it was last read, for runs that nobody drives from the page."""
        count = self._source.inputs().taps["stop"]
        is_pressed = count > self._taps["stop"]
        self._taps["stop"] = count
        return is_pressed

    def close(self) -> None:
        """Listen no more; idempotent."""
        self.is_connected = False

    def _check(self) -> None:
        if trouble := self._source.trouble():
            raise DeviceError(trouble)
