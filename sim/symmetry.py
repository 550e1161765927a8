"""Objects that look the same in several orientations: choosing the one to report."""

from __future__ import annotations

import itertools

import numpy as np

from robot_rl.geometry import quaternion_conjugate, quaternion_multiply


def _cube_rotations() -> np.ndarray:
    """Return the quaternions [24, 4], wxyz, that turn a cube into itself."""
    half = np.sqrt(0.5)
    units = [sign * np.eye(4)[axis] for axis in range(4) for sign in (1.0,)]
    edges = [
        half * (np.eye(4)[a] + sign * np.eye(4)[b]) for a, b in itertools.combinations(range(4), 2) for sign in (1.0, -1.0)
    ]
    corners = [0.5 * np.array([1.0, *signs]) for signs in itertools.product((1.0, -1.0), repeat=3)]
    return np.array(units + edges + corners)


CUBE_ROTATIONS = _cube_rotations()


def nearest_cube_rotation(cube: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the orientation nearest to `reference` in which a cube looks as it does in `cube`; all [4], wxyz."""
    wanted = quaternion_multiply(quaternion_conjugate(cube), reference)
    best = CUBE_ROTATIONS[int(np.abs(CUBE_ROTATIONS @ wanted).argmax())]
    return quaternion_multiply(cube, best)
