"""Kinematics of a chain of hinges: where its tool is, and which joint angles bring it somewhere, or as near as it can."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot_rl.geometry import Pose, quaternion_conjugate, quaternion_multiply, quaternion_to_rotvec

POSITION_DAMPING = 0.01
"""m/rad: below this lever a joint is not asked to move the tool."""
ROTATION_DAMPING = 0.03
"""rad/rad."""
ROTATION_WEIGHT = 0.002
"""m that a turn of one rad is worth when two poses are compared, neither of which is the one wanted."""
MAX_STEP = 0.2
"""rad a joint may turn in one iteration: further away the linear model does not hold."""
MAX_ITERATIONS = 40
TOLERANCE = 1e-7
"""m and rad."""


@dataclass(frozen=True, slots=True)
class Hinge:
    """One joint, as a URDF file has it."""

    xyz: tuple[float, float, float]
    """[3], m: where the joint sits in the frame before it."""
    rpy: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """[3], rad: how its frame is turned, about the fixed x, then y, then z axis, as URDF files mean it."""
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    """[3], unit, the joint's frame: what it turns about."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What inverse kinematics found."""

    qpos: np.ndarray
    """[J], rad, inside the limits."""
    pose: Pose
    """T_base_tcp at `qpos`."""
    distance: float
    """m from the position that was wanted."""
    angle: float
    """rad from the rotation that was wanted; more than zero is usual for an arm of fewer than six joints."""


class SerialChain:
    """Hinges one after the other, and the tool's frame after the last."""

    def __init__(self, hinges: tuple[Hinge, ...], tool: Hinge) -> None:
        """Build from the frames of a URDF file; the axis of `tool`, T_last_tcp, is not used."""
        self.num_joints = len(hinges)
        self._origins = [_transform(hinge) for hinge in hinges]
        self._axes = [np.array(hinge.axis) for hinge in hinges]
        self._tool = _transform(tool)

    def forward(self, qpos: np.ndarray) -> Pose:
        """Return T_base_tcp for qpos [J], rad."""
        return _pose(self._frames(qpos)[-1])

    def jacobian(self, qpos: np.ndarray) -> np.ndarray:
        """Return the tcp's Jacobian [6, J]: linear then angular velocity, base axes."""
        return self._jacobian(self._frames(qpos))

    def inverse(self, target: Pose, start: np.ndarray, low: np.ndarray, high: np.ndarray) -> Reached:
        """Return joint angles near `start` that bring the tcp to `target`, or as near as they can.

        The position comes first: of all angles that reach it, those that come nearest to the rotation. So an arm of five
        joints goes where it is told, and turns its tool as far as it can. A position out of reach is approached. The
        result is never further from the target than `start` is.

        Args:
            target: T_base_tcp.
            start: [J], rad; angles outside the limits are brought to them first.
            low: [J], rad.
            high: [J], rad.
        """
        qpos = np.clip(start, low, high)
        best = self._reached(qpos, target)
        for _ in range(MAX_ITERATIONS):
            frames = self._frames(qpos)
            error = _pose_error(target, _pose(frames[-1]))
            if np.abs(error).max() < TOLERANCE:
                break
            step = _step(self._jacobian(frames), error, qpos, low, high)
            step *= min(1.0, MAX_STEP / max(float(np.abs(step).max()), 1e-12))
            qpos = np.clip(qpos + step, low, high)
            now = self._reached(qpos, target)
            best = now if _cost(now) < _cost(best) else best
            if np.abs(step).max() < 1e-9:
                break
        return best

    def _reached(self, qpos: np.ndarray, target: Pose) -> Reached:
        pose = self.forward(qpos)
        return Reached(qpos.copy(), pose, *pose.distance(target))

    def _frames(self, qpos: np.ndarray) -> list[np.ndarray]:
        """Return the transforms [4, 4] to the base of every joint, turned, and of the tcp."""
        frame, frames = np.eye(4), []
        for origin, axis, angle in zip(self._origins, self._axes, qpos.tolist(), strict=True):
            frame = frame @ origin @ _turn(axis, angle)
            frames.append(frame)
        return [*frames, frame @ self._tool]

    def _jacobian(self, frames: list[np.ndarray]) -> np.ndarray:
        tcp = frames[-1][:3, 3]
        axes = np.array([frame[:3, :3] @ axis for frame, axis in zip(frames, self._axes, strict=False)])  # (J, 3)
        levers = np.array([tcp - frame[:3, 3] for frame in frames[:-1]])  # (J, 3)
        return np.concatenate([np.cross(axes, levers).T, axes.T])  # (6, J)


def _step(jacobian: np.ndarray, error: np.ndarray, qpos: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return a step [J] to the position, and in its null space to the rotation, that no joint at its limit has part in."""
    free = np.ones(len(qpos), dtype=bool)
    while True:
        linear, angular = jacobian[:3] * free, jacobian[3:] * free
        to_position = _damped_inverse(linear, POSITION_DAMPING)
        step = to_position @ error[:3]
        within = np.diag(free.astype(float)) - to_position @ linear
        step = step + within @ (_damped_inverse(angular @ within, ROTATION_DAMPING) @ (error[3:] - angular @ step))
        stuck = free & (((qpos <= low) & (step < 0)) | ((qpos >= high) & (step > 0)))
        if not stuck.any():
            return step * free
        free &= ~stuck


def _damped_inverse(matrix: np.ndarray, damping: float) -> np.ndarray:
    return matrix.T @ np.linalg.inv(matrix @ matrix.T + damping**2 * np.eye(len(matrix)))


def _cost(reached: Reached) -> float:
    return reached.distance + ROTATION_WEIGHT * reached.angle


def _pose_error(target: Pose, pose: Pose) -> np.ndarray:
    turn = quaternion_multiply(target.quaternion, quaternion_conjugate(pose.quaternion))
    return np.concatenate([target.position - pose.position, quaternion_to_rotvec(turn)])


def _transform(hinge: Hinge) -> np.ndarray:
    roll, pitch, yaw = hinge.rpy
    frame = _turn(np.array([0.0, 0, 1]), yaw) @ _turn(np.array([0.0, 1, 0]), pitch) @ _turn(np.array([1.0, 0, 0]), roll)
    frame[:3, 3] = hinge.xyz
    return frame


def _turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation by `angle`, rad, about the unit `axis` [3], as [4, 4] (Rodrigues)."""
    x, y, z = axis.tolist()
    c, s = math.cos(angle), math.sin(angle)
    v = 1 - c
    return np.array(
        [
            [c + x * x * v, x * y * v - z * s, x * z * v + y * s, 0.0],
            [y * x * v + z * s, c + y * y * v, y * z * v - x * s, 0.0],
            [z * x * v - y * s, z * y * v + x * s, c + z * z * v, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def _pose(frame: np.ndarray) -> Pose:
    """Return a transform [4, 4] as a pose; its largest component of the quaternion is found first, for accuracy."""
    m = frame[:3, :3]
    candidates = np.array([m[0, 0] + m[1, 1] + m[2, 2], m[0, 0], m[1, 1], m[2, 2]])
    largest = int(candidates.argmax())
    w, x, y, z = {
        0: (1 + candidates[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]),
        1: (m[2, 1] - m[1, 2], 1 + m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]),
        2: (m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 + m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]),
        3: (m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 + m[2, 2] - m[0, 0] - m[1, 1]),
    }[largest]
    quaternion = np.array([w, x, y, z])
    return Pose(frame[:3, 3].copy(), quaternion / np.linalg.norm(quaternion))
