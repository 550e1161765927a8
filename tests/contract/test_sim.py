"""The simulated robots and cameras keep the contracts of every robot and camera."""

from __future__ import annotations

import numpy as np
from contract.camera_contract import CameraContract
from contract.robot_contract import RobotContract

from sim.camera import Renderer, SimCamera
from sim.imperfect import DelayedRobot, Delays, DroppingCamera
from sim.kinematics import HOME
from sim.physics import Physics
from sim.robot import SimRobot
from sim.scene import SceneConfig, build_scene
from sim.timing import SimClock


def sim_robot() -> SimRobot:
    config = SceneConfig()
    robot = SimRobot(Physics(build_scene(config).compile()), config)
    robot.place(np.array(HOME), opening=0.5)
    return robot


class TestSimRobot(RobotContract):
    def make(self):
        return sim_robot()


class TestDelayedRobot(RobotContract):
    def make(self):
        return DelayedRobot(sim_robot(), Delays(observation_s=0.02, action_s=0.03))


class TestSimCamera(CameraContract):
    def make(self):
        physics = Physics(build_scene(SceneConfig()).compile())
        return SimCamera(Renderer(physics), physics, "front", size=32), SimClock(physics)


class TestDroppingCamera(CameraContract):
    def make(self):
        physics = Physics(build_scene(SceneConfig()).compile())
        clock = SimClock(physics)
        camera = SimCamera(Renderer(physics), physics, "wrist", size=32)
        return DroppingCamera(camera, drop=0.0, clock=clock), clock
