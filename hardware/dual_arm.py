"""Two robots as the parts of one: one clock, one command, and if one of them fails both hold."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hardware.clock import WallClock
from robot_rl.envs.parts import check_parts
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.protocols import Clock, Robot
from robot_rl.registry import resolve
from robot_rl.specs import ClearanceSpec, RobotSpec
from robot_rl.station import ROBOTS
from robot_rl.types import Command, RobotState

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class DualArm:
    """Robots side by side. Part `arm` of the robot called `left` is part `left_arm`; its poses stay in its own base frame.

    Whatever goes wrong in one of them, all are stopped before the error is raised.
    """

    def __init__(self, robots: Mapping[str, Robot], clearances: tuple[ClearanceSpec, ...], name: str = "dual_arm") -> None:
        """Build without touching a device.

        Raises:
            ConfigError: If the robots are on different clocks, or two parts would have one name.
        """
        self._robots = dict(robots)
        self._owner = {f"{side}_{part}": (side, part) for side, robot in self._robots.items() for part in robot.spec.parts}
        if len(self._owner) != sum(len(robot.spec.parts) for robot in self._robots.values()):
            raise ConfigError(f"robots called {', '.join(self._robots)} give two parts one name; call them left and right, say")
        self.clock: Clock = _one_clock(self._robots)
        parts = {name: self._robots[side].spec.parts[part] for name, (side, part) in self._owner.items()}
        self.spec = RobotSpec(name, parts, clearances)

    def connect(self) -> None:
        """Connect all; if one cannot be, those that were are closed again."""
        try:
            for side, robot in self._robots.items():
                self._told(side, robot.connect)
        except BaseException:
            self.close()
            raise

    def read(self) -> RobotState:
        """Return the newest state of every part."""
        states = {side: self._told(side, robot.read) for side, robot in self._robots.items()}
        return {name: states[side][part] for name, (side, part) in self._owner.items()}

    def command(self, command: Command) -> Command:
        """Send each robot its targets and return what was really sent. Nothing is sent if a part is unknown."""
        try:
            check_parts(self.spec, command)
        except ValueError:
            self.stop()
            raise
        shares: dict[str, Command] = {side: {} for side in self._robots}
        for name, target in command.items():
            side, part = self._owner[name]
            shares[side][part] = target
        sent: Command = {}
        for side, share in shares.items():
            done = self._told(side, lambda side=side, share=share: self._robots[side].command(share))
            sent |= {f"{side}_{part}": target for part, target in done.items()}
        return sent

    def stop(self) -> None:
        """Hold all; one that raises does not keep the others from it."""
        for side, robot in self._robots.items():
            try:
                robot.stop()
            except Exception:
                log.exception("%s: the %s robot could not be stopped", self.spec.name, side)

    def recover(self) -> None:
        """Recover each robot that does not answer, if it can be. Only a person asks for this, having looked at both arms.

        Raises:
            DeviceError: What a robot says that cannot be recovered, with the name of its side.
        """
        for side, robot in self._robots.items():
            try:
                robot.connect()
                robot.read()
            except DeviceError as error:
                recover = getattr(robot, "recover", None)
                if recover is None:
                    raise type(error)(f"{side}: {error}") from error
                self._told(side, recover)

    def close(self) -> None:
        """Stop and release all, and then raise what one of them raised."""
        errors: list[Exception] = []
        for robot in self._robots.values():
            try:
                robot.close()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _told(self, side: str, call: Callable[[], Result]) -> Result:
        """Return what `call` does, or stop all and raise, a device's error with the name of the side."""
        try:
            return call()
        except DeviceError as error:
            self.stop()
            raise type(error)(f"{side}: {error}") from error
        except BaseException:
            self.stop()
            raise


def make_dual_arm(
    left: Mapping[str, Any],
    right: Mapping[str, Any],
    base_position_m: tuple[float, float, float],
    base_rotvec_rad: tuple[float, float, float] = (0.0, 0.0, 0.0),
    margin_m: float = 0.05,
    tool_length_m: float = 0.25,
    tool_radius_m: float = 0.08,
) -> DualArm:
    """Return two robots of a station as one; each has a part `arm`.

    Args:
        left: `driver` and `options` of the left robot, as in a station's `[robot]`.
        right: The same of the right one.
        base_position_m: Where the right one's base stands, in the left one's base frame.
        base_rotvec_rad: How it is turned there.
        margin_m: Between the tools.
        tool_length_m: Of the capsule about a tool, from the tcp back.
        tool_radius_m: Of that capsule.
    """
    clock = WallClock()
    robots = {side: _built(side, device, clock) for side, device in (("left", left), ("right", right))}
    position, rotvec = ((float(x), float(y), float(z)) for x, y, z in (base_position_m, base_rotvec_rad))
    clearance = ClearanceSpec(("left_arm", "right_arm"), position, rotvec, tool_length_m, tool_radius_m, margin_m)
    return DualArm(robots, (clearance,))


def _built(side: str, device: Mapping[str, Any], clock: Clock) -> Robot:
    unknown = set(device) - {"driver", "options"}
    if unknown or not isinstance(device.get("driver"), str):
        raise ConfigError(f"robot {side!r} of a dual_arm takes driver and options, and is {dict(device)}")
    driver = resolve(device["driver"], ROBOTS, f"{side} robot driver")
    options = dict(device.get("options", {}))
    try:
        signature = inspect.signature(driver)
        given = {"clock": clock} if "clock" in signature.parameters else {}
        signature.bind(**options, **given)
    except TypeError as error:
        raise ConfigError(f"options of the {side} robot do not fit driver {device['driver']!r}: {error}") from error
    return driver(**options, **given)


def _one_clock(robots: Mapping[str, Robot]) -> Clock:
    clocks = [robot.clock for robot in robots.values()]
    are_one = all(clock is clocks[0] for clock in clocks) or all(type(clock) is WallClock for clock in clocks)
    if not are_one:
        kinds = ", ".join(f"{side} on a {type(robot.clock).__name__}" for side, robot in robots.items())
        raise ConfigError(f"robots of one station need one clock, and are {kinds}; build them on the same")
    return clocks[0]
