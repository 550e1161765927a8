"""What a person says of a conversion: what the source leaves open, and how the destination is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robot_rl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a foreign dataset does not say. Said here, it counts more than what the dataset says."""

    env: str | None = None
    """name of the environment; None: the dataset's own, or the name of its file"""
    task: str | None = None
    """what the episodes are about; None: as the dataset says, or the environment's name"""
    control_dt: float | None = None
    """s from one step to the next"""
    max_steps: int | None = None
    """steps at which the environment truncates; None: the longest episode has as many"""
    names: tuple[str, ...] = ()
    """names of the action's dimensions, such as arm/x arm/y gripper; none: the dataset's own, or action/0 action/1 ..."""
    action_low: tuple[float, ...] = ()
    """what becomes -1: one number for all dimensions, or one for each"""
    action_high: tuple[float, ...] = ()
    """what becomes 1"""
    action_scale: tuple[float, ...] = ()
    """short for action_low = -scale and action_high = scale"""
    pose_scale: tuple[float, float, float] | None = None
    """umi: m and rad moved in a step that become an action of 1, and m between the fingers when open"""
    final_obs: Literal["repeat", "drop"] | None = None
    """where nothing was observed after the last action: repeat the last observation, or drop the last action (its reward and
    flags go to the step before)"""
    ends: Literal["terminated", "truncated", "success"] | None = None
    """how episodes end: all terminated, all truncated, or terminated where the last step is a success"""
    success: Literal["last", "reward", "never"] | None = None
    """which steps are successes: the last of every episode, those with a reward above 0, or none"""
    reward: Literal["success", "zero"] | None = None
    """1 at successes and 0 elsewhere, or 0 everywhere"""
    rename: tuple[str, ...] = ()
    """SOURCE=KEY: what observation entries are to be called, such as observation.state=state/arm/qpos"""
    drop: tuple[str, ...] = ()
    """observation entries to leave out, by their names in the source"""
    rotation: tuple[str, ...] = ()
    """NAME=CONVENTION or NAME[3:7]=CONVENTION: rotations to turn into ours, of quat_xyzw (to wxyz), euler_xyz_fixed and
    euler_xyz_moving (rad, about the axes of the base or the moving ones; to a rotation vector)"""
    ignore_origin: bool = False
    """read a dataset that robot-rl exported as if another had written it"""

    def __post_init__(self) -> None:
        if self.control_dt is not None and not self.control_dt > 0:
            raise ConfigError(f"control_dt {self.control_dt} s is not positive")
        if self.max_steps is not None and self.max_steps < 1:
            raise ConfigError(f"max_steps {self.max_steps} is below 1")
        if self.action_scale and (self.action_low or self.action_high):
            raise ConfigError("action_scale stands for action_low and action_high; give it, or the two")
        if bool(self.action_low) != bool(self.action_high):
            raise ConfigError("action_low and action_high come together; one of them is missing")
        for name, scale in (("action_scale", self.action_scale), ("pose_scale", self.pose_scale or ())):
            if any(not value > 0 for value in scale):
                raise ConfigError(f"{name} {scale} is not positive")
        for entry in (*self.rename, *self.rotation):
            if not all(entry.partition("=")[::2]):
                raise ConfigError(f"{entry!r} is not of the form NAME=VALUE")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How another format is written."""

    images: Literal["video", "png"] = "video"
    """lerobot: cameras as MP4, or lossless as PNG in the tables"""
    codec: Literal["libsvtav1", "libx264"] = "libsvtav1"
    """lerobot: AV1 as LeRobot itself writes, or H.264, which every player knows"""
    crf: int | None = None
    """lerobot: quality of the video, lower is better; None: 30 for AV1 as LeRobot has it, 18 for H.264"""
    fps: int | None = None
    """lerobot: whole frames a second; None: 1 / control_dt"""
    robot_type: str = "unknown"
    """lerobot: what info.json calls the robot"""
    gripper_width_m: float | None = None
    """umi: m between the fingers at an opening of 1"""

    def __post_init__(self) -> None:
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise ConfigError(f"crf {self.crf} is not in 0..63")
        if self.fps is not None and self.fps < 1:
            raise ConfigError(f"fps {self.fps} is below 1")
        if self.gripper_width_m is not None and not self.gripper_width_m > 0:
            raise ConfigError(f"gripper_width_m {self.gripper_width_m} is not positive")
