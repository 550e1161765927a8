"""Cameras that deliver pictures without content: black ones, and the same one for ever."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from robot_rl.errors import ConfigError, DeviceError
from robot_rl.types import ArmState, DriveState, JointState, PartState, RobotState

SAMPLES_ACROSS = 16
"""Pixels each way that tell whether a picture shows anything."""
ROWS_COMPARED = 128
"""Rows, spread evenly, by which two pictures are compared."""


@dataclass(frozen=True, slots=True)
class FrameGuardConfig:
    """When a camera's pictures are taken for a fault."""

    min_deviation: float = 2.0
    """of pixel values 0..255: a picture that varies less shows nothing (a capped lens has sensor noise of about 1); 0: never"""
    frozen_steps: int = 10
    """control steps for which a picture may stay the same to the bit while the robot moves; 0: for ever"""
    motion_m: float = 0.02
    """m that a tcp must have moved for its cameras to have seen it"""
    motion_rad: float = 0.2
    """rad that a tcp must have turned, or a joint"""

    def __post_init__(self) -> None:
        for name in ("min_deviation", "frozen_steps", "motion_m", "motion_rad"):
            if getattr(self, name) < 0:
                raise ConfigError(f"frame guard {name} {getattr(self, name)} is negative")


@dataclass(slots=True)
class _Seen:
    """A camera's newest picture, and what the robot has done since it first came."""

    rows: np.ndarray
    state: RobotState
    steps: int = 0
    has_moved: bool = False


@dataclass(slots=True)
class FrameGuard:
    """Looks at every picture before anything is learned from it.

    A picture that stays the same is a fault only if the robot has moved meanwhile: noise-free simulated cameras show a robot
    that holds still in identical pictures, and so do cameras slower than the control rate for a few steps.
    """

    config: FrameGuardConfig
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def begin_episode(self) -> None:
        """Forget the last episode's pictures."""
        self._seen.clear()

    def check(self, images: Mapping[str, np.ndarray], state: RobotState) -> None:
        """Look at the pictures of one control step.

        Args:
            images: By camera, uint8 [H, W, 3], RGB, as the camera delivered them.
            state: Of the robot, when they were taken.

        Raises:
            DeviceError: If a picture is black or of one colour, or frozen; it names the camera and what to look at.
        """
        for camera, image in images.items():
            self._check_content(camera, image)
            if self.config.frozen_steps:
                self._check_change(camera, image, state)

    def _check_content(self, camera: str, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        sample = image[:: max(1, height // SAMPLES_ACROSS), :: max(1, width // SAMPLES_ACROSS)].reshape(-1, image.shape[-1])
        pixels = sample.astype(np.float32)
        mean = pixels.sum(axis=0) / len(pixels)
        variance = float(((pixels - mean) ** 2).sum(axis=0).max()) / len(pixels)  # a third of the time of np.std
        if variance < self.config.min_deviation**2:
            color = ", ".join(str(round(value)) for value in mean.tolist())
            raise DeviceError(
                f"camera {camera!r}: the picture is of one colour (RGB {color}, deviation {math.sqrt(variance):.1f}, at least "
                f"{self.config.min_deviation:g} wanted); check lens cap, lights, exposure and cable"
            )

    def _check_change(self, camera: str, image: np.ndarray, state: RobotState) -> None:
        rows = image[:: max(1, len(image) // ROWS_COMPARED)]
        seen = self._seen.get(camera)
        if seen is None or not np.array_equal(rows, seen.rows):
            self._seen[camera] = _Seen(rows.copy(), state)  # drivers may use their buffers again
            return
        seen.steps += 1
        seen.has_moved = seen.has_moved or self._moved(seen.state, state)
        if seen.has_moved and seen.steps > self.config.frozen_steps:
            raise DeviceError(
                f"camera {camera!r}: the same picture in {seen.steps + 1} control steps although the robot moved, so it is "
                "frozen; replug or restart the camera (or raise frozen_steps, if it is slower than that)"
            )

    def _moved(self, before: RobotState, now: RobotState) -> bool:
        return any(self._part_moved(before[name], part) for name, part in now.items() if name in before)

    def _part_moved(self, before: PartState, now: PartState) -> bool:
        """Return whether a camera would have seen what one part did; fingers may be hidden, so a gripper tells nothing."""
        match before, now:
            case ArmState(), ArmState():
                distance, angle = now.pose.distance(before.pose)
                return distance > self.config.motion_m or angle > self.config.motion_rad
            case JointState(), JointState():
                return float(np.abs(now.qpos - before.qpos).max()) > self.config.motion_rad
            case DriveState(), DriveState():
                return abs(now.speed) * (now.stamp - before.stamp) > self.config.motion_m
        return False
