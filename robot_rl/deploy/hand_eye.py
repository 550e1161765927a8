"""Where a camera is: from pictures of a board, taken while the arm goes about, to the camera's pose at the arm or the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from robot_rl.errors import ConfigError, pip_line
from robot_rl.geometry import Pose, quaternion_to_matrix, rotvec_to_quaternion

MIN_POSES = 5
MIN_TURN_RAD = 0.3
"""Between some two poses: without turns about two axes the equations have many solutions."""


@dataclass(frozen=True, slots=True)
class Board:
    """A printed chessboard."""

    columns: int = 8
    """inner corners in a row"""
    rows: int = 5
    """inner corners in a column"""
    square_m: float = 0.03
    """m, side of a square, measured on the print"""

    @property
    def corners(self) -> np.ndarray:
        """Return the inner corners, float32 [rows * columns, 3], m, in the board's frame."""
        grid = np.mgrid[0 : self.columns, 0 : self.rows].T.reshape(-1, 2) * self.square_m
        return np.column_stack([grid, np.zeros(len(grid))]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class HandEye:
    """A camera that was measured."""

    pose: Pose
    """T_tcp_camera of a camera on the arm, T_base_camera of a fixed one."""
    position_error_m: float
    """Root mean square of how far the board seems to move, which stands still (or is fixed to the tool)."""
    rotation_error_rad: float


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A camera's lens."""

    matrix: np.ndarray
    """[3, 3], pixels."""
    distortion: np.ndarray
    """[5]."""
    error_px: float
    """Root mean square of reprojection."""


def find_corners(image: np.ndarray, board: Board) -> np.ndarray | None:
    """Return the board's corners, float32 [rows * columns, 2], pixels, or None if it is not all in the picture.

    Args:
        image: uint8 [H, W, 3], RGB.
        board: What to look for.
    """
    cv2 = _cv2()
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    is_found, corners = cv2.findChessboardCorners(grey, (board.columns, board.rows))
    if not is_found:
        return None
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 1e-3)
    return cv2.cornerSubPix(grey, corners, (5, 5), (-1, -1), criteria).reshape(-1, 2)


def camera_of(corners: Sequence[np.ndarray], board: Board, size: tuple[int, int]) -> tuple[Intrinsics, list[Pose]]:
    """Return the lens, and T_camera_board of each picture.

    Args:
        corners: Of each picture, [rows * columns, 2], pixels.
        board: What was seen.
        size: width, height of the pictures, pixels.
    """
    _require(len(corners))
    cv2 = _cv2()
    points = [board.corners] * len(corners)
    seen = [each.astype(np.float32).reshape(-1, 1, 2) for each in corners]
    error, matrix, distortion, turns, shifts = cv2.calibrateCamera(points, seen, size, None, None)[:5]
    poses = [
        Pose(shift.ravel().astype(float), rotvec_to_quaternion(turn.ravel().astype(float)))
        for turn, shift in zip(turns, shifts, strict=True)
    ]
    return Intrinsics(matrix, distortion.ravel()[:5], float(error)), poses


def hand_eye(tools: Sequence[Pose], boards: Sequence[Pose], mounted: Literal["wrist", "fixed"]) -> HandEye:
    """Return where a camera is.

    Args:
        tools: T_base_tcp of each picture.
        boards: T_camera_board of each picture.
        mounted: `wrist`: the camera is on the arm and the board stands; `fixed`: the camera stands and the board is on the
            arm.

    Raises:
        ConfigError: If there are too few pictures, or the arm hardly turned between them.
    """
    _require(len(tools))
    largest = max(first.distance(second)[1] for first in tools for second in tools)
    if largest < MIN_TURN_RAD:
        raise ConfigError(
            f"the tool turned by {largest:.2f} rad at most between pictures; turn it by {MIN_TURN_RAD:g} rad about two axes"
        )
    arms = list(tools) if mounted == "wrist" else [pose.inverse() for pose in tools]
    pose = _solve(arms, list(boards))
    seen = [arm @ pose @ board for arm, board in zip(arms, boards, strict=True)]  # all the same, if all were exact
    middle = np.mean([each.position for each in seen], axis=0)
    errors = [each.distance(Pose(middle, seen[0].quaternion)) for each in seen]
    position, rotation_error = (float(np.sqrt(np.mean(np.square(each)))) for each in zip(*errors, strict=True))
    return HandEye(pose, position, rotation_error)


def _solve(arms: list[Pose], boards: list[Pose]) -> Pose:
    """Return X of `A X = X B` over all pairs of pictures, by Park and Martin (1994). OpenCV 5 has no solver of its own.

    A is the arm's motion between two pictures, B the board's as the camera sees it.
    """
    pairs = list(combinations(range(len(arms)), 2))
    moved = [arms[first].inverse() @ arms[second] for first, second in pairs]
    seen = [boards[first] @ boards[second].inverse() for first, second in pairs]
    turns = np.array([each.rotvec for each in moved]), np.array([each.rotvec for each in seen])  # [P, 3] each
    left, _, right = np.linalg.svd(turns[0].T @ turns[1])
    rotation = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right  # turns the camera's vectors to the arm's
    matrices = [quaternion_to_matrix(each.quaternion) - np.eye(3) for each in moved]
    shifts = [rotation @ b.position - a.position for a, b in zip(moved, seen, strict=True)]
    position = np.linalg.lstsq(np.concatenate(matrices), np.concatenate(shifts), rcond=None)[0]
    turn = np.asarray(_cv2().Rodrigues(rotation)[0], float).ravel()
    return Pose(position, rotvec_to_quaternion(turn))


def _require(count: int) -> None:
    if count < MIN_POSES:
        raise ConfigError(f"{count} pictures with the board; {MIN_POSES} or more are needed, and 15 are better")


def _cv2() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(f"calibrating needs OpenCV: {pip_line('opencv')} ({error})") from error
    return cv2
