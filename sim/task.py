"""What a simulated task brings, and how it becomes a `RobotEnv`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.observations import ObservationConfig
from robot_rl.geometry import Pose
from robot_rl.protocols import Tracker
from robot_rl.types import Observation
from sim.imperfect import TYPICAL, Imperfections
from sim.physics import Physics
from sim.randomize import MODERATE, Randomization
from sim.scene import SceneConfig

TOOL_DOWN = Pose(np.zeros(3), np.array([0.0, 1.0, 0.0, 0.0]))
"""A tool that points down, its x axis along the base's x."""


class Task(ABC):
    """Objects, their start, and what counts as success. Hooks are called in the order in which they stand here."""

    name: str
    config: Any
    """the task's own frozen dataclass"""
    max_steps: int = 100
    action: ActionConfig
    observation: ObservationConfig
    proprioception: ObservationConfig = ObservationConfig(arm_quantities=("height",), tool_pose=True)
    """what is observed of the robot where the objects are not, and cameras have to show them: nothing that tells how far the
    arm has come from its start or how it moves now, or else a cloned policy repeats the demonstrations' course unseeing"""
    opening: float = 0.0
    """of the gripper at the start, 0..1"""
    empty_opening: float = 0.0
    """what the gripper measures at least, 0..1, with what is to be grasped in it; 0: there is nothing to grasp"""
    scene: SceneConfig = SceneConfig()
    imperfections: Imperfections = Imperfections()
    """of the task itself; `EnvOptions.randomize` replaces them"""

    @abstractmethod
    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the task's bodies to the scene."""

    @abstractmethod
    def trackers(self, physics: Physics) -> Mapping[str, Tracker]:
        """Return what tells where the objects are."""

    @abstractmethod
    def arrange(self, physics: Physics, rng: np.random.Generator) -> Pose:
        """Place the objects in a freshly reset scene and return the arm's start, T_base_tcp."""

    @abstractmethod
    def is_success(self, physics: Physics) -> bool:
        """Tell from the true state whether the task is done."""

    @abstractmethod
    def progress(self, physics: Physics) -> float:
        """Return the dense reward, in [0, 1) and growing towards success."""


class TaskReward:
    """The task's reward, from the true state of the simulation and not from what was observed of it."""

    def __init__(self, task: Task, physics: Physics, dense: bool):
        self._task = task
        self._physics = physics
        self._dense = dense

    def begin_episode(self) -> None:
        """Nothing is remembered from one step to the next."""

    def __call__(self, obs: Observation) -> tuple[float, bool]:
        """Return (reward, success): 1 at success; elsewhere 0, or the task's progress if dense."""
        success = self._task.is_success(self._physics)
        if success or not self._dense:
            return float(success), success
        return self._task.progress(self._physics), False


def random_pose(rng: np.random.Generator, centre: Pose, spread_m: tuple[float, float, float], spread_rad: float) -> Pose:
    """Return `centre` moved uniformly within +-spread_m, base axes, and turned within +-spread_rad about its z axis."""
    shift = rng.uniform(-1.0, 1.0, 3) * spread_m
    yaw = float(rng.uniform(-spread_rad, spread_rad))
    turned = centre @ Pose.of((0.0, 0.0, 0.0), (0.0, 0.0, yaw))
    return Pose(turned.position + shift, turned.quaternion)


def tool_pose(position: tuple[float, float, float]) -> Pose:
    """Return T_base_tcp of a tool that points down at `position` [3], m, base frame."""
    return Pose(np.array(position), TOOL_DOWN.quaternion)


def up_sign(action: ActionConfig) -> float:
    """Return the sign of actions along z that raise the hand: tools point down."""
    return -1.0 if action.frame == "tcp" else 1.0


def place_body(physics: Physics, name: str, pose: Pose) -> None:
    """Move a body to `pose` in its parent's frame: a free one by its joint, a fixed one by the model."""
    model = physics.model
    body = model.body(name)
    with physics.lock:
        if int(body.jntnum[0]) == 1 and model.jnt_type[body.jntadr[0]] == mujoco.mjtJoint.mjJNT_FREE:
            start = int(model.jnt_qposadr[body.jntadr[0]])
            physics.data.qpos[start : start + 3] = pose.position
            physics.data.qpos[start + 3 : start + 7] = pose.quaternion
        else:
            model.body_pos[body.id] = pose.position
            model.body_quat[body.id] = pose.quaternion
        physics.touch()


def choose_imperfections(task: Task, randomize: bool) -> tuple[Randomization | None, Imperfections]:
    """Return the randomisation and the imperfections of an environment."""
    return (MODERATE, TYPICAL) if randomize else (None, task.imperfections)
