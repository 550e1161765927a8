"""The safety limit: a pure function from what was asked of a robot to the nearest thing it may be told."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot_rl.envs.clearance import keep_clear
from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose, quaternion_conjugate, quaternion_multiply, rotate, rotvec_to_quaternion
from robot_rl.specs import ArmSpec, DriveSpec, GripperSpec, JointSpec, PartSpec, RobotSpec
from robot_rl.types import (
    ArmState,
    ArmTarget,
    Command,
    DriveState,
    DriveTarget,
    GripperState,
    GripperTarget,
    JointState,
    JointTarget,
    PartState,
    PartTarget,
    RobotState,
)

SLACK = 1e-9
"""Relative: rounding in the last digits is not a violation."""
OUTSIDE_M = 0.005
"""m beyond the workspace from which on a tool is led back before anything else: that far a held tool may give way."""


@dataclass(frozen=True, slots=True)
class Limited:
    """What may be sent, and which limits had to change it."""

    command: Command
    clamped: tuple[str, ...]
    """`<part>/<limit>` for each limit that bit, for example `arm/workspace`; empty if the command is as asked."""


def limit(command: Command, state: RobotState, spec: RobotSpec, dt: float) -> Limited:
    """Return the command nearest to `command` that is allowed and reachable from `state` within `dt`.

    Arms: the workspace is convex and so is a tilt cone of up to pi/2, so a tool that starts inside both stays inside;
    one that was pushed outside is led back at the speed limit instead of jumping: beyond `OUTSIDE_M` the shortest way and
    without turning, whatever was asked, for at a joint's end a turn, or a pull along the box, would drive it further
    out. The distance from the measured pose
    never exceeds `max_tcp_speed * dt` and `max_tcp_angular_speed * dt`. Grippers and joints: range, and speed from
    the measured position. Drives: range. Arms that reach each other (`RobotSpec.clearances`): targets nearer to each other
    than the margin are no nearer than the arms are now.

    Args:
        command: Targets of some or all parts.
        state: What the same parts measured last.
        spec: The robot's limits.
        dt: Control period, s.

    Raises:
        ValueError: If a part is unknown, a target is of the wrong kind, or a number is not finite.
        DeviceError: If the measured state is not finite.
    """
    if not dt > 0:
        raise ValueError(f"control period dt is {dt:g} s; give a positive time")
    allowed: Command = {}
    clamped: list[str] = []
    for name, target in command.items():
        if name not in spec.parts or name not in state:
            known = ", ".join(sorted(spec.parts))
            raise ValueError(f"command for unknown part {name!r}; robot {spec.name!r} has: {known}")
        allowed[name], limits = _limit_part(name, target, state[name], spec.parts[name], dt)
        clamped += [f"{name}/{which}" for which in limits]
    for clearance in spec.clearances:
        allowed, cut = keep_clear(allowed, state, clearance, _part_way)
        clamped += [f"{name}/clearance" for name in cut]
    return Limited(allowed, tuple(clamped))


def _limit_part(name: str, target: PartTarget, measured: PartState, spec: PartSpec, dt: float) -> tuple[PartTarget, list[str]]:
    """Return the allowed target of one part and the names of the limits that bit."""
    if isinstance(target, ArmTarget) and isinstance(measured, ArmState) and isinstance(spec, ArmSpec):
        return _limit_arm(name, target.pose, measured.pose, spec, dt)
    if isinstance(target, GripperTarget) and isinstance(measured, GripperState) and isinstance(spec, GripperSpec):
        return _limit_gripper(name, target, measured, spec, dt)
    if isinstance(target, JointTarget) and isinstance(measured, JointState) and isinstance(spec, JointSpec):
        return _limit_joints(name, target, measured, spec, dt)
    if isinstance(target, DriveTarget) and isinstance(measured, DriveState) and isinstance(spec, DriveSpec):
        return _limit_drive(name, target, spec)
    raise ValueError(f"part {name!r} is a {type(spec).__name__} and cannot follow a {type(target).__name__}")


def _limit_arm(name: str, target: Pose, measured: Pose, spec: ArmSpec, dt: float) -> tuple[ArmTarget, list[str]]:
    position, quaternion = target.position.tolist(), target.quaternion.tolist()
    _require_finite(f"{name} target", position + quaternion)
    start, start_quaternion = measured.position.tolist(), measured.quaternion.tolist()
    _require_measured(name, start + start_quaternion)
    if abs(sum(part * part for part in quaternion) - 1) > 1e-3:
        raise ValueError(f"{name} target has quaternion {quaternion}, which is not of unit length")
    limits: list[str] = []

    goal = [
        min(max(value, low), high) for value, low, high in zip(position, spec.workspace_low, spec.workspace_high, strict=True)
    ]
    nearest = [
        min(max(value, low), high) for value, low, high in zip(start, spec.workspace_low, spec.workspace_high, strict=True)
    ]
    is_outside = math.dist(nearest, start) > OUTSIDE_M
    if is_outside:
        goal = nearest
    if goal != position:
        limits.append("workspace")
    reach, distance = spec.max_tcp_speed * dt, math.dist(goal, start)
    if distance > reach * (1 + SLACK):
        goal = [here + (there - here) * reach / distance for here, there in zip(start, goal, strict=True)]
        limits.append("speed")

    if is_outside:
        return ArmTarget(Pose(np.array(goal), measured.quaternion)), limits
    upright = _within_cone(target.quaternion, np.array(spec.tool_axis), spec.max_tilt)
    if upright is not target.quaternion:
        limits.append("tilt")
    turned = _turn_towards(measured.quaternion, upright, spec.max_tcp_angular_speed * dt)
    if turned is not upright:
        limits.append("angular_speed")
    return ArmTarget(Pose(np.array(goal), turned)), limits


def _within_cone(q: np.ndarray, axis: np.ndarray, max_tilt: float) -> np.ndarray:
    """Return `q` itself if its z axis is within `max_tilt` of `axis`, or else the nearest rotation that is."""
    z = _tool_axis(q)
    tilt = _angle_between(z, axis)
    if tilt <= max_tilt * (1 + SLACK):
        return q
    return quaternion_multiply(_about(_normal(z, axis), tilt - max_tilt), q)


def _turn_towards(start: np.ndarray, goal: np.ndarray, reach: float) -> np.ndarray:
    """Return `goal` itself if it is within `reach` rad of `start`, or else a rotation on the way that is.

    The way swings the tool's axis along a great circle, which cannot leave a cone that holds both its ends (the
    shortest turn between two rotations can), and twists about the tool's axis in proportion. The two turns are about
    perpendicular axes, so together they are no longer than the root of the sum of their squares.
    """
    if _rotation_angle(quaternion_multiply(goal, quaternion_conjugate(start))) <= reach * (1 + SLACK):
        return goal
    start_axis, goal_axis = _tool_axis(start), _tool_axis(goal)
    swing = _angle_between(start_axis, goal_axis)
    normal = _normal(start_axis, goal_axis)
    swung = quaternion_multiply(_about(normal, swing), start)
    rest = quaternion_multiply(goal, quaternion_conjugate(swung))
    twist = math.remainder(2 * math.atan2(float(rest[1:] @ goal_axis), float(rest[0])), 2 * math.pi)

    fraction = min(1.0, reach / math.hypot(swing, twist))
    part_swing = _about(normal, fraction * swing)
    part_twist = _about(rotate(part_swing, start_axis), fraction * twist)
    return quaternion_multiply(part_twist, quaternion_multiply(part_swing, start))


def _part_way(start: Pose, goal: Pose, fraction: float) -> Pose:
    """Return a pose between two that lie in a workspace and a tilt cone, and so in these as well."""
    angle = _rotation_angle(quaternion_multiply(goal.quaternion, quaternion_conjugate(start.quaternion)))
    position = start.position + fraction * (goal.position - start.position)
    return Pose(position, _turn_towards(start.quaternion, goal.quaternion, fraction * angle))


def _tool_axis(q: np.ndarray) -> np.ndarray:
    """Return the z axis [3] of the rotation `q`: the third column of its matrix."""
    w, x, y, z = q.tolist()
    return np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])


def _cross(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    ax, ay, az = a.tolist()
    bx, by, bz = b.tolist()
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def _angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Return the angle in [0, pi] between two unit vectors; exact near 0 and pi, where acos is not."""
    return math.atan2(math.hypot(*_cross(a, b)), float(a @ b))


