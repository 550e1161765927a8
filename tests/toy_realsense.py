"""A RealSense that the real SDK takes for one: a software device in a context, fed by a thread, and recordings of it."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pyrealsense2 as sdk

rs: Any = sdk
WIDTH, HEIGHT, RATE_HZ = 64, 48, 30
AHEAD_MS = 5e6
"""of the camera's clock: nobody's else."""


class SoftwareCamera:
    """Colour is (frame's number // 8, 20, row); depth is 1 m plus 1 mm a column, known in the left half only."""

    def __init__(self, serial: str = "12345", record_to: str = "") -> None:
        self.device = rs.software_device()
        self.color, self._color_profile = self._add("RGB Camera", rs.stream.color, rs.format.rgb8, 3, 0)
        span = rs.option_range()
        span.min, span.max, span.default, span.step = 1.0, 10000.0, 156.0, 1.0
        self.color.add_option(rs.option.exposure, span, True)
        self._depth, self._depth_profile = self._add("Stereo Module", rs.stream.depth, rs.format.z16, 2, 1)
        self._depth.add_read_only_option(rs.option.depth_units, 0.001)
        self._relate()
        self.device.register_info(rs.camera_info.serial_number, serial)
        self.device.register_info(rs.camera_info.name, "Software D435")
        self.device.register_info(rs.camera_info.physical_port, serial)
        self.device.create_matcher(rs.matchers.default)
        self._flows, self._ended = threading.Event(), threading.Event()
        self._flows.set()
        self.number = 0
        self._thread = threading.Thread(target=self._pump, daemon=True)

    def plug_into(self, context: Any, kept: list) -> None:
        # A context remembers a software device as long as somebody holds its entry, which only this callback is shown.
        context.set_devices_changed_callback(lambda info: kept.append(info.get_new_devices()))
        self.device.add_to(context)
        self._thread.start()

    def pause(self) -> None:
        """Send nothing more, as a camera whose cable is out."""
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    def end(self) -> None:
        self._ended.set()
        self._flows.set()
        if self._thread.is_alive():
            self._thread.join()

    def frame(self, number: int) -> None:
        """Send colour and depth number `number`."""
        rows = np.arange(HEIGHT, dtype=np.uint8)[:, None]
        color = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        color[..., 0], color[..., 1], color[..., 2] = number // 8 % 256, 20, rows
        depth = np.tile(1000 + np.arange(WIDTH, dtype=np.uint16), (HEIGHT, 1))
        depth[:, WIDTH // 2 :] = 0
        self.color.on_video_frame(self._video_frame(color, number, self._color_profile, 3))
        self._depth.on_video_frame(self._video_frame(depth, number, self._depth_profile, 2))

    def _pump(self) -> None:
        while not self._ended.is_set():
            self._flows.wait()
            self.frame(self.number)
            self.number += 1
            time.sleep(1 / RATE_HZ)

    def _video_frame(self, pixels: np.ndarray, number: int, profile: Any, bpp: int) -> Any:
        frame = rs.software_video_frame()
        frame.pixels, frame.stride, frame.bpp = pixels, WIDTH * bpp, bpp
        frame.timestamp, frame.frame_number = AHEAD_MS + 1000 / RATE_HZ * number, number
        frame.domain, frame.profile = rs.timestamp_domain.hardware_clock, profile.as_video_stream_profile()
        if bpp == 2:
            frame.depth_units = 0.001
        return frame

    def _add(self, name: str, kind: Any, form: Any, bpp: int, uid: int) -> tuple[Any, Any]:
        stream = rs.video_stream()
        stream.type, stream.index, stream.uid, stream.fmt = kind, 0, uid, form
        stream.width, stream.height, stream.fps, stream.bpp = WIDTH, HEIGHT, RATE_HZ, bpp
        lens = rs.intrinsics()
        lens.width, lens.height, lens.ppx, lens.ppy, lens.fx, lens.fy = WIDTH, HEIGHT, WIDTH / 2, HEIGHT / 2, 60.0, 60.0
        lens.model, lens.coeffs = rs.distortion.none, [0.0] * 5
        stream.intrinsics = lens
        sensor = self.device.add_sensor(name)
        return sensor, sensor.add_video_stream(stream, True)

    def _relate(self) -> None:
        same = rs.extrinsics()
        same.rotation, same.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0]
        self._depth_profile.register_extrinsics_to(self._color_profile, same)
        self._color_profile.register_extrinsics_to(self._depth_profile, same)
