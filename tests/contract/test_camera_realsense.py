"""RealSense cameras: the driver and the SDK are the real ones, the camera behind them is a software device or a recording."""

from __future__ import annotations

import numpy as np
import pytest
from contract.camera_contract import CameraContract
from toy_camera import until
from toy_realsense import HEIGHT, RATE_HZ, WIDTH, SoftwareCamera, rs

from hardware.camera_realsense import RealSenseCamera
from hardware.clock import WallClock
from robot_rl.errors import ConfigError, DeviceError, StaleFrame

SIZE = {"width": WIDTH, "height": HEIGHT, "rate_hz": RATE_HZ}


class Plugged:
    """One software camera in a context of its own."""

    def __init__(self):
        self.context, self.kept, self.clock = rs.context(), [], WallClock()
        self.camera = SoftwareCamera()
        self.camera.plug_into(self.context, self.kept)

    def driver(self, **options):
        return RealSenseCamera(self.clock, "wrist", context=self.context, **(SIZE | options))


@pytest.fixture
def plugged():
    plugged = Plugged()
    yield plugged
    plugged.camera.end()


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Return a file of 120 frames, recorded by the SDK from a software device."""
    path = str(tmp_path_factory.mktemp("realsense") / "recording.db3")
    camera = SoftwareCamera()
    recorder = rs.recorder(path, camera.device)
    sensors = recorder.query_sensors()
    for sensor in sensors:
        sensor.open(sensor.get_stream_profiles())
        sensor.start(lambda frame: None)
    for number in range(120):
        camera.frame(number)
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    del recorder, sensors, sensor
    return path


class TestRealSenseSoftwareDevice(CameraContract):
    @pytest.fixture(autouse=True)
    def _plugged(self, plugged):
        self.plugged = plugged

    def make(self):
        return self.plugged.driver(), self.plugged.clock


class TestRealSenseRecording(CameraContract):
    @pytest.fixture(autouse=True)
    def _recording(self, recording):
        self.recording = recording

    def make(self):
        clock = WallClock()
        return RealSenseCamera(clock, "wrist", recording=self.recording, **SIZE), clock


def test_realsense_colour_and_depth_are_what_was_sent(plugged):
    driver = plugged.driver(depth=True)
    driver.connect()
    image, depth = driver.read(1.0).image, driver.read_depth(1.0)
    driver.close()
    assert image[5, 0].tolist()[1:] == [20, 5]
    half = WIDTH // 2
    np.testing.assert_allclose(depth[10, 2 : half - 2], 1 + 0.001 * np.arange(2, half - 2), atol=0.0011)
    assert np.all(depth[:, half + 2 :] == 0)


def test_realsense_without_depth_says_which_option_gives_it(plugged):
    driver = plugged.driver()
    driver.connect()
    with pytest.raises(DeviceError, match=r"'wrist' delivers no depth; .*depth = true"):
        driver.read_depth(1.0)
    driver.close()


def test_realsense_stamps_keep_the_cameras_spacing_on_the_robots_clock(plugged):
    """Frames are sent at jittering times; their stamps are the camera's, a thirtieth apart to the microsecond."""
    driver = plugged.driver()
    driver.connect()
    for _ in range(20):
        count = driver.num_frames
        until(lambda count=count: driver.num_frames > count)
    taken = []
    while len(taken) < 8:
        count = driver.num_frames
        until(lambda count=count: driver.num_frames > count)
        taken.append(driver.read(1.0).stamp)
    driver.close()
    periods = np.diff(taken) * RATE_HZ
    assert np.all(np.abs(taken - np.full(8, plugged.clock.now())) < 2.0)
    assert np.median(np.abs(periods - np.round(periods))) < 0.01


@pytest.mark.parametrize(("exposure_s", "steps"), [(0.005, 50), (0.0333, 333)])
def test_realsense_exposure_reaches_the_sensor_in_its_unit(plugged, exposure_s, steps):
    driver = plugged.driver(exposure_s=exposure_s)
    driver.connect()
    driver.close()
    assert plugged.camera.color.get_option(rs.option.exposure) == steps


def test_realsense_exposure_out_of_range_is_refused_with_the_range(plugged):
    with pytest.raises(DeviceError, match=r"'wrist': exposure_s 2 is not in 0.0001..1"):
        plugged.driver(exposure_s=2.0).connect()


def test_realsense_that_falls_silent_grows_stale_and_comes_back(plugged):
    driver = plugged.driver(reconnect_s=0.05)
    driver.connect()
    plugged.camera.pause()
    until(lambda: driver.num_failures > 0)
    with pytest.raises(StaleFrame, match=r"camera 'wrist': newest frame is .* s old, limit 0.20 s \(cause: .*no frame for 1 s"):
        driver.read(0.2)
    count = driver.num_frames
    plugged.camera.resume()
    until(lambda: driver.num_frames > count)
    assert driver.read(1.0).image.shape == (HEIGHT, WIDTH, 3)
    driver.close()


def test_realsense_with_another_serial_lists_what_is_plugged_in(plugged):
    with pytest.raises(DeviceError, match=r"no RealSense has serial '999'; plugged in: 12345 \(Software D435\)"):
        plugged.driver(serial="999").connect()


def test_realsense_mode_that_the_camera_lacks_is_named(plugged):
    with pytest.raises(DeviceError, match="'wrist': cannot start 320x240 at 30 Hz"):
        plugged.driver(width=320, height=240).connect()


def test_no_realsense_at_all_is_said_at_once():
    with pytest.raises(DeviceError, match="exactly one RealSense is plugged in; plugged in: none"):
        RealSenseCamera(WallClock(), "wrist", context=rs.context('{"device-mask": 256}')).connect()


def test_realsense_recording_that_is_not_there():
    with pytest.raises(DeviceError, match=r"there is no recording /no\.bag"):
        RealSenseCamera(WallClock(), "wrist", recording="/no.bag").connect()


def test_realsense_options_that_exclude_each_other():
    with pytest.raises(ConfigError, match="exclude each other"):
        RealSenseCamera(WallClock(), "wrist", serial="1", recording="a.db3")
