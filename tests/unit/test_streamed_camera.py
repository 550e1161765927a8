"""What every camera with a thread keeps, whatever its driver does."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from toy_camera import ToySource, until

from hardware import streamed_camera
from hardware.clock import ManualClock
from hardware.device_time import DeviceTime
from hardware.streamed_camera import Shot, StreamedCamera
from robot_rl.errors import ConfigError, DeviceError, StaleFrame
from robot_rl.specs import CameraSpec

SPEC = CameraSpec("wrist", 4, 6)


def shot(number, stamp):
    return Shot(np.full((4, 6, 3), number, np.uint8), stamp)


@pytest.fixture
def source():
    return ToySource()


@pytest.fixture
def clock():
    return ManualClock(10.0)


@pytest.fixture
def camera(source, clock):
    camera = StreamedCamera(SPEC, clock, source.open, reconnect_s=0.001)
    source.items.put(shot(0, 10.0))
    camera.connect()
    yield camera
    camera._ended.set()
    source.items.put(None)
    camera.close()


def test_only_the_newest_frame_is_kept(camera, source):
    for number in range(1, 6):
        source.items.put(shot(number, 10.0 + number / 1000))
    until(lambda: camera.num_frames == 6)
    frame = camera.read(1.0)
    assert frame.stamp == 10.005
    assert np.all(frame.image == 5)


def test_read_never_waits_for_a_driver_that_hangs(camera):
    begin = time.perf_counter()
    for _ in range(100):
        camera.read(1.0)
    assert time.perf_counter() - begin < 0.5


def test_a_frame_that_is_too_old_names_camera_and_age(camera, clock):
    clock.advance(0.43)
    with pytest.raises(StaleFrame, match=r"^camera 'wrist': newest frame is 0.43 s old, limit 0.20 s$"):
        camera.read(0.2)
    assert camera.read(0.5).stamp == 10.0


def test_a_lost_device_is_the_cause_until_it_is_back(camera, source, clock):
    source.failures = [DeviceError("still gone")] * 3
    source.items.put(OSError("USB device gone"))
    until(lambda: camera.num_failures == 4)
    clock.advance(0.3)
    with pytest.raises(StaleFrame, match=r"\(cause: still gone\)"):
        camera.read(0.2)
    source.items.put(shot(7, clock.now()))
    until(lambda: camera.num_frames == 2)
    assert np.all(camera.read(0.2).image == 7)
    assert (source.num_opened, source.num_closed) == (2, 1)


def test_a_picture_of_another_size_never_reaches_the_reader(camera, source, clock):
    source.items.put(Shot(np.zeros((8, 6, 3), np.uint8), 10.1))
    until(lambda: camera.num_failures == 1)
    clock.advance(1.0)
    with pytest.raises(StaleFrame, match=r"delivers uint8 \(8, 6, 3\), and uint8 \(4, 6, 3\) was asked for"):
        camera.read(0.2)


def test_closing_gives_the_device_back(source, clock):
    camera = StreamedCamera(SPEC, clock, source.open)
    source.items.put(shot(0, 10.0))
    camera.connect()
    source.items.put(shot(1, 10.1))
    threading.Timer(0.05, lambda: source.items.put(None)).start()
    camera.close()
    assert source.num_closed == source.num_opened == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "camera-wrist"]


def test_a_driver_that_never_returns_does_not_keep_close_waiting_and_stores_nothing_more(source, clock, monkeypatch):
    monkeypatch.setattr(streamed_camera, "CLOSE_S", 0.01)
    camera = StreamedCamera(SPEC, clock, source.open)
    source.items.put(shot(0, 10.0))
    camera.connect()
    camera.close()
    count = camera.num_frames
    source.items.put(shot(9, 11.0))
    until(lambda: source.num_closed == 1)
    assert camera.num_frames == count


def test_a_device_that_cannot_be_opened_is_told_by_connect(source, clock):
    source.failures = [DeviceError("camera 'wrist': no such serial")]
    camera = StreamedCamera(SPEC, clock, source.open)
    with pytest.raises(DeviceError, match="no such serial"):
        camera.connect()
    with pytest.raises(DeviceError, match=r"connect\(\)"):
        camera.read(1.0)


def test_a_device_without_frames_is_told_by_connect(source, clock, monkeypatch):
    monkeypatch.setattr(streamed_camera, "FIRST_FRAME_S", 0.05)
    source.items.put(OSError("bandwidth"))
    camera = StreamedCamera(SPEC, clock, source.open, reconnect_s=60.0)
    with pytest.raises(DeviceError, match=r"'wrist': no frame within 0.05 s of opening it \(cause: OSError: bandwidth\)"):
        camera.connect()


def test_device_time_keeps_the_devices_spacing_whatever_the_delays():
    rng = np.random.default_rng(0)
    device = DeviceTime()
    mapped = [device.arrived(500 + 0.1 * k, 3 + 0.1 * k + delay) for k, delay in enumerate([0.0, *rng.exponential(0.02, 200)])]
    np.testing.assert_allclose(np.diff(mapped), 0.1)
    assert mapped[0] == pytest.approx(3.0)


def test_device_time_is_never_later_than_the_arrival():
    rng = np.random.default_rng(1)
    device = DeviceTime(window=10)
    for k in range(500):
        now = 0.9 * k + rng.exponential(0.3)
        assert device.arrived(float(k), now) <= now + 1e-9


def test_device_time_follows_a_drifting_crystal():
    device = DeviceTime(window=100)
    for k in range(5000):
        now = k * (1 + 1e-4)
        assert now - device.arrived(float(k), now) < 100 * 1e-4 + 1e-9


def test_device_that_starts_anew_is_on_time_at_once():
    device = DeviceTime()
    for k in range(50):
        device.arrived(1000.0 + k, 10.0 + k)
    assert device.arrived(0.0, 61.0) == 61.0


def test_device_time_without_a_window():
    with pytest.raises(ConfigError, match="window 0"):
        DeviceTime(window=0)
