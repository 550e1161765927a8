"""RealSense cameras through Intel's SDK: colour, depth aligned to it, exposure, and the camera's own stamps."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from hardware.device_time import DeviceTime
from hardware.streamed_camera import RECONNECT_S, Shot, StreamedCamera
from robot_rl.errors import ConfigError, DeviceError, pip_line
from robot_rl.protocols import Clock
from robot_rl.specs import CameraSpec

PIP_LINE = f"{pip_line('realsense')}, and apt-get install libusb-1.0-0"
SILENCE_S = 1.0
"""s without a frame after which the device counts as lost."""
COLOR_EXPOSURE_UNIT_S = 1e-4
DEPTH_EXPOSURE_UNIT_S = 1e-6
"""s of one step of the exposure of a colour sensor, and of a stereo sensor (which gives the colour of a D405)."""


class RealSenseCamera(StreamedCamera):
    """A RealSense camera, by serial number, or a recording of one. Stamps are the camera's, brought to the robot's clock."""

    def __init__(
        self,
        clock: Clock,
        name: str,
        serial: str = "",
        width: int = 640,
        height: int = 480,
        rate_hz: int = 30,
        depth: bool = False,
        exposure_s: float | None = None,
        recording: str = "",
        reconnect_s: float = RECONNECT_S,
        context: Any = None,
    ) -> None:
        """Say which camera; nothing is opened.

        Args:
            clock: The robot's.
            name: Of the camera at the station.
            serial: Serial number; empty: the only one that is plugged in.
            width: Pixels, of colour and depth.
            height: Pixels, of colour and depth.
            rate_hz: Frames per s.
            depth: Whether `read_depth` gives depth, aligned to the colour image.
            exposure_s: s, of the colour; None: the camera chooses.
            recording: File that is played, over and over, instead of opening a camera; empty: none.
            reconnect_s: s between attempts to open a lost device.
            context: `pyrealsense2.context` with the devices to choose from; None: those that are plugged in.
        """
        if exposure_s is not None and not exposure_s > 0:
            raise ConfigError(f"camera {name!r}: exposure_s {exposure_s:g} must be positive, or left out for auto exposure")
        if serial and recording:
            raise ConfigError(f"camera {name!r}: serial {serial!r} and recording {recording!r} exclude each other; give one")
        self.serial, self.depth, self.exposure_s, self.recording, self.context = serial, depth, exposure_s, recording, context
        super().__init__(CameraSpec(name, height, width, rate_hz), clock, lambda: _Pipeline(self, clock), reconnect_s)


class _Pipeline:
    """A started SDK pipeline."""

    def __init__(self, camera: RealSenseCamera, clock: Clock) -> None:
        self._rs: Any = _import_rs()
        self._camera = camera
        self._clock = clock
        self._time = DeviceTime()
        context = self._rs.context() if camera.context is None else camera.context
        config = self._config(context)
        self._pipeline = self._rs.pipeline(context)
        try:
            profile = self._pipeline.start(config)
        except RuntimeError as error:
            spec = camera.spec
            depth = " with depth" if camera.depth else ""
            raise self._error(
                f"cannot start {spec.width}x{spec.height} at {spec.rate_hz:g} Hz{depth} ({error}); choose a mode that "
                "rs-enumerate-devices lists, plug it into USB 3, and close what else uses it"
            ) from error
        try:
            if not camera.recording:
                self._set_exposure(profile.get_device())
        except BaseException:
            self.close()
            raise
        self._align = self._rs.align(self._rs.stream.color) if camera.depth else None

    def grab(self) -> Shot:
        """Return the next frame. Raises OSError if none comes within `SILENCE_S`."""
        is_there, frames = self._pipeline.try_wait_for_frames(round(1000 * SILENCE_S))
        now = self._clock.now()
        if not is_there:
            raise OSError(f"no frame for {SILENCE_S:g} s")
        if self._align is not None:
            frames = self._align.process(frames)
        color = frames.get_color_frame()
        if not color:
            raise OSError("frames without colour")
        stamp = self._time.arrived(color.get_timestamp() / 1000, now)  # the SDK's are ms
        return Shot(np.array(color.get_data()), stamp, self._depth(frames) if self._camera.depth else None)

    def close(self) -> None:
        """Stop streaming and give the device back."""
        self._pipeline.stop()

    def _depth(self, frames: Any) -> np.ndarray:
        depth = frames.get_depth_frame()
        if not depth:
            raise OSError("frames without depth")
        return np.asarray(depth.get_data()).astype(np.float32) * np.float32(depth.get_units())

    def _config(self, context: Any) -> Any:
        """Return what to stream, from where; looks first, since the SDK waits 15 s for a device that is not there."""
        rs, camera, spec = self._rs, self._camera, self._camera.spec
        config = rs.config()
        if camera.recording:
            if not Path(camera.recording).exists():
                raise self._error(f"there is no recording {camera.recording}")
            config.enable_device_from_file(camera.recording, repeat_playback=True)
        else:
            config.enable_device(self._chosen(context))
        config.enable_stream(rs.stream.color, spec.width, spec.height, rs.format.rgb8, round(spec.rate_hz))
        if camera.depth:
            config.enable_stream(rs.stream.depth, spec.width, spec.height, rs.format.z16, round(spec.rate_hz))
        return config

    def _chosen(self, context: Any) -> str:
        info = self._rs.camera_info
        serials = {
            device.get_info(info.serial_number): device.get_info(info.name) if device.supports(info.name) else "unnamed"
            for device in context.query_devices()
        }
        known = ", ".join(f"{serial} ({name})" for serial, name in sorted(serials.items())) or "none"
        wanted = self._camera.serial
        if wanted and wanted not in serials:
            raise self._error(f"no RealSense has serial {wanted!r}; plugged in: {known}")
        if not wanted and len(serials) != 1:
            raise self._error(f"option serial is needed unless exactly one RealSense is plugged in; plugged in: {known}")
        return wanted or next(iter(serials))

    def _set_exposure(self, device: Any) -> None:
        option, wanted = self._rs.option, self._camera.exposure_s
        sensor = next(each for each in device.query_sensors() if self._gives_color(each))
        if sensor.supports(option.enable_auto_exposure):
            sensor.set_option(option.enable_auto_exposure, float(wanted is None))
        if wanted is None:
            return
        if not sensor.supports(option.exposure):
            raise self._error(f"it does not take exposure_s = {wanted:g}; leave it out")
        unit = DEPTH_EXPOSURE_UNIT_S if sensor.is_depth_sensor() else COLOR_EXPOSURE_UNIT_S
        span = sensor.get_option_range(option.exposure)
        if not span.min <= round(wanted / unit) <= span.max:
            raise self._error(f"exposure_s {wanted:g} is not in {span.min * unit:g}..{span.max * unit:g}")
        sensor.set_option(option.exposure, round(wanted / unit))

    def _gives_color(self, sensor: Any) -> bool:
        return any(profile.stream_type() == self._rs.stream.color for profile in sensor.get_stream_profiles())

    def _error(self, message: str) -> DeviceError:
        return DeviceError(f"camera {self._camera.spec.name!r}: {message}")


def _import_rs() -> Any:
    try:
        return importlib.import_module("pyrealsense2")
    except ImportError as error:
        raise ConfigError(f"a RealSense camera needs Intel's SDK ({error}): {PIP_LINE}") from error
