"""Scenes for the simulation's tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from robot_rl.geometry import Pose
from robot_rl.types import ArmState, ArmTarget
from sim.kinematics import inverse
from sim.physics import Physics
from sim.robot import SimRobot
from sim.scene import SceneConfig, build_scene
from sim.task import tool_pose


@dataclass
class Station:
    """An arm over an empty table, without an environment around it."""

    physics: Physics
    robot: SimRobot

    def place(self, height: float = 0.2) -> Pose:
        """Put the tool down at `height`, m, over the middle, and return where it is."""
        start = tool_pose((0.5, 0.0, height))
        self.robot.place(inverse(start), opening=0.0)
        self.robot.connect()
        return self.arm.pose

    def aim(self, pose: Pose) -> None:
        self.robot.command({"arm": ArmTarget(pose)})

    def wait(self, duration: float) -> None:
        self.robot.clock.sleep_until(self.robot.clock.now() + duration)

    @property
    def arm(self) -> ArmState:
        arm = self.robot.read()["arm"]
        assert isinstance(arm, ArmState)
        return arm


@pytest.fixture
def station() -> Station:
    config = SceneConfig()
    physics = Physics(build_scene(config).compile())
    return Station(physics, SimRobot(physics, config))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
