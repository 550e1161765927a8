"""The driver of SERL's robot server keeps the contract, with the simulated arm behind our server on loopback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
from contract.robot_contract import RobotContract

from hardware.fake import FakeRobot
from hardware.serl_http import SerlHttpServer
from hardware.serl_server import SerlRobot
from robot_rl.protocols import Clock, Robot
from sim.kinematics import HOME, QPOS_HIGH, QPOS_LOW
from sim.physics import Physics
from sim.robot import SimRobot
from sim.scene import SceneConfig, build_scene


class TickingClock:
    """The served robot's clock, on which its server's goals are followed as time passes."""

    def __init__(self, server: SerlHttpServer) -> None:
        self._server = server
        self._clock = server.follower.robot.clock

    def now(self) -> float:
        return self._clock.now()

    def sleep_until(self, deadline: float) -> None:
        period = self._server.follower.config.period
        while self.now() < deadline - 1e-9:
            self._server.follower.tick()
            self._clock.sleep_until(min(self.now() + period, deadline))


class SerlContract(RobotContract):
    """The contract over a real socket; `served` says which robot the server has."""

    def served(self) -> Robot:
        raise NotImplementedError

    def make(self):
        server = SerlHttpServer(self.served(), port=0)
        server.start()
        self._servers.append(server)
        clock: Clock = TickingClock(server)
        return SerlRobot(server.url, clock=clock, timeout_s=5.0, qpos_low=QPOS_LOW, qpos_high=QPOS_HIGH)

    @contextlib.contextmanager
    def connected(self) -> Iterator[Robot]:
        with super().connected() as robot:
            yield robot

    def setup_method(self):
        self._servers: list[SerlHttpServer] = []

    def teardown_method(self):
        for server in self._servers:
            server.close()


class TestSerlOfSimRobot(SerlContract):
    def served(self):
        config = SceneConfig()
        robot = SimRobot(Physics(build_scene(config).compile()), config)
        robot.place(np.array(HOME), opening=0.5)
        return robot


class TestSerlOfFakeRobot(SerlContract):
    def served(self):
        return FakeRobot()
