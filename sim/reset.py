"""The exact reset that only a simulation has: everything is put in place at once, and from the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from robot_rl.errors import ConfigError, ResetFailed
from robot_rl.protocols import Robot
from sim.kinematics import inverse
from sim.physics import Physics
from sim.robot import SimRobot
from sim.task import Task


@runtime_checkable
class Seeded(Protocol):
    """Something that draws anew for each episode."""

    def reset(self, rng: np.random.Generator) -> None:
        """Start an episode."""
        ...


class ExactReset:
    """Rebuilds the episode's start from `rng` and nothing else: the same seed gives the same episode, whatever came before."""

    def __init__(self, task: Task, physics: Physics, robot: SimRobot, seeded: Sequence[Seeded] = ()):
        self._task = task
        self._physics = physics
        self._robot = robot
        self._seeded = tuple(seeded)

    def __call__(self, robot: Robot, rng: np.random.Generator) -> None:
        """Reset the scene that `robot` is in.

        Raises:
            ResetFailed: If the arm cannot reach the start.
        """
        self._physics.reset()
        for seeded in self._seeded:
            seeded.reset(rng)
        start = self._task.arrange(self._physics, rng)
        try:
            qpos = inverse(start)
        except ConfigError as error:
            raise ResetFailed(f"task {self._task.name!r}: {error}") from error
        self._robot.place(qpos, self._task.opening)
        self._physics.forward()
