"""What devices have in common that a thread of their own talks to."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from robot_rl.errors import DeviceError
from robot_rl.specs import RobotSpec

log = logging.getLogger(__name__)


class Served(ABC):
    """A robot whose thread talks to its device until the end, or until something fails: `read` then says what.

    The thread waits with `_wake`, and tells `_told` when a stop has arrived.
    """

    spec: RobotSpec

    def __init__(self, what: str) -> None:
        """Start no thread; `what` names the device in errors."""
        self._what = what
        self._thread: threading.Thread | None = None
        self._wake, self._ended, self._told = threading.Event(), threading.Event(), threading.Event()
        self._failure: DeviceError | None = None

    def recover(self) -> None:
        """Start anew after a fault whose cause is cleared. Only a person asks for this.

        Raises:
            RobotFault: If the device does not allow it yet.
            DeviceError: If nobody answers.
        """
        self._require_connection()
        self._end_thread()
        try:
            self._clear_fault()
        except DeviceError as error:
            self._failure = error
            raise
        finally:
            self._start()

    @abstractmethod
    def _clear_fault(self) -> None:
        """Make the device ready again, the thread being away; raises DeviceError."""

    @abstractmethod
    def _start(self) -> None:
        """Forget targets and start the thread with `_start_thread`."""

    @abstractmethod
    def _talk(self) -> None:
        """Talk to the device until `_is_over`."""

    @abstractmethod
    def _give_up(self) -> None:
        """Do what can be done for a device that nobody talks to any more."""

    @property
    def _is_over(self) -> bool:
        return self._ended.is_set() or self._failure is not None

    def _start_thread(self, name: str) -> None:
        self._ended.clear()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _end_thread(self) -> None:
        thread, self._thread = self._thread, None
        self._ended.set()
        self._wake.set()
        if thread is not None:
            thread.join()
        self._failure = None

    def _serve(self) -> None:
        try:
            self._talk()
        except Exception as error:  # whatever it is, `read` must say so
            self._failure = error if isinstance(error, DeviceError) else DeviceError(f"{self._what}: {error!r}")
            self._give_up()
            log.error("%s", self._failure)
        finally:
            self._told.set()

    def _wait_until_told(self, timeout_s: float) -> None:
        """Let the thread know of a stop, and wait until it has told the device; not in the thread itself."""
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._told.wait(timeout_s)

    def _require_connection(self) -> None:
        if self._thread is None:
            raise DeviceError(f"robot {self.spec.name!r} is not connected; call connect() first")

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(str(self._failure))
