"""The simulated arm, its cameras and its tasks as drivers of a station file."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from robot_rl.envs.factory import TASKS
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from robot_rl.protocols import Clock, ResetRoutine, RewardModel, Robot, Tracker
from robot_rl.registry import resolve
from sim.camera import Renderer, SimCamera
from sim.env import SimEnv
from sim.kinematics import HOME
from sim.physics import Physics
from sim.robot import SimRobot
from sim.room import CAMERAS
from sim.scene import SceneConfig, build_scene
from sim.task import TaskReward
from sim.timing import SimClock

_SCENES: WeakKeyDictionary[Robot, SimEnv] = WeakKeyDictionary()
"""Of each simulated arm that stands in a task, the task."""


def make_robot(scene: str = "") -> SimRobot:
    """Return the arm at home, with its own physics.

    Args:
        scene: One of our tasks, whose objects lie on the table; none: the table is empty.
    """
    if not scene:
        config = SceneConfig()
        robot = SimRobot(Physics(build_scene(config).compile()), config)
        robot.place(np.array(HOME), opening=0.5)
        return robot
    modules = {name: f"{module}:make" for name, module in TASKS.items()}
    env: SimEnv = resolve(scene, modules, "simulated task")(EnvOptions())
    robot = env.robot
    if not isinstance(robot, SimRobot):
        raise ConfigError(f"scene {scene!r} delays its robot, which a station cannot")
    robot.place(np.array(HOME), opening=0.5)
    _SCENES[robot] = env
    return robot


def make_camera(clock: Clock, name: str, size: int = 128) -> SimCamera:
    """Return a camera of the scene whose time `clock` keeps.

    Args:
        clock: A simulated robot's.
        name: `front` or `wrist`.
        size: Pixels, side of the square image.

    Raises:
        ConfigError: If the robot is not simulated, or the scene has no such camera.
    """
    if not isinstance(clock, SimClock):
        raise ConfigError(f"camera {name!r}: a simulated camera looks at a simulated robot; give [robot] driver = 'sim'")
    if name not in CAMERAS:
        raise ConfigError(f"the simulated scene has no camera {name!r}; it has: {', '.join(CAMERAS)}")
    physics = clock._physics
    return SimCamera(Renderer(physics), physics, name, size)


def make_tracker(robot: Robot, name: str) -> Tracker:
    """Return the tracker of that name of the scene that `robot` stands in.

    Raises:
        ConfigError: If the scene has no such object.
    """
    trackers = _scene(robot).trackers
    if name not in trackers:
        raise ConfigError(f"the simulated scene has no object {name!r}; it has: {', '.join(trackers)}")
    return trackers[name]


def make_reward(robot: Robot, dense: bool = False) -> RewardModel:
    """Return the reward of the task in whose scene `robot` stands; `dense`: it pays on the way too."""
    scene = _scene(robot)
    return TaskReward(scene.task, scene.physics, dense)


def make_reset(robot: Robot) -> ResetRoutine:
    """Return what puts the scene that `robot` stands in to a start of its task."""
    return _scene(robot).reset_routine


def _scene(robot: Robot) -> SimEnv:
    if robot not in _SCENES:
        raise ConfigError(
            f"robot {robot.spec.name!r} stands in no simulated scene; give [robot.options] scene, one of: {', '.join(TASKS)}"
        )
    return _SCENES[robot]
