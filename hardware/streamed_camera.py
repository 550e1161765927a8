"""Cameras that deliver on their own: a thread each that keeps the newest frame only, and opens a lost device again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot_rl.errors import DeviceError, StaleFrame
from robot_rl.protocols import Clock
from robot_rl.specs import CameraSpec
from robot_rl.types import Frame

log = logging.getLogger(__name__)

RECONNECT_S = 1.0
"""s between two attempts to open a device that was lost."""
FIRST_FRAME_S = 10.0
"""s that a camera has for its first frame: auto exposure and USB bandwidth take their time."""
CLOSE_S = 3.0
"""s that `close` waits for the thread; one that hangs in its driver longer is left behind and can store nothing more."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a camera took at one instant. Whoever makes it keeps no view of its arrays."""

    image: np.ndarray
    """uint8 [H, W, 3], RGB."""
    stamp: float
    """s, on the robot's clock."""
    depth: np.ndarray | None = None
    """float32 [H, W], m along the optical axis, 0 where unknown; None: the camera delivers none."""


class FrameSource(Protocol):
    """An open device. Used by one thread only."""

    def grab(self) -> Shot:
        """Wait for the next frame, a second or so at most. Any exception means that the device is lost."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


class StreamedCamera:
    """A camera whose `read` never waits: a thread takes frames as they come, and the newest is there for whoever asks.

    A device that fails is opened again every `RECONNECT_S`; meanwhile its last frame grows old, until `read` says so.
    """

    def __init__(
        self, spec: CameraSpec, clock: Clock, opened: Callable[[], FrameSource], reconnect_s: float = RECONNECT_S
    ) -> None:
        """Build without touching the device; `opened` opens it, or raises DeviceError with the remedy."""
        self.spec = spec
        self._clock = clock
        self._opened = opened
        self._reconnect_s = reconnect_s
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._arrived = threading.Event()
        self._newest: Shot | None = None
        self._cause = ""
        self.num_frames = 0
        """frames taken since the camera was built, read or not"""
        self.num_failures = 0
        """how often the device failed since then"""

    def connect(self) -> None:
        """Open the device and wait for its first frame.

        Raises:
            DeviceError: If it cannot be opened, or no frame comes within `FIRST_FRAME_S`.
        """
        if self._thread is not None:
            return
        source = self._opened()
        self._newest, self._cause = None, ""
        self._ended, self._arrived = threading.Event(), threading.Event()
        name = f"camera-{self.spec.name}"
        self._thread = threading.Thread(target=self._run, args=(source, self._ended), name=name, daemon=True)
        self._thread.start()
        if not self._arrived.wait(FIRST_FRAME_S):
            cause = f" (cause: {self._cause})" if self._cause else ""
            self.close()
            raise DeviceError(
                f"camera {self.spec.name!r}: no frame within {FIRST_FRAME_S:g} s of opening it{cause}; check its cable and port"
            )

    def read(self, max_age: float) -> Frame:
        """Return a copy of the newest frame; never waits.

        Raises:
            StaleFrame: If it is older than `max_age` s; names the camera, the age and why no newer one came.
            DeviceError: If the camera is not connected.
        """
        shot = self._fresh(max_age)
        return Frame(shot.image.copy(), shot.stamp)

    def read_depth(self, max_age: float) -> np.ndarray:
        """Return a copy of the newest frame's depth, float32 [H, W], m, pixel by pixel that of its image; 0: unknown.

        Raises:
            StaleFrame: As `read`.
            DeviceError: If the camera is not connected, or delivers no depth.
        """
        depth = self._fresh(max_age).depth
        if depth is None:
            raise DeviceError(f"camera {self.spec.name!r} delivers no depth; give its driver the option depth = true if it can")
        return depth.copy()

    def close(self) -> None:
        """Stop the thread, which gives the device back; idempotent."""
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(CLOSE_S)
            if thread.is_alive():
                log.warning("camera %r: its driver has not returned for %g s and is left behind", self.spec.name, CLOSE_S)

    def _fresh(self, max_age: float) -> Shot:
        if self._thread is None:
            raise DeviceError(f"camera {self.spec.name!r} is not connected; call connect() first")
        with self._lock:
            shot, cause = self._newest, self._cause
        if shot is None:
            raise StaleFrame(f"camera {self.spec.name!r}: no frame yet")
        age = self._clock.now() - shot.stamp
        if age > max_age:
            reason = f" (cause: {cause})" if cause else ""
            raise StaleFrame(f"camera {self.spec.name!r}: newest frame is {age:.2f} s old, limit {max_age:.2f} s{reason}")
        return shot

    def _run(self, source: FrameSource | None, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                source = source or self._opened()
                shot = source.grab()
                self._check(shot)
            except Exception as error:  # whatever a driver raises, the camera is lost and comes back or does not
                self._failed(error)
                source = _closed(source)
                ended.wait(self._reconnect_s)
            else:
                self._store(shot, ended)
        _closed(source)

    def _store(self, shot: Shot, ended: threading.Event) -> None:
        with self._lock:
            if not ended.is_set():
                self._newest, self._cause = shot, ""
                self.num_frames += 1
                self._arrived.set()

    def _failed(self, error: Exception) -> None:
        with self._lock:
            self._cause = str(error) if isinstance(error, DeviceError) else f"{type(error).__name__}: {error}"
            self.num_failures += 1
        log.warning("camera %r: %s", self.spec.name, self._cause)

    def _check(self, shot: Shot) -> None:
        wanted = (self.spec.height, self.spec.width, 3)
        if shot.image.shape != wanted or shot.image.dtype != np.uint8:
            raise DeviceError(f"it delivers {shot.image.dtype} {shot.image.shape}, and uint8 {wanted} was asked for")


def _closed(source: FrameSource | None) -> None:
    if source is not None:
        with suppress(Exception):  # of a device that is lost already, nothing more is to be learnt
            source.close()
