"""A cube's reported orientation is a symmetric one, and the nearest to the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot_rl.geometry import (
    Pose,
    quaternion_multiply,
    quaternion_normalize,
    quaternion_to_matrix,
    rotvec_to_quaternion,
)
from sim.symmetry import CUBE_ROTATIONS, nearest_cube_rotation


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return Pose(np.zeros(3), a).distance(Pose(np.zeros(3), b))[1]


def test_a_cube_has_24_rotations_and_each_maps_axes_to_axes():
    assert len({tuple(np.round(quaternion_to_matrix(q)).ravel()) for q in CUBE_ROTATIONS}) == 24
    for rotation in CUBE_ROTATIONS:
        matrix = np.abs(quaternion_to_matrix(rotation))
        np.testing.assert_allclose(np.sort(matrix.ravel()), [0] * 6 + [1] * 3, atol=1e-12)


def test_reported_rotation_is_the_nearest_of_the_24(rng):
    for _ in range(50):
        cube, reference = (quaternion_normalize(rng.standard_normal(4)) for _ in range(2))
        nearest = nearest_cube_rotation(cube, reference)
        alternatives = [angle(quaternion_multiply(cube, turn), reference) for turn in CUBE_ROTATIONS]
        assert angle(nearest, reference) == pytest.approx(min(alternatives), abs=1e-6)


@pytest.mark.parametrize("yaw", np.linspace(-7, 7, 40))
def test_yaw_of_a_cube_on_a_table_is_at_most_45_degrees(yaw):
    cube = rotvec_to_quaternion(np.array([0.0, 0.0, yaw]))
    down = np.array([0.0, 1.0, 0.0, 0.0])
    assert angle(nearest_cube_rotation(cube, down), down) <= math.pi / 4 + 1e-6
