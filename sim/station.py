"""The simulated arm and its cameras as drivers of a station file: an empty table, no task."""

from __future__ import annotations

import numpy as np

from sim.camera import Renderer, SimCamera
from sim.kinematics import HOME
from sim.physics import Physics
from sim.robot import SimRobot
from sim.scene import SceneConfig, build_scene
from sim.timing import SimClock


def make_robot() -> SimRobot:
    """Return the arm at home on its own table, fingers half open, with its own physics."""
    config = SceneConfig()
    robot = SimRobot(Physics(build_scene(config).compile()), config)
    robot.place(np.array(HOME), opening=0.5)
    return robot


def make_camera(clock: SimClock, name: str, size: int = 128) -> SimCamera:
    """Return a camera of the scene whose time `clock` keeps.

    Args:
        clock: A simulated robot's.
        name: `front` or `wrist`.
        size: Pixels, side of the square image.
    """
    physics = clock._physics
    return SimCamera(Renderer(physics), physics, name, size)
