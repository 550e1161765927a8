"""Offscreen rendering: one OpenGL context for each scene, and cameras that render only when they are read."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import weakref
from typing import Any

import mujoco
import numpy as np

from robot_rl.errors import ConfigError, DeviceError
from robot_rl.specs import CameraSpec
from robot_rl.types import Frame
from sim.physics import Physics
from sim.scene import RENDER_SIZE

_PACKAGES = {"egl": "libegl1", "osmesa": "libosmesa6", "glfw": "libglfw3"}
_MAX_GEOMS = 500


def choose_gl() -> str:
    """Return the OpenGL backend that MUJOCO_GL names; where it is unset, `egl` without a display and `glfw` with one."""
    default = "egl" if sys.platform == "linux" and not os.environ.get("DISPLAY") else "glfw"
    return os.environ.get("MUJOCO_GL", default).lower()


class Renderer:
    """Renders a scene's cameras at any size up to `RENDER_SIZE`. The context is opened by the first image, in its thread."""

    def __init__(self, physics: Physics):
        self._physics = physics
        self._drawing: _Drawing | None = None

    def render(self, camera: str, height: int, width: int, supersample: int = 1) -> np.ndarray:
        """Return what `camera` sees now, uint8 [height, width, 3], RGB.

        Args:
            camera: Name of a camera of the scene.
            height: pixels.
            width: pixels.
            supersample: Edge length, in rendered pixels, of the square that one returned pixel averages.

        Raises:
            DeviceError: If no OpenGL backend works; the message names the package to install.
        """
        rows, columns = height * supersample, width * supersample
        if max(rows, columns) > RENDER_SIZE:
            raise ConfigError(f"image {rows}x{columns} is larger than the offscreen buffer of {RENDER_SIZE} pixels")
        if self._drawing is None:
            self._drawing = _Drawing(self._physics.model)
        with self._physics.lock:
            self._physics.refresh()
            mujoco.mj_camlight(self._physics.model, self._physics.data)
            image = self._drawing.draw(self._physics.model, self._physics.data, camera, rows, columns)
        if supersample > 1:
            blocks = image.reshape(height, supersample, width, supersample, 3)
            image = blocks.mean(axis=(1, 3)).astype(np.uint8)
        return np.ascontiguousarray(image[::-1])

    def close(self) -> None:
        """Free the OpenGL context; idempotent. The next image opens another."""
        if self._drawing is not None:
            self._drawing.free()
            self._drawing = None


class _Drawing:
    """An OpenGL context with a model's geometry in it. Freed at the latest when the interpreter ends."""

    def __init__(self, model: mujoco.MjModel):
        self._gl, self._context = _open_context(model)
        self._scene = mujoco.MjvScene(model, maxgeom=_MAX_GEOMS)
        self._option = mujoco.MjvOption()
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self.free = weakref.finalize(self, _free_context, self._gl, self._context)
        # Registered after mujoco's own hook, so run before it: a context cannot be freed once its display is gone.
        self.free.atexit = False
        atexit.register(self.free)

    def draw(self, model: mujoco.MjModel, data: mujoco.MjData, camera: str, rows: int, columns: int) -> np.ndarray:
        """Return an image, uint8 [rows, columns, 3], RGB, bottom row first."""
        self._gl.make_current()
        self._view.fixedcamid = model.camera(camera).id
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(model, data, self._option, None, self._view, everything, self._scene)
        rectangle = mujoco.MjrRect(0, 0, columns, rows)
        mujoco.mjr_render(rectangle, self._scene, self._context)
        image = np.empty((rows, columns, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(image, None, rectangle, self._context)
        return image


def _open_context(model: mujoco.MjModel) -> tuple[Any, mujoco.MjrContext]:
    backend = choose_gl()
    try:
        # Not `mujoco.GLContext`: that binds to a backend when mujoco is imported, also by those who never render.
        gl = importlib.import_module(f"mujoco.{backend}").GLContext(RENDER_SIZE, RENDER_SIZE)
        gl.make_current()
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    except Exception as error:  # a missing driver shows as ImportError, AttributeError, RuntimeError, ...
        package = _PACKAGES.get(backend, "libegl1")
        raise DeviceError(
            f"cannot render with MUJOCO_GL={backend} ({type(error).__name__}: {error}); install the Debian package "
            f"{package}, or set MUJOCO_GL=egl (libegl1) or MUJOCO_GL=osmesa (libosmesa6); training from state needs neither"
        ) from error
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
    return gl, context


def _free_context(gl: Any, context: mujoco.MjrContext) -> None:
    gl.make_current()
    context.free()
    gl.free()


class SimCamera:
    """A camera of the scene. Its frame is always of the present instant, and is rendered once for an instant."""

    def __init__(self, renderer: Renderer, physics: Physics, name: str, size: int):
        self.spec = CameraSpec(name, size, size)
        self._renderer = renderer
        self._physics = physics
        self._is_connected = False
        self._image: np.ndarray | None = None
        self._version = -1

    def connect(self) -> None:
        """Render once, so that a missing backend shows here."""
        self._is_connected = True
        self.read(0.0)

    def read(self, max_age: float) -> Frame:
        """Return the image of this instant; it is never stale, whatever `max_age`, s."""
        if not self._is_connected:
            raise DeviceError(f"camera {self.spec.name!r}: not connected; call connect() first")
        if self._image is None or self._version != self._physics.version:
            self._image = self._renderer.render(self.spec.name, self.spec.height, self.spec.width)
            self._version = self._physics.version
        return Frame(self._image.copy(), self._physics.time)

    def close(self) -> None:
        """Free the context that the scene's cameras share; idempotent."""
        self._is_connected = False
        self._renderer.close()
