"""USB cameras of Linux through OpenCV, and video files that stand for one."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from hardware.streamed_camera import RECONNECT_S, Shot, StreamedCamera
from robot_rl.errors import ConfigError, DeviceError, pip_line
from robot_rl.protocols import Clock
from robot_rl.specs import CameraSpec

BY_ID = Path("/dev/v4l/by-id")
PIP_LINE = pip_line("opencv")
MANUAL, AUTO = 1, 3
"""V4L2_EXPOSURE_MANUAL and V4L2_EXPOSURE_APERTURE_PRIORITY, what USB cameras offer."""
EXPOSURE_UNIT_S = 1e-4
"""s of one step of V4L2_CID_EXPOSURE_ABSOLUTE."""
READ_TIMEOUT_S = 1.0
"""s without a frame after which the device counts as lost."""


class V4L2Camera(StreamedCamera):
    """A camera at `/dev/v4l/by-id/...`, which stays the same when another is plugged in, or at `/dev/video<n>`.

    Frames are stamped when they have arrived here, so stamps are late by exposure and transfer, about a period.
    """

    def __init__(
        self,
        clock: Clock,
        name: str,
        device: str,
        width: int = 640,
        height: int = 480,
        rate_hz: float = 30.0,
        fourcc: str = "",
        exposure_s: float | None = None,
        reconnect_s: float = RECONNECT_S,
    ) -> None:
        """Say which camera; nothing is opened.

        Args:
            clock: The robot's.
            name: Of the camera at the station.
            device: Path. A path that is not below `/dev` is a video file, shown at `rate_hz` and over again.
            width: Pixels.
            height: Pixels.
            rate_hz: Frames per s.
            fourcc: How pictures are sent, `MJPG` or `YUYV`, say; empty: as the camera likes. Beyond 640x480 USB 2 needs MJPG.
            exposure_s: s; None: the camera chooses. Where the light is constant choose it: a policy sees the difference.
            reconnect_s: s between attempts to open a lost device.
        """
        if fourcc and len(fourcc) != 4:
            raise ConfigError(f"camera {name!r}: fourcc {fourcc!r} has not 4 letters; MJPG and YUYV are usual")
        if exposure_s is not None and not exposure_s > 0:
            raise ConfigError(f"camera {name!r}: exposure_s {exposure_s:g} must be positive, or left out for auto exposure")
        self.device, self.fourcc, self.exposure_s = device, fourcc, exposure_s
        super().__init__(CameraSpec(name, height, width, rate_hz), clock, lambda: _Capture(self, clock), reconnect_s)


class _Capture:
    """An open `cv2.VideoCapture` with the settings of a camera."""

    def __init__(self, camera: V4L2Camera, clock: Clock) -> None:
        self._cv2 = _import_cv2()
        self._clock = clock
        self._camera = camera
        self._is_file = not camera.device.startswith("/dev/")
        if not Path(camera.device).exists():
            raise self._error(f"there is no {camera.device}; plugged in: {_plugged_in()}")
        backend = self._cv2.CAP_ANY if self._is_file else self._cv2.CAP_V4L2
        self._capture = self._cv2.VideoCapture(camera.device, backend)
        if not self._capture.isOpened():
            raise self._error(f"{camera.device} cannot be opened; another program may have it, or you are not in group 'video'")
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise
        self._due = clock.now()

    def grab(self) -> Shot:
        """Return the next frame. Raises OSError if none comes."""
        if self._is_file:
            self._clock.sleep_until(self._due)
            self._due += 1 / self._camera.spec.rate_hz
        if not self._capture.grab():
            raise OSError("the video is at its end" if self._is_file else f"{self._camera.device} gives no frame")
        stamp = self._clock.now()
        is_decoded, picture = self._capture.retrieve()
        if not is_decoded:
            raise OSError(f"{self._camera.device} gives a frame that cannot be decoded")
        return Shot(self._cv2.cvtColor(picture, self._cv2.COLOR_BGR2RGB), stamp)

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()

    def _set_up(self) -> None:
        cv2, capture, spec = self._cv2, self._capture, self._camera.spec
        if not self._is_file:
            if self._camera.fourcc:  # before the size, which may depend on it
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self._camera.fourcc))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, spec.width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, spec.height)
            capture.set(cv2.CAP_PROP_FPS, spec.rate_hz)
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            capture.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(1000 * READ_TIMEOUT_S))
        got = tuple(round(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if got != (spec.width, spec.height):
            raise self._error(
                f"asked for {spec.width}x{spec.height} it delivers {got[0]}x{got[1]}; set width and height to these"
            )
        self._set_exposure()

    def _set_exposure(self) -> None:
        wanted = self._camera.exposure_s
        if wanted is None:
            self._capture.set(self._cv2.CAP_PROP_AUTO_EXPOSURE, AUTO)  # a camera without does so anyway
            return
        is_manual = self._capture.set(self._cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL)
        if not (is_manual and self._capture.set(self._cv2.CAP_PROP_EXPOSURE, max(1, round(wanted / EXPOSURE_UNIT_S)))):
            raise self._error(f"it does not take exposure_s = {wanted:g}; leave it out, or see v4l2-ctl -d DEVICE -l")

    def _error(self, message: str) -> DeviceError:
        return DeviceError(f"camera {self._camera.spec.name!r}: {message}")


def _plugged_in() -> str:
    return ", ".join(str(path) for path in sorted(BY_ID.glob("*"))) or "no camera"


def _import_cv2() -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise ConfigError(f"a V4L2 camera needs OpenCV ({error}): {PIP_LINE}") from error
