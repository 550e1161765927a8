"""JSON lines through a pipe whose writer never waits."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import Any

MAX_BACKLOG = 2000
"""lines that a writer keeps for a reader that is behind: some minutes of curves, about 200 kB"""
CHUNK = 65536


class LineWriter:
    """Writes what the pipe takes now, and keeps the rest for the next call: `send` never blocks and never raises.

    What is kept is bounded: the oldest line goes first. A line is never torn: one that was begun is finished first, and of
    several threads one sends at a time.
    """

    def __init__(self, fd: int) -> None:
        """Take over the write end of a pipe."""
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._begun = b""
        self._backlog: deque[bytes] = deque(maxlen=MAX_BACKLOG)
        self._lock = Lock()

    @property
    def is_open(self) -> bool:
        """False once the reader is gone."""
        return self._fd is not None

    def send(self, message: Mapping[str, Any], *, droppable: bool = False) -> bool:
        """Send `message`, or keep it until the pipe takes it.

        Args:
            message: JSON values; numbers that are not finite become null.
            droppable: Forget it if the reader is behind: a newer one will come.

        Returns:
            Whether it was sent or kept.
        """
        line = encode(message) + b"\n"
        with self._lock:
            self._flush()
            if self._fd is None or (droppable and (self._begun or self._backlog)):
                return False
            self._backlog.append(line)
            self._flush()
            return True

    def close(self) -> None:
        """Close the pipe; idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _flush(self) -> None:
        while self._fd is not None and (self._begun or self._backlog):
            self._begun = self._begun or self._backlog.popleft()
            try:
                written = os.write(self._fd, self._begun)
            except BlockingIOError:
                return
            except OSError:  # the reader is gone
                self.close()
                return
            self._begun = self._begun[written:]


class LineReader:
    """Splits what comes through a pipe into messages."""

    def __init__(self, fd: int) -> None:
        """Take over the read end of a pipe."""
        self.fd = fd
        self._rest = b""

    def read(self) -> list[dict[str, Any]] | None:
        """Return the messages that have become complete, after waiting for the pipe; None once the writer is gone."""
        chunk = os.read(self.fd, CHUNK)
        if not chunk:
            return None
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [json.loads(line) for line in lines]


def encode(message: Mapping[str, Any]) -> bytes:
    """Return `message` as one line of strict JSON: browsers cannot read NaN."""
    try:
        return json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(_finite(message), allow_nan=False, separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
