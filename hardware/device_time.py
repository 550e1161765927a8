"""A device's own stamps on the robot's clock."""

from __future__ import annotations

from collections import deque

from robot_rl.errors import ConfigError

WINDOW = 300
"""Frames over which the least delay is looked for: 10 s at 30 Hz, in which crystals drift apart by less than 1 ms."""


class DeviceTime:
    """Maps the stamps of a device to the time of the clock on which its data arrive.

    Data arrive at least a constant after they were stamped, mostly a little later and at times much: the smallest
    difference between arrival and stamp, over the last `window` data, takes one clock to the other. So a mapped stamp keeps
    the device's regular spacing, is never later than the arrival, and is late by the shortest delay, which cannot be known.
    """

    def __init__(self, window: int = WINDOW) -> None:
        if window < 1:
            raise ConfigError(f"window {window} of a device's time must be at least 1")
        self._offsets: deque[float] = deque(maxlen=window)
        self._last = float("-inf")

    def arrived(self, stamp: float, now: float) -> float:
        """Return when the datum was stamped, on the robot's clock.

        Args:
            stamp: s, on the device's clock. If it went back since the last one, the device has started anew.
            now: s, on the robot's clock, when the datum arrived.
        """
        if stamp < self._last:
            self._offsets.clear()
        self._last = stamp
        self._offsets.append(now - stamp)
        return stamp + min(self._offsets)
