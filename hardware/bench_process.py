"""A process that a test or a rehearsal plays with: one JSON line asks, one answers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from robot_rl.errors import DeviceError

END_S = 5.0
"""s that a process whose input has ended may take to end."""


class BenchProcess:
    """Starts a Python process and calls functions in it, from any thread. The process ends with its input."""

    def __init__(self, what: str, arguments: Sequence[str]) -> None:
        """Start `python ARGUMENTS` and wait until it is ready; `what` names it in errors.

        Raises:
            DeviceError: If it ended instead.
        """
        self._what, self._lock = what, threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for who plays with it, who still has to let it go
        )
        self.greeting = self._answer()
        """What it said when it was ready."""

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what the function `name` of the process returns.

        Raises:
            DeviceError: If the function failed or the process is gone.
        """
        with self._lock:
            if self._process.stdin is not None and not self._process.stdin.closed and self._process.poll() is None:
                self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
                self._process.stdin.flush()
            return self._answer()

    def close(self) -> None:
        """End the process; idempotent."""
        with self._lock:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _answer(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise DeviceError(f"{self._what} ended (exit code {self._process.wait()}); see its messages above")
        answer = json.loads(line)
        if "error" in answer:
            raise DeviceError(f"{self._what}: {answer['error']}")
        return answer["value"]


def serve_calls(greeting: Any, handles: object, lock: AbstractContextManager[Any]) -> None:
    """Answer a `BenchProcess` on this process's own standard streams, until its input ends.

    Args:
        greeting: Said first.
        handles: Its methods are what can be called.
        lock: Held meanwhile.
    """
    print(json.dumps({"value": greeting}), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            with lock:
                answer = {"value": getattr(handles, name)(*arguments)}
        except Exception as error:  # whoever asked shall know
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
