"""V4L2 cameras keep the contract of every camera: the driver is the real one, and plays a video that the test has written."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from contract.camera_contract import CameraContract
from toy_camera import until

from hardware.camera_v4l2 import V4L2Camera
from hardware.clock import WallClock
from robot_rl.errors import ConfigError, DeviceError, StaleFrame

WIDTH, HEIGHT = 64, 48


def write_video(path, num_frames, fps=30):
    """Write a red picture with a blue lower half, whose green tells the frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(num_frames):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)  # BGR
        picture[: HEIGHT // 2, :, 2], picture[HEIGHT // 2 :, :, 0] = 200, 200
        picture[..., 1] = number // 8
        writer.write(picture)
    writer.release()
    return str(path)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "long.avi", 300)


def camera(path, **options):
    return V4L2Camera(WallClock(), "front", path, width=WIDTH, height=HEIGHT, **options)


class TestV4L2Camera(CameraContract):
    @pytest.fixture(autouse=True)
    def _video(self, video):
        self.video = video

    def make(self):
        clock = WallClock()
        return V4L2Camera(clock, "front", self.video, width=WIDTH, height=HEIGHT), clock


def test_v4l2_pictures_are_rgb(video):
    driver = camera(video)
    driver.connect()
    image = driver.read(1.0).image.astype(int)
    driver.close()
    upper, lower = image[4:20].mean(axis=(0, 1)), image[28:44].mean(axis=(0, 1))
    assert upper[0] > 150 > 80 > upper[2]
    assert lower[2] > 150 > 80 > lower[0]


def test_v4l2_video_at_its_end_grows_stale_with_its_cause(tmp_path):
    driver = camera(write_video(tmp_path / "short.avi", 4), reconnect_s=60.0)
    driver.connect()
    until(lambda: driver.num_failures > 0)
    with pytest.raises(
        StaleFrame, match=r"'front': newest frame is .* s old, limit 0.00 s \(cause: OSError: the video is at its end"
    ):
        driver.read(0.0)
    driver.close()


def test_v4l2_source_that_fails_is_opened_again(tmp_path):
    driver = camera(write_video(tmp_path / "short.avi", 4), reconnect_s=0.01)
    driver.connect()
    until(lambda: driver.num_frames > 6)
    assert driver.num_failures >= 1
    driver.close()


def test_v4l2_device_that_is_not_there_is_named():
    with pytest.raises(DeviceError, match="'front': there is no /dev/video77; plugged in: "):
        camera("/dev/video77").connect()


def test_v4l2_device_that_is_no_camera_is_named():
    with pytest.raises(DeviceError, match="'front': /dev/null cannot be opened"):
        camera("/dev/null").connect()


def test_v4l2_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(DeviceError, match=r"text\.avi cannot be opened"):
        camera(str(tmp_path / "text.avi")).connect()


def test_v4l2_size_that_is_not_delivered_is_told(video):
    with pytest.raises(DeviceError, match="asked for 640x480 it delivers 64x48"):
        V4L2Camera(WallClock(), "front", video).connect()


def test_v4l2_exposure_that_is_not_taken_is_told(video):
    with pytest.raises(DeviceError, match=r"'front': it does not take exposure_s = 0.01"):
        camera(video, exposure_s=0.01).connect()


@pytest.mark.parametrize(("options", "message"), [({"fourcc": "JPEG2"}, "4 letters"), ({"exposure_s": 0.0}, "positive")])
def test_v4l2_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        camera("/dev/video0", **options)
