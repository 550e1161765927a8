"""What a robot measures, against its limits, as the page shows it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np

from robot_rl.specs import ArmSpec, DriveSpec, JointSpec, PartSpec, RobotSpec
from robot_rl.types import ArmState, DriveState, GripperState, JointState, Observation, PartState, RobotState

MAX_PLAIN = 16
"""numbers shown of an observation without limits"""


class Gauge(TypedDict):
    """One number; without limits where none is known."""

    name: str
    value: float
    low: float | None
    high: float | None
    unit: str


def robot_gauges(state: RobotState, spec: RobotSpec) -> list[Gauge]:
    """Return the numbers of every part that measures something."""
    return [gauge for name, part in state.items() for gauge in _part(name, part, spec.parts.get(name))]


def plain_gauges(obs: Observation) -> list[Gauge]:
    """Return the first numbers of an environment of which no limits are known."""
    named: list[tuple[str, float]] = []
    for key, array in obs.items():
        if not key.startswith("image/") and len(named) < MAX_PLAIN:
            values = np.ravel(array)[: MAX_PLAIN - len(named)].tolist()
            label = key.removeprefix("state/")
            named += [(label if len(values) == 1 else f"{label} {index}", value) for index, value in enumerate(values)]
    return [_gauge(name, value, None, None, "") for name, value in named]


def _part(name: str, state: PartState, spec: PartSpec | None) -> Iterator[Gauge]:
    if isinstance(state, ArmState):
        yield from _arm(name, state, spec if isinstance(spec, ArmSpec) else None)
    elif isinstance(state, GripperState):
        yield _gauge(name, state.opening, 0.0, 1.0, "open")
    elif isinstance(state, JointState):
        limits = (spec.qpos_low, spec.qpos_high) if isinstance(spec, JointSpec) else None
        yield from _joints(name, state.qpos, limits)
    elif isinstance(state, DriveState):
        drive = spec if isinstance(spec, DriveSpec) else None
        speed, steering = (drive.max_speed, drive.max_steering) if drive else (None, None)
        yield _gauge(f"{name} speed", state.speed, *_both(speed), "m/s")
        yield _gauge(f"{name} steering", state.steering, *_both(steering), "rad")


def _arm(name: str, state: ArmState, spec: ArmSpec | None) -> Iterator[Gauge]:
    for index, axis in enumerate("xyz"):
        low, high = (spec.workspace_low[index], spec.workspace_high[index]) if spec else (None, None)
        yield _gauge(f"{name} {axis}", state.pose.position[index], low, high, "m")
    linear, angular = _norm(state.twist[:3]), _norm(state.twist[3:])
    yield _gauge(f"{name} speed", linear, 0.0, spec.max_tcp_speed if spec else None, "m/s")
    yield _gauge(f"{name} turning", angular, 0.0, spec.max_tcp_angular_speed if spec else None, "rad/s")
    force = spec.stiffness[0] * spec.max_spring[0] if spec else None  # N: what the spring can push with, and no more
    yield _gauge(f"{name} force", _norm(state.wrench[:3]), 0.0, force, "N")
    yield from _joints(name, state.qpos, (spec.qpos_low, spec.qpos_high) if spec else None)


def _joints(name: str, qpos: np.ndarray, limits: tuple[Sequence[float], Sequence[float]] | None) -> Iterator[Gauge]:
    for index, value in enumerate(qpos):
        low, high = (limits[0][index], limits[1][index]) if limits else (None, None)
        yield _gauge(f"{name} joint {index + 1}", value, low, high, "rad")


def _gauge(name: str, value: float, low: float | None, high: float | None, unit: str) -> Gauge:
    return Gauge(name=name, value=round(float(value), 4), low=low, high=high, unit=unit)


def _both(limit: float | None) -> tuple[float | None, float | None]:
    return (None, None) if limit is None else (-limit, limit)


def _norm(vector: np.ndarray) -> float:
    return math.sqrt(float(vector @ vector))
