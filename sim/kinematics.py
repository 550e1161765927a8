"""The arm's geometry as numbers: Franka's published link frames, forward kinematics and damped inverse kinematics."""

from __future__ import annotations

import math

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose, quaternion_conjugate, quaternion_multiply, quaternion_to_rotvec

DH = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -math.pi / 2),
    (0.0, 0.316, math.pi / 2),
    (0.0825, 0.0, math.pi / 2),
    (-0.0825, 0.384, -math.pi / 2),
    (0.0, 0.0, math.pi / 2),
    (0.088, 0.0, math.pi / 2),
)
"""Craig's (a, d, alpha) of joints 1 to 7, m and rad, from Franka's robot and interface specifications."""

FLANGE = 0.107
"""m from joint 7's frame to the flange."""

HAND_YAW = -math.pi / 4
"""rad about the flange's z axis at which the gripper is mounted."""

TCP_OFFSET = 0.1034
"""m from the flange to the point between the fingertips."""

QPOS_LOW = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)
QPOS_HIGH = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)
"""[7], rad, published joint limits."""

HOME = (0.0, -0.1, 0.0, -2.4, 0.0, 2.3, math.pi / 4)
"""[7], rad: tool down in front of the base, elbow up."""

_DAMPING = 0.1
_MAX_ITERATIONS = 200


def joint_frames(qpos: np.ndarray) -> np.ndarray:
    """Return the frames of joints 1 to 7 and of the tcp as transforms to the base, [8, 4, 4], for qpos [7], rad."""
    frames = np.empty((8, 4, 4))
    frame = np.eye(4)
    for index, ((a, d, alpha), theta) in enumerate(zip(DH, qpos.tolist(), strict=True)):
        frame = frame @ _craig(a, d, alpha, theta)
        frames[index] = frame
    frames[7] = frame @ _craig(0.0, FLANGE + TCP_OFFSET, 0.0, HAND_YAW)
    return frames


def forward(qpos: np.ndarray) -> Pose:
    """Return T_base_tcp for qpos [7], rad."""
    tcp = joint_frames(qpos)[7]
    return Pose(tcp[:3, 3].copy(), _quaternion(tcp[:3, :3]))


def jacobian(qpos: np.ndarray) -> np.ndarray:
    """Return the tcp's geometric Jacobian [6, 7]: linear then angular velocity, base axes."""
    frames = joint_frames(qpos)
    axes = frames[:7, :3, 2]  # (7, 3)
    levers = frames[7, :3, 3] - frames[:7, :3, 3]  # (7, 3)
    return np.concatenate([np.cross(axes, levers).T, axes.T])  # (6, 7)


def inverse(target: Pose, start: np.ndarray | None = None, tolerance: float = 1e-5) -> np.ndarray:
    """Return joint angles [7], rad, inside the limits that bring the tcp to `target`.

    Damped least squares from `start` (default `HOME`), pulled towards `HOME` in the null space so
    that the elbow does not depend on the way there.

    Args:
        target: T_base_tcp.
        start: [7], rad.
        tolerance: Accepted error, m and rad.

    Raises:
        ConfigError: If no solution is found.
    """
    low, high, home = np.array(QPOS_LOW), np.array(QPOS_HIGH), np.array(HOME)
    qpos = np.array(home if start is None else start, dtype=float)
    error = np.full(6, np.inf)
    for _ in range(_MAX_ITERATIONS):
        error = _pose_error(target, forward(qpos))
        if np.abs(error).max() < tolerance:
            return qpos
        j = jacobian(qpos)
        damping = _DAMPING * float(error @ error) + 1e-8
        pinv = j.T @ np.linalg.inv(j @ j.T + damping * np.eye(6))  # (7, 6)
        posture = 0.2 * (home - qpos)
        step = pinv @ error + posture - pinv @ (j @ posture)
        qpos = np.clip(qpos + np.clip(step, -0.3, 0.3), low, high)
    raise ConfigError(
        f"no joint angles reach position {np.round(target.position, 3)} m, rotation {np.round(target.rotvec, 2)} rad; "
        f"closest is off by {np.abs(error[:3]).max():.3f} m and {np.abs(error[3:]).max():.3f} rad; move it nearer the base"
    )


def _pose_error(target: Pose, pose: Pose) -> np.ndarray:
    turn = quaternion_multiply(target.quaternion, quaternion_conjugate(pose.quaternion))
    return np.concatenate([target.position - pose.position, quaternion_to_rotvec(turn)])


def _craig(a: float, d: float, alpha: float, theta: float) -> np.ndarray:
    """Return Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d), [4, 4]."""
    ca, sa, ct, st = math.cos(alpha), math.sin(alpha), math.cos(theta), math.sin(theta)
    return np.array(
        [
            [ct, -st, 0.0, a],
            [st * ca, ct * ca, -sa, -sa * d],
            [st * sa, ct * sa, ca, ca * d],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def _quaternion(matrix: np.ndarray) -> np.ndarray:
    """Return the unit quaternion [4], wxyz, of a rotation matrix [3, 3] (Shepperd's method)."""
    m = matrix
    squares = np.array([m.trace(), m[0, 0], m[1, 1], m[2, 2]])
    largest = int(squares.argmax())
    if largest == 0:
        q = np.array([1 + m.trace(), m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.empty(4)
        q[0] = m[k, j] - m[j, k]
        q[1 + i] = 1 + m[i, i] - m[j, j] - m[k, k]
        q[1 + j] = m[j, i] + m[i, j]
        q[1 + k] = m[k, i] + m[i, k]
    return q / np.linalg.norm(q)
