"""Cameras render when they are read and not otherwise, and say what is missing where they cannot."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest

from robot_rl.envs.factory import make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError, DeviceError
from sim.camera import Renderer, SimCamera, choose_gl
from sim.scene import RENDER_SIZE


class CountingRenderer(Renderer):
    renders = 0

    def render(self, camera, height, width, supersample=1):
        self.renders += 1
        return np.zeros((height, width, 3), np.uint8)


def test_an_instant_is_rendered_once_and_only_when_read(station):
    renderer = CountingRenderer(station.physics)
    camera = SimCamera(renderer, station.physics, "front", 16)
    camera.connect()
    station.wait(1.0)
    assert renderer.renders == 1
    stamps = {camera.read(0.0).stamp for _ in range(3)}
    assert renderer.renders == 2
    assert stamps == {station.physics.time}


def test_image_shows_the_present_and_repeats_exactly(station):
    renderer = Renderer(station.physics)
    station.place(0.3)
    high = renderer.render("front", 64, 64)
    station.place(0.1)
    low = renderer.render("front", 64, 64)
    station.place(0.3)
    np.testing.assert_array_equal(renderer.render("front", 64, 64), high)
    assert np.abs(high.astype(int) - low).mean() > 1
    renderer.close()


def test_images_are_upright(station):
    """The brightest third of the front view is the sky side, above the dark mat's rows."""
    station.place(0.3)
    renderer = Renderer(station.physics)
    image = renderer.render("front", 64, 64).astype(int)
    renderer.close()
    blue_minus_red = (image[..., 2] - image[..., 0]).mean(axis=1)
    assert blue_minus_red[:5].mean() > 5


def test_a_scene_has_one_context_for_all_cameras_and_sizes(monkeypatch, station):
    backend = importlib.import_module(f"mujoco.{choose_gl()}")
    opened = []

    class Counted(backend.GLContext):
        def __init__(self, width, height):
            opened.append(1)
            super().__init__(width, height)

    monkeypatch.setattr(backend, "GLContext", Counted)
    renderer = Renderer(station.physics)
    for camera in ("front", "wrist"):
        for size in (32, 64):
            assert renderer.render(camera, size, size).shape == (size, size, 3)
    assert renderer.render("front", 48, 64, supersample=2).shape == (48, 64, 3)
    renderer.close()
    assert len(opened) == 1


@pytest.mark.parametrize(("backend", "package"), [("egl", "libegl1"), ("osmesa", "libosmesa6")])
def test_missing_driver_names_its_package_and_state_goes_on(monkeypatch, backend, package):
    real_import = importlib.import_module

    def fail(name):
        if name == f"mujoco.{backend}":
            raise ImportError(f"no {name}")
        return real_import(name)

    monkeypatch.setenv("MUJOCO_GL", backend)
    monkeypatch.setattr("sim.camera.importlib.import_module", fail)
    env = make_env("reach", EnvOptions(cameras=("front",), image_size=16))
    with pytest.raises(DeviceError, match=f"MUJOCO_GL={backend}.*{package}"):
        env.reset(seed=0)
    env.close()
    env = make_env("reach")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()


def test_egl_without_a_display(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert choose_gl() == "egl"


def test_too_large_an_image_names_the_limit(station):
    with pytest.raises(ConfigError, match=str(RENDER_SIZE)):
        Renderer(station.physics).render("front", RENDER_SIZE + 1, 16)


WITHOUT_LIBRARIES = """
import ctypes, ctypes.util, sys
real = ctypes.CDLL.__init__
def load(self, name, *args, **kwargs):
    if any(word in str(name) for word in ("EGL", "OSMesa")):
        raise OSError(name)
    return real(self, name, *args, **kwargs)
ctypes.CDLL.__init__ = load
ctypes.util.find_library = lambda name: None
from robot_rl.envs.factory import make_env
from robot_rl.envs.options import EnvOptions
make_env("reach").reset(seed=0)
try:
    make_env("reach", EnvOptions(cameras=("front",))).reset(seed=0)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(("backend", "package"), [("egl", "libegl1"), ("osmesa", "libosmesa6"), ("", "libegl1")])
def test_state_works_on_a_machine_without_opengl(backend, package):
    environment = {key: value for key, value in os.environ.items() if key not in ("MUJOCO_GL", "DISPLAY")}
    if backend:
        environment["MUJOCO_GL"] = backend
    run = subprocess.run([sys.executable, "-c", WITHOUT_LIBRARIES], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("DeviceError")
    assert package in run.stdout
