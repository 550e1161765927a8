"""A station: which robot, cameras and input device stand where, and the limits of the place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from robot_rl.envs.images import Crop
from robot_rl.envs.robot_env import RobotEnvConfig
from robot_rl.envs.takeover import TakeOverConfig
from robot_rl.errors import ConfigError
from robot_rl.protocols import Camera, Clock, InputDevice, ResetRoutine, RewardModel, Robot, Tracker
from robot_rl.registry import resolve
from robot_rl.specs import ArmSpec, RobotSpec

ROBOTS = {
    "dual_arm": "hardware.dual_arm:make_dual_arm",
    "dynamixel": "hardware.dynamixel:make_dynamixel",
    "fake": "hardware.fake_station:make_robot",
    "franka": "hardware.franka:FrankaRobot",
    "robotiq": "hardware.gripper_robotiq:RobotiqGripper",
    "serl_server": "hardware.serl_server:SerlRobot",
    "sim": "sim.station:make_robot",
    "so101": "hardware.so101:make_so101",
    "ur": "hardware.ur:UrRobot",
}
"""Called with the options; returns a Robot."""
CAMERAS = {
    "fake": "hardware.fake:FakeCamera",
    "realsense": "hardware.camera_realsense:RealSenseCamera",
    "sim": "sim.station:make_camera",
    "v4l2": "hardware.camera_v4l2:V4L2Camera",
}
"""Called with `clock` (the robot's), `name` and the options; returns a Camera."""
TELEOPS = {"scripted": "hardware.teleop_scripted:ScriptedDevice"}
"""Called with the options; returns an InputDevice. Any other name is one that `--teleop` takes (`hardware.teleop`)."""
TRACKERS = {"fake": "hardware.fake_station:make_tracker", "sim": "sim.station:make_tracker"}
"""Called with the options, and with `robot` and `name` where it takes them; returns a Tracker."""
REWARDS = {
    "person": "robot_rl.envs.rewards:judged_by_person",
    "pose": "robot_rl.envs.rewards:pose_reward",
    "sim": "sim.station:make_reward",
}
"""Called with the options, and with `robot` where it takes it; returns a RewardModel."""
RESETS = {
    "driven": "robot_rl.envs.resets:driven_reset",
    "hold": "robot_rl.envs.resets:HoldingReset",
    "sim": "sim.station:make_reset",
}
"""Called with the options, and with `robot` where it takes it; returns a ResetRoutine."""
WATCHDOG = "hardware.watchdog:Watchdog"
OPEN_DEVICE = "hardware.teleop:open_device"
LIMITS = ("max_tcp_speed", "max_tcp_angular_speed", "max_tilt", "max_speed", "max_qvel", "max_steering")
"""Fields of part specs that a station may lower: m/s, rad/s, rad."""


@dataclass(frozen=True, slots=True)
class Device:
    """A driver and what to build it with."""

    driver: str
    """A name of its table, or `package.module:Class`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the driver."""


@dataclass(frozen=True, slots=True)
class CameraDevice(Device):
    """A camera and the part of its picture that matters."""

    crop: Crop | None = None
    """top, left, height, width in pixels, cut out before resizing; None: the whole picture."""


@dataclass(frozen=True, slots=True)
class TeleopDevice(Device):
    """The input device that lies beside the robot, and how it takes over."""

    takeover: TakeOverConfig = field(default_factory=lambda: TakeOverConfig(mode="hold"))


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """What is done at the station: what actions and observations mean, what is a success, where an episode begins."""

    name: str
    env: RobotEnvConfig = field(default_factory=RobotEnvConfig)
    reward: Device = field(default_factory=lambda: Device("person"))
    reset: Device = field(default_factory=lambda: Device("hold"))


@dataclass(frozen=True, slots=True)
class Workspace:
    """The box in which an arm's tcp stays at this place."""

    low_m: tuple[float, float, float]
    """[3], m, base frame."""
    high_m: tuple[float, float, float]
    """[3], m, base frame."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """When and how the station was last measured."""

    date: date
    note: str = ""
    valid_days: int = 90
    """days after which to measure again; 0: never"""


@dataclass(frozen=True, slots=True)
class Station:
    """What a station file says. Reading it touches no device, and neither does building."""

    name: str
    source: Path
    """The file it was read from."""
    robot: Device
    cameras: Mapping[str, CameraDevice] = field(default_factory=dict)
    trackers: Mapping[str, Device] = field(default_factory=dict)
    teleop: TeleopDevice | None = None
    workspace: Mapping[str, Workspace] = field(default_factory=dict)
    """By arm part; each lies inside what its driver allows."""
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By part and by field of its spec: a lower limit than its driver's."""
    watchdog_s: float = 0.5
    """s without a command after which the robot is held; 0: never"""
    task: TaskSetup | None = None
    calibration: Calibration | None = None

    def build_robot(self) -> Robot:
        """Return the robot, not connected, its workspace and its limits narrowed to the station's."""
        robot: Robot = self._build(self.robot, ROBOTS, "robot")
        robot.spec = self._limited(self._narrowed(robot.spec))
        return robot

    def guarded(self, robot: Robot) -> Robot:
        """Return `robot` with the station's watchdog around it."""
        return resolve(WATCHDOG, {}, "watchdog")(robot, self.watchdog_s) if self.watchdog_s else robot

    def build_cameras(self, clock: Clock) -> dict[str, Camera]:
        """Return the cameras by name, not connected; they stamp frames on `clock`, the robot's."""
        return {
            name: self._build(camera, CAMERAS, f"cameras.{name}", clock=clock, name=name)
            for name, camera in self.cameras.items()
        }

    def build_trackers(self, robot: Robot) -> dict[str, Tracker]:
        """Return what tells where objects are, by name."""
        return {
            name: self._build(tracker, TRACKERS, f"trackers.{name}", robot=robot, name=name)
            for name, tracker in self.trackers.items()
        }

    def build_task(self, robot: Robot) -> tuple[TaskSetup, RewardModel, ResetRoutine]:
        """Return what is done here, its reward and its reset.

        Raises:
            ConfigError: If the file has no [task].
        """
        task = self.task
        if task is None:
            raise ConfigError(f"{self.source} has no [task]: what actions and observations mean; stations/sim.toml shows one")
        reward = self._build(task.reward, REWARDS, "task.reward", robot=robot)
        return task, reward, self._build(task.reset, RESETS, "task.reset", robot=robot)

    def build_teleop(self) -> InputDevice | None:
        """Return the input device, not connected, or None if the station has none."""
        teleop = self.teleop
        if teleop is None:
            return None
        if teleop.driver in TELEOPS or teleop.options:
            return self._build(teleop, TELEOPS, "teleop")
        try:
            return resolve(OPEN_DEVICE, {}, "input device")(teleop.driver)
        except ConfigError as error:
            raise ConfigError(f"{self.source}: [teleop] driver: {error}; or {', '.join(TELEOPS)}") from error

    @property
    def crops(self) -> dict[str, Crop]:
        """Crops of the cameras that have one, by name."""
        return {name: camera.crop for name, camera in self.cameras.items() if camera.crop is not None}

    def _build(self, device: Device, table: Mapping[str, str], section: str, **given: Any) -> Any:
        try:
            driver = resolve(device.driver, table, f"{section.partition('.')[0]} driver")
        except ConfigError as error:
            raise ConfigError(f"{self.source}: [{section}] driver: {error}") from error
        signature = inspect.signature(driver)
        takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values())
        arguments = {
            **device.options,
            **{name: value for name, value in given.items() if takes_any or name in signature.parameters},
        }
        try:
            signature.bind(**arguments)
        except TypeError as error:
            takes = ", ".join(name for name in signature.parameters if name not in given) or "none"
            raise ConfigError(
                f"{self.source}: [{section}.options] do not fit driver {device.driver!r}: {error}; its options: {takes}"
            ) from error
        return driver(**arguments)

    def _limited(self, spec: RobotSpec) -> RobotSpec:
        parts = dict(spec.parts)
        for name, limits in self.limits.items():
            part, where = parts.get(name), f"{self.source}: [limits.{name}]"
            if part is None:
                raise ConfigError(f"{where}: robot {spec.name!r} has no part {name!r}; it has: {', '.join(parts)}")
            for key, value in limits.items():
                known = [each for each in LIMITS if hasattr(part, each)]
                if key not in known:
                    raise ConfigError(f"{where} has unknown key {key!r}; a {type(part).__name__} has: {', '.join(known)}")
                allowed = getattr(part, key)
                if not 0 < value <= allowed:
                    raise ConfigError(f"{where}: {key} {value:g} is not above 0 and at most the driver's {allowed:g}")
            parts[name] = replace(part, **limits)
        return replace(spec, parts=parts)

    def _narrowed(self, spec: RobotSpec) -> RobotSpec:
        parts = dict(spec.parts)
        for name, box in self.workspace.items():
            arm, where = parts.get(name), f"{self.source}: [workspace.{name}]"
            if not isinstance(arm, ArmSpec):
                arms = ", ".join(part for part, value in parts.items() if isinstance(value, ArmSpec)) or "none"
                raise ConfigError(f"{where}: robot {spec.name!r} has no arm called {name!r}; its arms: {arms}")
            low, high = arm.workspace_low, arm.workspace_high
            outside = any(a < b for a, b in zip(box.low_m, low, strict=True)) or any(
                a > b for a, b in zip(box.high_m, high, strict=True)
            )
            if outside:
                raise ConfigError(f"{where}: {box.low_m} to {box.high_m} m is not inside the driver's {low} to {high} m")
            parts[name] = replace(arm, workspace_low=box.low_m, workspace_high=box.high_m)
        return replace(spec, parts=parts)
