"""Looking up a robot's parts by name and kind, with errors that list what there is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from robot_rl.errors import ConfigError, DeviceError
from robot_rl.specs import PartSpec, RobotSpec
from robot_rl.types import PartState, RobotState

Spec = TypeVar("Spec", bound=PartSpec)
State = TypeVar("State", bound=PartState)


def part_spec(robot: RobotSpec, name: str, kind: type[Spec]) -> Spec:
    """Return the spec of the robot's part `name`.

    Raises:
        ConfigError: If the robot has no such part, or it is of another kind.
    """
    part = robot.parts.get(name)
    if not isinstance(part, kind):
        known = ", ".join(f"{other} ({type(spec).__name__})" for other, spec in sorted(robot.parts.items()))
        raise ConfigError(f"robot {robot.name!r} has no {kind.__name__} part {name!r}; it has: {known}")
    return part


def check_parts(robot: RobotSpec, names: Iterable[str]) -> None:
    """Raise ValueError if the robot lacks one of the parts named, as in a command."""
    unknown = set(names) - set(robot.parts)
    if unknown:
        raise ValueError(f"{robot.name} has no part {unknown.pop()!r}; it has: {', '.join(robot.parts)}")


def part_state(state: RobotState, name: str, kind: type[State]) -> State:
    """Return what the part `name` measured.

    Raises:
        DeviceError: If the robot did not report the part, or reported another kind.
    """
    part = state.get(name)
    if not isinstance(part, kind):
        raise DeviceError(f"robot reported no {kind.__name__} for part {name!r}; it reported: {', '.join(sorted(state))}")
    return part
