"""Where a camera is, found from synthetic pictures of which the truth is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from robot_rl.deploy.hand_eye import Board, camera_of, find_corners, hand_eye
from robot_rl.deploy.workspace import workspace_of, workspace_toml
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose, quaternion_to_matrix

BOARD = Board(square_m=0.02)
LENS = np.array([[420.0, 0.0, 322.0], [0.0, 425.0, 236.0], [0.0, 0.0, 1.0]])
CAMERA = Pose.of((0.05, -0.02, 0.04), (0.1, -0.15, 0.3))
"""T_tcp_camera, or T_base_camera of a fixed one turned to face the arm."""


def poses(count: int, rng: np.random.Generator, spread: float = 0.5) -> list[Pose]:
    """T_base_tcp about a place above the board, looking down."""
    middle = Pose.of((0.4, 0.0, 0.3), (np.pi, 0, 0))
    return [middle @ Pose.of(rng.uniform(-0.05, 0.05, 3), rng.uniform(-spread, spread, 3)) for _ in range(count)]


def seen_from_wrist(tools: list[Pose]) -> list[Pose]:
    stands = Pose.of((0.36, -0.06, 0.0))  # T_base_board
    return [(tool @ CAMERA).inverse() @ stands for tool in tools]


@pytest.mark.parametrize("count", [5, 15])
def test_a_camera_on_the_arm_is_found(count):
    tools = poses(count, np.random.default_rng(0))
    found = hand_eye(tools, seen_from_wrist(tools), "wrist")
    distance, angle = found.pose.distance(CAMERA)
    assert distance < 1e-6
    assert angle < 1e-6
    assert found.position_error_m < 1e-6


def test_a_fixed_camera_is_found():
    tools, on_tool = poses(12, np.random.default_rng(1)), Pose.of((0.0, 0.02, 0.05), (0.2, 0.1, 0.0))
    fixed = Pose.of((0.9, 0.1, 0.5), (-2.0, 0.3, 0.5))
    boards = [fixed.inverse() @ tool @ on_tool for tool in tools]
    found = hand_eye(tools, boards, "fixed")
    assert max(found.pose.distance(fixed)) < 1e-6


def test_errors_of_the_arm_show_in_the_residual():
    rng = np.random.default_rng(2)
    tools = poses(30, rng)
    boards = seen_from_wrist(tools)
    noisy = [tool @ Pose.of(rng.normal(0, 0.001, 3), rng.normal(0, 0.002, 3)) for tool in tools]
    found = hand_eye(noisy, boards, "wrist")
    assert found.pose.distance(CAMERA)[0] < 0.003
    assert 0.0005 < found.position_error_m < 0.005


def test_the_lens_and_the_boards_are_found_from_corners():
    tools = poses(15, np.random.default_rng(3), spread=0.35)
    truth = seen_from_wrist(tools)
    corners = [
        cv2.projectPoints(
            BOARD.corners, cv2.Rodrigues(quaternion_to_matrix(pose.quaternion))[0], pose.position, LENS, np.zeros(5)
        )[0].reshape(-1, 2)
        for pose in truth
    ]
    lens, boards = camera_of(corners, BOARD, (640, 480))
    np.testing.assert_allclose(lens.matrix, LENS, atol=2.0)
    assert lens.error_px < 0.1
    assert max(board.distance(pose)[0] for board, pose in zip(boards, truth, strict=True)) < 0.003
    assert hand_eye(tools, boards, "wrist").pose.distance(CAMERA)[0] < 0.003


def test_corners_are_found_in_a_picture_and_nothing_in_an_empty_one():
    square, border = 40, 60
    picture = np.full((border * 2 + 6 * square, border * 2 + 9 * square, 3), 255, np.uint8)
    for row in range(6):
        for column in range(9):
            if (row + column) % 2 == 0:
                top, left = border + row * square, border + column * square
                picture[top : top + square, left : left + square] = 0
    found = find_corners(picture, BOARD)
    assert found is not None
    assert found.shape == (40, 2)
    expected = {(border + (column + 1) * square, border + (row + 1) * square) for row in range(5) for column in range(8)}
    assert max(min(np.hypot(x - a, y - b) for a, b in expected) for x, y in found) < 1.0
    assert find_corners(np.full((100, 100, 3), 200, np.uint8), BOARD) is None


def test_what_does_not_suffice_is_told():
    tools = poses(4, np.random.default_rng(4))
    with pytest.raises(ConfigError, match="4 pictures with the board; 5 or more are needed"):
        hand_eye(tools, seen_from_wrist(tools), "wrist")
    still = poses(8, np.random.default_rng(5), spread=0.01)
    with pytest.raises(ConfigError, match=r"turned by 0.0\d rad at most .*; turn it by 0.3 rad"):
        hand_eye(still, seen_from_wrist(still), "wrist")


def test_a_workspace_is_the_box_of_the_places_less_a_margin_but_for_its_floor():
    box = workspace_of([np.array([0.6, 0.2, 0.01]), np.array([0.3, -0.2, 0.3]), np.array([0.4, 0.3, 0.2])], 0.01)
    assert box.low_m == pytest.approx((0.31, -0.19, 0.01))
    assert box.high_m == pytest.approx((0.59, 0.29, 0.29))
    assert workspace_toml("arm", box) == "[workspace.arm]\nlow_m = [0.310, -0.190, 0.010]\nhigh_m = [0.590, 0.290, 0.290]\n"


@pytest.mark.parametrize(("places", "message"), [
    ([np.zeros(3)], "1 places make no box"),
    ([np.zeros(3), np.array([0.3, 0.3, 0.01])], "the places leave a box of 0.280 x 0.280 x 0.000 m"),
    ([np.zeros(3), np.array([np.nan, 0.3, 0.1])], "make no box"),
])  # fmt: skip
def test_places_without_a_box_are_refused(places, message):
    with pytest.raises(ConfigError, match=message):
        workspace_of(places, 0.01)
