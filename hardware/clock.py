"""Clocks: the wall's, and one that only moves when it is told to."""

from __future__ import annotations

import time
from collections.abc import Callable


class WallClock:
    """Real time, in s since an arbitrary origin."""

    def __init__(self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._now = now
        self._sleep = sleep

    def now(self) -> float:
        """Return the time, s."""
        return self._now()

    def sleep_until(self, deadline: float) -> None:
        """Return once `now() >= deadline`; at once if that has passed."""
        while (remaining := deadline - self._now()) > 0:  # a sleep may end early
            self._sleep(remaining)


class ManualClock:
    """Time that stands still until somebody sleeps on it or advances it."""

    def __init__(self, start: float = 0.0) -> None:
        self._time = start
        self._watchers: list[Callable[[], None]] = []

    def now(self) -> float:
        """Return the time, s."""
        return self._time

    def advance(self, duration: float) -> None:
        """Let `duration` s pass.

        Raises:
            ValueError: If that is negative: time never runs backwards.
        """
        if duration < 0:
            raise ValueError(f"a clock cannot advance by {duration:g} s")
        self._move_to(self._time + duration)

    def sleep_until(self, deadline: float) -> None:
        """Move the time to `deadline`; nothing happens if that has passed."""
        if deadline > self._time:
            self._move_to(deadline)

    def on_advance(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call `watcher` after each advance, until the function that is returned is called."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def _move_to(self, instant: float) -> None:
        self._time = instant
        for watcher in list(self._watchers):
            watcher()
