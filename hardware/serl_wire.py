"""Numbers as the SERL robot server's JSON has them, to and from ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose, quaternion_conjugate, quaternion_normalize, rotate
from robot_rl.types import ArmState

NUM_JOINTS = 7
"""Joints in every message; an arm that has fewer fills up with zeros."""
STAMP = "stamp"
"""Key that only our own server sends: s on its robot's clock when the state was measured."""


def pose_from(numbers: Sequence[float]) -> Pose:
    """Return T_base_tcp from `[x, y, z, qx, qy, qz, qw]`, m and scalar-last, whose length is made one.

    Raises:
        ValueError: If these are not seven finite numbers, or the rotation's length is not near one.
    """
    x, y, z, qx, qy, qz, qw = _finite("pose [x, y, z, qx, qy, qz, qw]", numbers, 7)
    quaternion = np.array([qw, qx, qy, qz])
    length = float(np.linalg.norm(quaternion))
    # SERL's clients interpolate rotations as plain numbers: halfway between two that are pi apart the length is 0.71.
    if not 0.3 < length < 1.5:
        raise ValueError(f"rotation {[qx, qy, qz, qw]} has length {length:.3g}; give a quaternion x, y, z, w of length 1")
    return Pose(np.array([x, y, z]), quaternion_normalize(quaternion))


def pose_to(pose: Pose) -> list[float]:
    """Return `[x, y, z, qx, qy, qz, qw]` of T_base_tcp."""
    w, x, y, z = pose.quaternion.tolist()
    return [*pose.position.tolist(), x, y, z, w]


def arm_from(reply: Mapping[str, Any], num_joints: int, stamp: float) -> ArmState:
    """Return what `/getstate` says of the arm.

    The server's force and torque are what the robot exerts on its surroundings, in the tool's axes; ours are what they
    exert on the tool, in base axes.

    Raises:
        DeviceError: If an entry is missing, too short or not finite.
    """
    try:
        pose = pose_from(reply["pose"])
        force = _finite("force", reply["force"], 3)
        torque = _finite("torque", reply["torque"], 3)
        twist = np.array(_finite("vel", reply["vel"], 6))
        qpos, qvel = (np.array(_finite(key, reply[key], NUM_JOINTS)[:num_joints]) for key in ("q", "dq"))
    except KeyError as error:
        raise DeviceError(f"/getstate has no {error}; it has: {', '.join(sorted(reply)) or 'nothing'}") from error
    except (ValueError, TypeError) as error:
        raise DeviceError(f"/getstate: {error}; the server has heard nothing sensible of its arm") from error
    wrench = [-rotate(pose.quaternion, np.array(part)) for part in (force, torque)]
    return ArmState(pose, twist, np.concatenate(wrench), qpos, qvel, stamp)


def opening_from(reply: Mapping[str, Any]) -> float:
    """Return `gripper_pos` of `/getstate`, 0 closed .. 1 open.

    Raises:
        DeviceError: If there is none.
    """
    value = reply.get("gripper_pos")
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DeviceError(f"/getstate has gripper_pos {value!r}; if the station has no gripper, set option has_gripper = false")
    return min(max(float(value), 0.0), 1.0)


def arm_to(arm: ArmState, opening: float) -> dict[str, Any]:
    """Return what `/getstate` answers, the Jacobian unknown."""
    inverse = quaternion_conjugate(arm.pose.quaternion)
    force, torque = (-rotate(inverse, part) for part in (arm.wrench[:3], arm.wrench[3:]))
    return {
        "pose": pose_to(arm.pose),
        "vel": arm.twist.tolist(),
        "force": force.tolist(),
        "torque": torque.tolist(),
        "q": _filled(arm.qpos),
        "dq": _filled(arm.qvel),
        "jacobian": [[None] * NUM_JOINTS for _ in range(6)],
        "gripper_pos": opening,
        STAMP: arm.stamp,
    }


def euler_of(pose: Pose) -> list[float]:
    """Return roll, pitch, yaw in rad: rotations about the base's x, then y, then z axis."""
    w, x, y, z = pose.quaternion.tolist()
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(min(max(2 * (w * y - z * x), -1.0), 1.0))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return [roll, pitch, yaw]


def _filled(joints: np.ndarray) -> list[float]:
    return [*joints.tolist(), *[0.0] * (NUM_JOINTS - len(joints))]


def _finite(what: str, numbers: Any, count: int) -> list[float]:
    if not isinstance(numbers, Sequence) or len(numbers) != count:
        raise ValueError(f"{what} is {numbers!r}; {count} numbers were expected")
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in numbers):
        raise ValueError(f"{what} is {numbers!r}, which are not all finite numbers")
    return [float(value) for value in numbers]
