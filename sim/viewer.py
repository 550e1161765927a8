"""MuJoCo's interactive viewer beside a running simulation, in real time."""

from __future__ import annotations

import os
import sys
import time

import mujoco.viewer

from robot_rl.errors import ConfigError
from sim.physics import Physics


class Viewer:
    """Shows a scene while it is stepped, and slows the simulation to real time."""

    def __init__(self, physics: Physics):
        """Open the window.

        Raises:
            ConfigError: If there is no display.
        """
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise ConfigError("the viewer needs a display, and DISPLAY is not set; run on a desktop, or record videos instead")
        self._physics = physics
        self._handle = mujoco.viewer.launch_passive(physics.model, physics.data, show_left_ui=False, show_right_ui=False)
        self._origin = time.monotonic() - physics.time
        physics.before_step.append(self._show)

    def close(self) -> None:
        """Close the window."""
        if self._show in self._physics.before_step:
            self._physics.before_step.remove(self._show)
        self._handle.close()

    def _show(self) -> None:
        if not self._handle.is_running():
            return
        self._handle.sync()
        ahead = self._physics.time - (time.monotonic() - self._origin)
        if ahead > 0:
            time.sleep(ahead)
        else:
            self._origin -= ahead
