"""The one thread of an input device: carries what the device sends to what understands it, and notices when it is gone."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput

WAIT_S = 0.05
"""s after which a quiet device is looked at all the same; bounds how long `close` takes."""

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)
Item_contra = TypeVar("Item_contra", contravariant=True)


class Stream(Protocol[Item_co]):
    """An open device."""

    def wait(self, timeout_s: float) -> None:
        """Return when there may be something to read, or after `timeout_s`."""
        ...

    def drain(self) -> Iterable[Item_co]:
        """Return all that has come, without waiting. Raises OSError when the device is gone."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


class Decoder(Protocol[Item_contra]):
    """Understands what a device sends. Does no I/O."""

    def feed(self, item: Item_contra, now: float) -> None:
        """Take one event or report that came at `now`, s."""
        ...

    def take(self, now: float) -> DeviceInput:
        """Return what was done since the last `take`."""
        ...


class PumpedDevice(Generic[Item]):
    """An InputDevice made of a stream and a decoder.

    Its thread empties the stream between two reads, so that the kernel's short queue never overflows; `read` empties it once
    more, so that it knows everything that was sent before it.
    """

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], tuple[Stream[Item], Decoder[Item]]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Say how the device is opened; `connect` does it.

        Args:
            name: Of the device, for messages.
            open_stream: Opens it and returns what understands it; raises DeviceError with the remedy.
            now: Clock, s.
        """
        self.name = name
        self._open, self._now = open_stream, now
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._opened: tuple[Stream[Item], Decoder[Item]] | None = None
        self._failure: str | None = None

    def connect(self) -> None:
        """Open the device; idempotent, and opens it anew once it was gone. Raises DeviceError with the remedy."""
        if self._opened is not None and self._failure is None:
            return
        self.close()
        self._opened = self._open()
        self._is_closing.clear()
        self._thread = threading.Thread(target=self._run, args=self._opened, name=f"teleop-{self.name}", daemon=True)
        self._thread.start()

    def read(self) -> DeviceInput:
        """Return what was done since the last read. Raises DeviceError once the device is gone."""
        if self._opened is None:
            raise DeviceError(f"{self.name} is not connected; call connect() first")
        self._pump(*self._opened)
        if self._failure is not None:
            raise DeviceError(f"{self.name} is gone ({self._failure}); plug it in and start again")
        with self._lock:
            return self._opened[1].take(self._now())

    def close(self) -> None:
        """Release the device; idempotent, never raises."""
        self._is_closing.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        opened, self._opened, self._failure = self._opened, None, None
        if opened is not None:
            try:
                opened[0].close()
            except OSError:
                return  # a device that is gone cannot be given back

    def _run(self, stream: Stream[Item], decoder: Decoder[Item]) -> None:
        while not self._is_closing.is_set() and self._failure is None:
            try:
                stream.wait(WAIT_S)
            except OSError as error:
                self._failure = _cause(error)
                return
            self._pump(stream, decoder)

    def _pump(self, stream: Stream[Item], decoder: Decoder[Item]) -> None:
        with self._lock:
            if self._failure is not None:
                return
            try:
                for item in stream.drain():
                    decoder.feed(item, self._now())
            except Exception as error:  # whatever it is, nobody is at the controls any more, and `read` must say so
                self._failure = _cause(error)


def _cause(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def wait_for(descriptor: int, timeout_s: float) -> None:
    """Return when `descriptor` can be read, or after `timeout_s`."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll(1000 * timeout_s)
