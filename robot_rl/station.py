"""A station: which robot, cameras and input device stand where, and the limits of the place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from robot_rl.envs.images import Crop
from robot_rl.errors import ConfigError
from robot_rl.protocols import Camera, Clock, Robot, Teleop
from robot_rl.registry import resolve
from robot_rl.specs import ArmSpec, RobotSpec

ROBOTS = {"sim": "sim.station:make_robot", "fake": "hardware.fake:FakeRobot"}
"""Called with the options; returns a Robot."""
CAMERAS = {"sim": "sim.station:make_camera", "fake": "hardware.fake:FakeCamera"}
"""Called with `clock` (the robot's), `name` and the options; returns a Camera."""
TELEOPS = {"scripted": "hardware.fake:ScriptedTeleop"}
"""Called with the options; returns a Teleop."""


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


@dataclass(frozen=True, slots=True)
class Station:
    """What a station file says. Reading it touches no device, and neither does building."""

    name: str
    source: Path
    """The file it was read from."""
    robot: Device
    cameras: Mapping[str, CameraDevice] = field(default_factory=dict)
    teleop: Device | None = None
    workspace: Mapping[str, Workspace] = field(default_factory=dict)
    """By arm part; each lies inside what its driver allows."""
    calibration: Calibration | None = None

    def build_robot(self) -> Robot:
        """Return the robot, not connected, its workspace narrowed to the station's."""
        robot: Robot = self._build(self.robot, ROBOTS, "robot")
        robot.spec = self._narrowed(robot.spec)
        return robot

    def build_cameras(self, clock: Clock) -> dict[str, Camera]:
        """Return the cameras by name, not connected; they stamp frames on `clock`, the robot's."""
        return {
            name: self._build(camera, CAMERAS, f"cameras.{name}", clock=clock, name=name)
            for name, camera in self.cameras.items()
        }

    def build_teleop(self) -> Teleop | None:
        """Return the input device, or None if the station has none."""
        return None if self.teleop is None else self._build(self.teleop, TELEOPS, "teleop")

    @property
    def crops(self) -> dict[str, Crop]:
        """Crops of the cameras that have one, by name."""
        return {name: camera.crop for name, camera in self.cameras.items() if camera.crop is not None}

    def _build(self, device: Device, table: Mapping[str, str], section: str, **given: Any) -> Any:
        try:
            driver = resolve(device.driver, table, f"{section.partition('.')[0]} driver")
        except ConfigError as error:
            raise ConfigError(f"{self.source}: [{section}] driver: {error}") from error
        arguments = {**device.options, **given}
        signature = inspect.signature(driver)
        try:
            signature.bind(**arguments)
        except TypeError as error:
            takes = ", ".join(name for name in signature.parameters if name not in given) or "none"
            raise ConfigError(
                f"{self.source}: [{section}.options] do not fit driver {device.driver!r}: {error}; its options: {takes}"
            ) from error
        return driver(**arguments)

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
