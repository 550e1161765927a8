"""A scene of the simulation behind the wire of a real arm, as drivers of a station file.

The scene runs in a process of its own, in real time. Whoever drives its arm does so with the driver and the protocol of the
real one (stations/rehearse_serl.toml, stations/rehearse_ur.toml); objects, cameras, rewards and starts are asked of the scene.
"""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np

from hardware.bench_process import BenchProcess
from hardware.serl_server import SerlRobot
from hardware.ur import UrRobot
from hardware.ur_bench import free_address
from robot_rl.envs.parts import part_state
from robot_rl.errors import ConfigError, ResetFailed
from robot_rl.geometry import Pose
from robot_rl.protocols import Clock, ResetRoutine, RewardModel, Robot, Tracker
from robot_rl.specs import CameraSpec
from robot_rl.types import ArmState, Frame, Observation
from sim.robot import arm_spec
from sim.scene import SceneConfig

Wire = Literal["serl", "ur"]
SCENE = Path(__file__).with_name("rehearsal_scene.py")
ARRIVED_M, ARRIVAL_S = 0.005, 2.0
"""An arm that was put somewhere is read there, this near, within this time."""

_SCENES: WeakKeyDictionary[Clock, BenchProcess] = WeakKeyDictionary()
"""Of the clock of each robot that stands in a scene."""


def make_robot(scene: str, wire: Wire) -> Robot:
    """Return the driver of an arm that stands in a task's scene, with the spring and the limits of the simulated arm.

    Args:
        scene: One of our tasks.
        wire: Who drives it: `serl`, through our SERL server and its client; `ur`, through the vendor's RTDE client and our
            simulated controller. That arm has no gripper: what its fingers hold, they hold.

    Raises:
        ConfigError: If there is no such wire.
        DeviceError: If the scene does not start; what it said is above.
    """
    if wire not in ("serl", "ur"):
        raise ConfigError(f"unknown wire {wire!r}; known: serl, ur")
    address = free_address()
    process = BenchProcess(f"the scene {scene!r} behind {wire}", [str(SCENE), scene, wire, address])
    robot = _serl(process.greeting) if wire == "serl" else _ur(address)
    _SCENES[robot.clock] = process
    return robot


def make_tracker(robot: Robot, name: str) -> Tracker:
    """Return the tracker of that name of the scene that `robot` stands in."""
    return _SceneTracker(_scene(robot.clock), name)


def make_camera(clock: Clock, name: str, size: int = 128) -> _SceneCamera:
    """Return a camera, `front` or `wrist`, of the scene of the robot with that clock; `size` pixels square."""
    return _SceneCamera(_scene(clock), clock, CameraSpec(name, size, size))


def make_reward(robot: Robot) -> RewardModel:
    """Return what pays 1 at the true success of the task in whose scene `robot` stands."""
    return _SceneReward(_scene(robot.clock))


def make_reset(robot: Robot) -> ResetRoutine:
    """Return what puts scene and arm to a start of the task."""
    return _SceneReset(_scene(robot.clock))


class _SceneTracker:
    def __init__(self, scene: BenchProcess, name: str) -> None:
        self._scene, self._name = scene, name

    def read(self) -> Pose:
        numbers = self._scene.call("track", self._name)
        return Pose(np.array(numbers[:3]), np.array(numbers[3:]))


class _SceneCamera:
    def __init__(self, scene: BenchProcess, clock: Clock, spec: CameraSpec) -> None:
        self._scene, self._clock, self.spec = scene, clock, spec

    def connect(self) -> None:
        self.read(0.0)

    def read(self, max_age: float) -> Frame:
        """Return the image of this instant, stamped when it was asked for; it is never stale."""
        stamp, size = self._clock.now(), self.spec.height
        data = base64.b64decode(self._scene.call("look", self.spec.name, size))
        return Frame(np.frombuffer(data, np.uint8).reshape(size, size, 3).copy(), stamp)

    def close(self) -> None:
        """Nothing is open here."""


class _SceneReward:
    def __init__(self, scene: BenchProcess) -> None:
        self._scene = scene

    def begin_episode(self) -> None:
        """Nothing is remembered from one step to the next."""

    def __call__(self, obs: Observation) -> tuple[float, bool]:
        is_success = self._scene.call("is_success")
        return float(is_success), is_success


class _SceneReset:
    def __init__(self, scene: BenchProcess) -> None:
        self._scene = scene

    def __call__(self, robot: Robot, rng: np.random.Generator) -> None:
        """Hold the arm, arrange the scene, and wait until the driver sees the arm where it was put.

        Raises:
            ResetFailed: If it does not.
        """
        robot.stop()
        start = np.array(self._scene.call("arrange", int(rng.integers(2**31))))
        deadline = robot.clock.now() + ARRIVAL_S
        while True:
            distance = math.dist(part_state(robot.read(), "arm", ArmState).pose.position.tolist(), start.tolist())
            if distance < ARRIVED_M:
                return
            if robot.clock.now() > deadline:
                raise ResetFailed(f"the arm was put to {start.tolist()} m, and its driver reads it {distance:.3f} m from there")
            robot.clock.sleep_until(robot.clock.now() + 0.01)


def _serl(url: str) -> SerlRobot:
    arm = arm_spec(SceneConfig())
    return SerlRobot(
        url,
        max_frozen_s=math.inf,
        qpos_low=arm.qpos_low,
        qpos_high=arm.qpos_high,
        workspace_low_m=arm.workspace_low,
        workspace_high_m=arm.workspace_high,
        max_tcp_speed=arm.max_tcp_speed,
        max_tcp_angular_speed=arm.max_tcp_angular_speed,
        stiffness=arm.stiffness,
        max_spring=arm.max_spring,
    )


def _ur(address: str) -> UrRobot:
    arm = arm_spec(SceneConfig())
    six = replace(arm, num_joints=6, qpos_low=arm.qpos_low[:6], qpos_high=arm.qpos_high[:6])
    return UrRobot(address, spec=six, damping=(0.0, 0.0), zero_sensor=False)  # the simulated arm's dampers are in the scene


def _scene(clock: Clock) -> BenchProcess:
    if clock not in _SCENES:
        raise ConfigError("this robot stands in no rehearsed scene; give [robot] driver = 'rehearsal:make_robot'")
    return _SCENES[clock]