def _normal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the unit axis [3] that turns `a` to `b`; any perpendicular one where they are parallel."""
    normal = _cross(a, b)
    length = math.hypot(*normal)
    if length > 1e-9:
        return np.array([part / length for part in normal])
    ax, ay, az = a.tolist()
    perpendicular = (0.0, az, -ay) if abs(ax) < 0.9 else (-az, 0.0, ax)
    length = math.hypot(*perpendicular)
    return np.array([part / length for part in perpendicular])


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    return rotvec_to_quaternion(axis * angle)


def _rotation_angle(q: np.ndarray) -> float:
    w, x, y, z = q.tolist()
    return 2 * math.atan2(math.hypot(x, y, z), abs(w))


def _limit_gripper(
    name: str, target: GripperTarget, measured: GripperState, spec: GripperSpec, dt: float
) -> tuple[GripperTarget, list[str]]:
    _require_finite(f"{name} target", [target.opening])
    _require_measured(name, [measured.opening])
    limits: list[str] = []
    goal = min(max(target.opening, 0.0), 1.0)
    if goal != target.opening:
        limits.append("range")
    opening = _approach(measured.opening, goal, spec.max_speed * dt)
    if opening != goal:
        limits.append("speed")
    return GripperTarget(opening), limits


def _limit_joints(
    name: str, target: JointTarget, measured: JointState, spec: JointSpec, dt: float
) -> tuple[JointTarget, list[str]]:
    wanted, start = target.qpos.tolist(), measured.qpos.tolist()
    if len(wanted) != len(spec.qpos_low):
        raise ValueError(f"{name} target has {len(wanted)} joints; the part has {len(spec.qpos_low)}")
    _require_finite(f"{name} target", wanted)
    _require_measured(name, start)
    limits: list[str] = []
    goal = [min(max(value, low), high) for value, low, high in zip(wanted, spec.qpos_low, spec.qpos_high, strict=True)]
    if goal != wanted:
        limits.append("range")
    reached = [_approach(here, there, spec.max_qvel * dt) for here, there in zip(start, goal, strict=True)]
    if reached != goal:
        limits.append("speed")
    return JointTarget(np.array(reached)), limits


def _limit_drive(name: str, target: DriveTarget, spec: DriveSpec) -> tuple[DriveTarget, list[str]]:
    _require_finite(f"{name} target", [target.speed, target.steering])
    speed = min(max(target.speed, -spec.max_speed), spec.max_speed)
    steering = min(max(target.steering, -spec.max_steering), spec.max_steering)
    limits = [
        which
        for which, asked, given in (("speed", target.speed, speed), ("steering", target.steering, steering))
        if asked != given
    ]
    return DriveTarget(speed, steering), limits


def _approach(start: float, goal: float, reach: float) -> float:
    """Return `goal` itself if it is within `reach` of `start`, or else the point on the way that is."""
    if abs(goal - start) <= reach * (1 + SLACK):
        return goal
    return start + math.copysign(reach, goal - start)


def _require_finite(what: str, numbers: list[float]) -> None:
    if not math.isfinite(sum(numbers)):
        raise ValueError(f"{what} is not finite: {numbers}")


def _require_measured(name: str, numbers: list[float]) -> None:
    if not math.isfinite(sum(numbers)):
        raise DeviceError(f"part {name!r} measured {numbers}, which is not finite; check the driver")
