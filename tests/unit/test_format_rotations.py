import numpy as np
import pytest

from demos.formats.rotations import convert_rotations
from robot_rl.errors import ConfigError
from robot_rl.geometry import quaternion_to_matrix, rotvec_to_quaternion


def about(axis, angle):
    return quaternion_to_matrix(rotvec_to_quaternion(angle * np.eye(3)[axis]))


def matrix(rotvec):
    return quaternion_to_matrix(rotvec_to_quaternion(rotvec))


def test_xyzw_becomes_wxyz():
    rows = np.arange(8.0).reshape(2, 4)
    assert convert_rotations({"q": rows}, ["q=quat_xyzw"])["q"].tolist() == [[3, 0, 1, 2], [7, 4, 5, 6]]
    assert rows[0].tolist() == [0, 1, 2, 3]  # the source is left alone


@pytest.mark.parametrize("angles", [(0.3, -0.7, 1.1), (0.0, 0.0, 0.0), (-2.0, 0.4, 0.1)])
def test_euler_angles_turn_as_their_convention_says(angles):
    x, y, z = (about(axis, angle) for axis, angle in enumerate(angles))
    rows = {"r": np.array([angles])}
    fixed = convert_rotations(rows, ["r=euler_xyz_fixed"])["r"][0]
    moving = convert_rotations(rows, ["r=euler_xyz_moving"])["r"][0]
    np.testing.assert_allclose(matrix(fixed), z @ y @ x, atol=1e-12)
    np.testing.assert_allclose(matrix(moving), x @ y @ z, atol=1e-12)


def test_some_columns_of_a_vector_are_turned_and_the_rest_left():
    rows = np.array([[9.0, 8.0, 7.0, 1.0, 2.0, 3.0, 4.0, 5.0]])
    assert convert_rotations({"s": rows}, ["s[3:7]=quat_xyzw"])["s"].tolist() == [[9, 8, 7, 4, 1, 2, 3, 5]]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("q=quat_wzyx", "of quat_xyzw, euler_xyz_fixed, euler_xyz_moving"),
        ("p=quat_xyzw", "no entry 'p'; there are image, q"),
        ("q[0:3]=quat_xyzw", r"takes 4 numbers, the entry has \[3\]"),
        ("image=quat_xyzw", r"takes 4 numbers, the entry has \[8, 4, 3\]"),
        ("q", "write NAME=CONVENTION"),
    ],
)
def test_what_is_no_such_rotation_is_refused(entry, message):
    with pytest.raises(ConfigError, match=message):
        convert_rotations({"q": np.zeros((2, 8)), "image": np.zeros((2, 8, 4, 3))}, [entry])
