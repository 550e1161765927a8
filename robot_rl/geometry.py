"""Rotations and poses: unit quaternions (wxyz), rotation vectors and rigid transforms.

Scalar arithmetic on purpose: these functions run several times in a control step on single
rotations, where one numpy call costs more than the whole product written out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

IDENTITY_QUATERNION = np.array([1.0, 0.0, 0.0, 0.0])


def quaternion_multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the rotation `a` after `b`; both [4], wxyz."""
    aw, ax, ay, az = a.tolist()
    bw, bx, by, bz = b.tolist()
    return np.array(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ]
    )


def quaternion_conjugate(q: np.ndarray) -> np.ndarray:
    """Return the inverse of the unit quaternion `q` [4], wxyz."""
    w, x, y, z = q.tolist()
    return np.array([w, -x, -y, -z])


def quaternion_normalize(q: np.ndarray) -> np.ndarray:
    """Return `q` [4] scaled to unit length.

    Raises:
        ValueError: If `q` is zero or not finite.
    """
    norm = math.sqrt(float(q @ q))
    if not math.isfinite(norm) or norm < 1e-9:
        raise ValueError(f"quaternion {q} cannot be normalised; give 4 finite numbers wxyz, not all zero")
    return q / norm


def rotate(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return `vector` [3] rotated by the unit quaternion `q` [4], wxyz."""
    w, x, y, z = q.tolist()
    vx, vy, vz = vector.tolist()
    tx, ty, tz = 2 * (y * vz - z * vy), 2 * (z * vx - x * vz), 2 * (x * vy - y * vx)
    return np.array([vx + w * tx + y * tz - z * ty, vy + w * ty + z * tx - x * tz, vz + w * tz + x * ty - y * tx])


def quaternion_to_matrix(q: np.ndarray) -> np.ndarray:
    """Return the rotation matrix [3, 3] of the unit quaternion `q` [4], wxyz."""
    w, x, y, z = q.tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def rotvec_to_quaternion(rotvec: np.ndarray) -> np.ndarray:
    """Return the unit quaternion [4], wxyz, of the rotation vector [3], rad."""
    x, y, z = rotvec.tolist()
    angle = math.sqrt(x * x + y * y + z * z)
    scale = 0.5 - angle * angle / 48 if angle < 1e-6 else math.sin(angle / 2) / angle
    return np.array([math.cos(angle / 2), scale * x, scale * y, scale * z])


def quaternion_to_rotvec(q: np.ndarray) -> np.ndarray:
    """Return the rotation vector [3], rad, of length at most pi, of the unit quaternion [4], wxyz."""
    w, x, y, z = q.tolist()
    if w < 0:
        w, x, y, z = -w, -x, -y, -z
    sine = math.sqrt(x * x + y * y + z * z)
    scale = 2.0 if sine < 1e-9 else 2 * math.atan2(sine, w) / sine
    return np.array([scale * x, scale * y, scale * z])


@dataclass(frozen=True, slots=True)
class Pose:
    """A rigid transform `T_a_b`: maps coordinates in frame b to coordinates in frame a."""

    position: np.ndarray
    """[3], m."""
    quaternion: np.ndarray
    """[4], wxyz, unit."""

    @classmethod
    def of(cls, position: Sequence[float], rotvec: Sequence[float] = (0.0, 0.0, 0.0)) -> Pose:
        """Build from plain numbers: position [3], m, and rotation vector [3], rad."""
        return cls(np.array(position, dtype=float), rotvec_to_quaternion(np.array(rotvec, dtype=float)))

    def __matmul__(self, other: Pose) -> Pose:
        """Return `T_a_c` from `T_a_b @ T_b_c`."""
        return Pose(
            self.position + rotate(self.quaternion, other.position),
            quaternion_multiply(self.quaternion, other.quaternion),
        )

    def inverse(self) -> Pose:
        """Return `T_b_a`."""
        q = quaternion_conjugate(self.quaternion)
        return Pose(-rotate(q, self.position), q)

    def apply(self, point: np.ndarray) -> np.ndarray:
        """Return the point [3], m, of frame b in coordinates of frame a."""
        return self.position + rotate(self.quaternion, point)

    @property
    def rotvec(self) -> np.ndarray:
        """[3], rad, of length at most pi."""
        return quaternion_to_rotvec(self.quaternion)

    def distance(self, other: Pose) -> tuple[float, float]:
        """Return how far apart two poses are: m, and rad in [0, pi]."""
        turn = quaternion_multiply(quaternion_conjugate(self.quaternion), other.quaternion)
        return float(np.linalg.norm(self.position - other.position)), float(np.linalg.norm(quaternion_to_rotvec(turn)))
