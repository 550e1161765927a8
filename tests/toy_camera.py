"""Waiting for a camera's thread, and a source whose frames and failures are the test's."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

from hardware.streamed_camera import Shot


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Return as soon as another thread has made `condition` true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing happened within {timeout_s:g} s")
        time.sleep(0.002)


class ToySource:
    """Gives what is put into it: shots, and errors, which it raises. Opening it again goes on with the same queue."""

    def __init__(self) -> None:
        self.items: queue.Queue[Shot | Exception | None] = queue.Queue()
        self.num_opened = self.num_closed = 0
        self.failures: list[Exception] = []

    def open(self) -> ToySource:
        if self.failures:
            raise self.failures.pop(0)
        self.num_opened += 1
        return self

    def grab(self) -> Shot:
        item = self.items.get(timeout=5.0)
        if item is None:
            raise OSError("woken to end")
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.num_closed += 1
