"""Laws of rotations and poses, checked against matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.geometry import (
    Pose,
    quaternion_conjugate,
    quaternion_multiply,
    quaternion_normalize,
    quaternion_to_matrix,
    quaternion_to_rotvec,
    rotate,
    rotvec_to_quaternion,
)

number = st.floats(-3.0, 3.0, allow_subnormal=False)
vector = st.tuples(number, number, number).map(np.array)
rotation = vector.map(rotvec_to_quaternion)
pose = st.builds(Pose, vector, rotation)


def same(a, b):
    np.testing.assert_allclose(a, b, atol=1e-9)


@given(rotation, rotation)
def test_product_is_the_matrix_product(a, b):
    same(quaternion_to_matrix(quaternion_multiply(a, b)), quaternion_to_matrix(a) @ quaternion_to_matrix(b))


@given(rotation, vector)
def test_rotate_is_the_matrix_times_the_vector(q, v):
    same(rotate(q, v), quaternion_to_matrix(q) @ v)


@given(rotation)
def test_conjugate_is_the_inverse(q):
    same(quaternion_multiply(q, quaternion_conjugate(q)), [1, 0, 0, 0])


@given(rotation)
def test_matrix_is_a_rotation(q):
    matrix = quaternion_to_matrix(q)
    same(matrix.T @ matrix, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)


@given(vector)
def test_rotvec_comes_back_up_to_whole_turns(rotvec):
    q = rotvec_to_quaternion(rotvec)
    back = quaternion_to_rotvec(q)
    assert np.linalg.norm(back) <= math.pi + 1e-9
    same(quaternion_to_matrix(rotvec_to_quaternion(back)), quaternion_to_matrix(q))


@given(st.sampled_from([0.0, 1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 0.1]))
def test_small_rotvecs_are_exact(size):
    rotvec = size * np.array([0.6, 0.0, -0.8])
    np.testing.assert_allclose(quaternion_to_rotvec(rotvec_to_quaternion(rotvec)), rotvec, rtol=1e-9, atol=0)


def test_rotvec_follows_the_right_hand():
    same(rotate(rotvec_to_quaternion(np.array([0, 0, math.pi / 2])), np.array([1.0, 0, 0])), [0, 1, 0])


@given(st.floats(0.01, 100.0), rotation)
def test_normalize_gives_unit_length_and_the_same_direction(scale, q):
    same(quaternion_normalize(scale * q), q)


@pytest.mark.parametrize("q", [[0, 0, 0, 0], [math.nan, 0, 0, 1], [math.inf, 0, 0, 0]])
def test_normalize_refuses_what_has_no_direction(q):
    with pytest.raises(ValueError, match="cannot be normalised"):
        quaternion_normalize(np.array(q, dtype=float))


@given(pose, pose, vector)
def test_poses_compose_as_maps(a, b, point):
    same((a @ b).apply(point), a.apply(b.apply(point)))


@given(pose, vector)
def test_inverse_maps_back(a, point):
    same(a.inverse().apply(a.apply(point)), point)


@given(pose, pose)
def test_distance_is_symmetric_and_zero_to_itself(a, b):
    assert a.distance(b) == pytest.approx(b.distance(a), abs=1e-9)
    assert max(a.distance(a)) < 1e-7


def test_distance_measures_metres_and_radians():
    assert Pose.of((0, 0, 0)).distance(Pose.of((3, 4, 0), (0, 0.5, 0))) == pytest.approx((5.0, 0.5))


def test_pose_of_reads_back():
    made = Pose.of((1, 2, 3), (0.1, -0.2, 0.3))
    same(made.position, [1, 2, 3])
    same(made.rotvec, [0.1, -0.2, 0.3])
