"""What every `Camera` keeps. Subclass it, call the class `Test...`, and say how one is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from robot_rl.errors import DeviceError
from robot_rl.protocols import Camera, Clock


class CameraContract:
    """Tests that need nothing but `make`."""

    max_age = 1.0

    def make(self) -> tuple[Camera, Clock]:
        """Return a camera that has not been connected, and the clock of its stamps."""
        raise NotImplementedError

    @contextmanager
    def connected(self) -> Iterator[tuple[Camera, Clock]]:
        camera, clock = self.make()
        camera.connect()
        try:
            yield camera, clock
        finally:
            camera.close()

    def test_is_a_camera(self):
        assert isinstance(self.make()[0], Camera)

    def test_spec_is_readable_before_connect(self):
        spec = self.make()[0].spec
        assert spec.height > 0
        assert spec.width > 0

    def test_read_before_connect_names_the_remedy(self):
        with pytest.raises(DeviceError, match=r"connect\(\)"):
            self.make()[0].read(self.max_age)

    def test_read_after_close_names_the_remedy(self):
        with self.connected() as (camera, _):
            pass
        with pytest.raises(DeviceError, match=r"connect\(\)"):
            camera.read(self.max_age)

    def test_images_are_those_of_the_spec(self):
        with self.connected() as (camera, _):
            image = camera.read(self.max_age).image
            assert image.shape == (camera.spec.height, camera.spec.width, 3)
            assert image.dtype == np.uint8

    def test_stamp_is_recent_and_not_in_the_future(self):
        with self.connected() as (camera, clock):
            clock.sleep_until(clock.now() + 0.1)
            stamp = camera.read(self.max_age).stamp
            assert clock.now() - self.max_age <= stamp <= clock.now() + 1e-6

    def test_stamps_advance(self):
        with self.connected() as (camera, clock):
            first = camera.read(self.max_age).stamp
            clock.sleep_until(clock.now() + 0.2)
            assert camera.read(self.max_age).stamp > first

    def test_readings_are_copies(self):
        with self.connected() as (camera, _):
            untouched = camera.read(self.max_age).image.copy()
            camera.read(self.max_age).image[:] = 77
            assert np.abs(camera.read(self.max_age).image.astype(int) - untouched).mean() < 5

    def test_connects_and_closes_twice(self):
        with self.connected() as (camera, _):
            camera.connect()
            camera.close()
            camera.close()
            camera.connect()
            assert camera.read(self.max_age).image.size
