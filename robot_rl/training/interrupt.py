"""Ctrl-C and SIGTERM as a request that is honoured between two control steps."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

ACKNOWLEDGED = b"stopping after this step, or once cloning or measuring is done; a second Ctrl-C stops at once\n"


class GracefulStop:
    """While entered, the first signal sets `requested`; a second one interrupts at once as usual.

    Python gives signals to the main thread; entered in another one it does nothing.
    """

    _signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in self._signals}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()
        with suppress(OSError):  # not by the log: nothing here may raise into whatever is being done
            os.write(2, ACKNOWLEDGED)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
