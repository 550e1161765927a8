"""What a policy sees: states, object poses and images turned into a flat dict of arrays."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from robot_rl.envs.images import Crop, ImageResizer
from robot_rl.envs.parts import part_spec, part_state
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose, quaternion_conjugate, quaternion_to_matrix, rotate
from robot_rl.specs import ArmSpec, ArraySpec, CameraSpec, GripperSpec, RobotSpec
from robot_rl.types import ArmState, GripperState, Observation, RobotState

ARM_QUANTITIES = ("height", "position", "rotation", "twist", "wrench", "qpos", "qvel")


@dataclass(frozen=True, slots=True)
class ObservationConfig:
    """Which quantities of the robot, the objects and the cameras are observed, and in which frame."""

    arm_quantities: tuple[str, ...] = ("position", "rotation", "twist", "wrench")
    """of height position rotation twist wrench qpos qvel; height is the tcp's in the base frame, twist and wrench are along
    the axes of the action's frame"""
    relative: bool = True
    """the arm's pose relative to where the episode started (T_start_tcp), or in the base frame"""
    rotation: Literal["rotvec", "columns"] = "rotvec"
    """rotvec [3] jumps at half a turn; columns [6], the matrix's first two under `rotation_columns`, never do"""
    gripper: bool = True
    """observe the gripper's opening, where the robot has a gripper"""
    min_opening: float = 0.0
    """a gripper that is closed further is observed as open this far: a thing was held equally wide in all demonstrations, and a
    clone of them that holds it askew waits for that for ever"""
    tool_pose: bool = False
    """keep T_base_tcp beside what is observed, as `pose/<arm>` [7]: m, then wxyz. No policy looks at it: by it one can tell in
    hindsight where the tool had to go (`data/hindsight.py`)"""
    frame_stack: int = 1
    """newest observations joined, oldest first: along the last axis, of images along the channels"""
    objects: Mapping[str, str] = field(default_factory=dict)
    """trackers to observe, each with the frame: `tcp`, `base`, or another tracker's name"""
    cameras: tuple[str, ...] | None = None
    """cameras to observe; None: all. One that is left out can still be rendered"""
    image_size: int | None = None
    """observed images are square, in pixels; None: as cropped"""
    crops: Mapping[str, Crop] = field(default_factory=dict)
    """by camera: top, left, height, width in pixels, cut out before resizing"""

    def __post_init__(self) -> None:
        unknown = [name for name in self.arm_quantities if name not in ARM_QUANTITIES]
        if unknown:
            raise ConfigError(f"unknown arm quantities {unknown}; known: {', '.join(ARM_QUANTITIES)}")
        if not 0.0 <= self.min_opening <= 1.0:
            raise ConfigError(f"min_opening {self.min_opening:g} is not in 0..1")
        if self.frame_stack < 1:
            raise ConfigError(f"frame_stack {self.frame_stack} is below 1")


class Observer:
    """Builds observations. Remembers the episode's start pose and the frames to stack."""

    def __init__(
        self,
        config: ObservationConfig,
        *,
        robot: RobotSpec,
        arm: str,
        gripper: str,
        frame: Literal["tcp", "base"],
        cameras: Mapping[str, CameraSpec],
        trackers: Collection[str],
    ) -> None:
        self._config = config
        self._arm = arm
        self._gripper = gripper if config.gripper and isinstance(robot.parts.get(gripper), GripperSpec) else None
        self._in_tcp_axes = frame == "tcp"
        self.cameras = _chosen_cameras(config, cameras)
        """Names of the observed cameras."""
        self.trackers = _needed_trackers(config.objects, trackers)
        """Names of the trackers that must be read, those that only serve as a frame included."""
        self._resizers = {
            f"image/{name}": ImageResizer(cameras[name], config.crops.get(name), config.image_size) for name in self.cameras
        }
        rotation = "rotation" if config.rotation == "rotvec" else "rotation_columns"
        self._arm_keys = tuple(
            (quantity, f"state/{arm}/{rotation if quantity == 'rotation' else quantity}") for quantity in config.arm_quantities
        )
        self._object_keys = tuple(
            (name, frame_name, f"state/{name}/position", f"state/{name}/{rotation}")
            for name, frame_name in config.objects.items()
        )
        self._frames = set(config.objects.values()) - {"base"}
        self._start_inverse: Pose | None = None
        self._history: deque[Observation] = deque(maxlen=config.frame_stack)
        self.spec = self._array_specs(part_spec(robot, arm, ArmSpec))
        """By key, frame stack included."""

    def begin_episode(self, state: RobotState) -> None:
        """Take the arm's pose in `state` as the episode's start, and forget earlier observations."""
        self._history.clear()
        self._start_inverse = part_state(state, self._arm, ArmState).pose.inverse()

    def observe(self, state: RobotState, objects: Mapping[str, Pose], images: Mapping[str, np.ndarray]) -> Observation:
        """Return the observation.

        Args:
            state: Of all parts.
            objects: T_base_object by the names in `trackers`.
            images: uint8 [H, W, 3] by the names in `cameras`.
        """
        obs = self._observe_robot(state)
        if self._object_keys:
            frames = {"tcp": part_state(state, self._arm, ArmState).pose, **objects}
            inverses = {frame: frames[frame].inverse() for frame in self._frames}
            for name, frame, position_key, rotation_key in self._object_keys:
                pose = objects[name] if frame == "base" else inverses[frame] @ objects[name]
                obs[position_key] = pose.position.astype(np.float32)
                obs[rotation_key] = self._rotation(pose)
        for name, (key, resize) in zip(self.cameras, self._resizers.items(), strict=True):
            obs[key] = resize(images[name])
        return obs if self._config.frame_stack == 1 else self._stacked(obs)

    def _observe_robot(self, state: RobotState) -> Observation:
        arm = part_state(state, self._arm, ArmState)
        if self._start_inverse is None:
            raise RuntimeError("observe was called before begin_episode")
        pose = self._start_inverse @ arm.pose if self._config.relative else arm.pose
        to_axes = quaternion_conjugate(arm.pose.quaternion) if self._in_tcp_axes else None
        obs: Observation = {}
        for quantity, key in self._arm_keys:
            if quantity == "height":
                obs[key] = arm.pose.position[2:].astype(np.float32)
            elif quantity == "position":
                obs[key] = pose.position.astype(np.float32)
            elif quantity == "rotation":
                obs[key] = self._rotation(pose)
            elif quantity in ("twist", "wrench"):
                obs[key] = _six_in_axes(getattr(arm, quantity), to_axes)
            else:
                obs[key] = getattr(arm, quantity).astype(np.float32)
        if self._config.tool_pose:
            obs[f"pose/{self._arm}"] = np.concatenate([arm.pose.position, arm.pose.quaternion], dtype=np.float32)
        if self._gripper is not None:
            opening = part_state(state, self._gripper, GripperState).opening
            obs[f"state/{self._gripper}/opening"] = np.array([max(opening, self._config.min_opening)], dtype=np.float32)
        return obs

    def _rotation(self, pose: Pose) -> np.ndarray:
        if self._config.rotation == "rotvec":
            return pose.rotvec.astype(np.float32)
        return quaternion_to_matrix(pose.quaternion)[:, :2].T.ravel().astype(np.float32)

    def _stacked(self, obs: Observation) -> Observation:
        """Return the newest observations joined, oldest first; the first of an episode is repeated."""
        self._history.append(obs)
        missing = self._config.frame_stack - len(self._history)
        frames = [self._history[0]] * missing + list(self._history)
        return {key: np.concatenate([frame[key] for frame in frames], axis=-1) for key in obs}

    def _array_specs(self, arm: ArmSpec) -> dict[str, ArraySpec]:
        turn = 3 if self._config.rotation == "rotvec" else 6
        joints = arm.num_joints
        sizes = {"height": 1, "position": 3, "rotation": turn, "twist": 6, "wrench": 6, "qpos": joints, "qvel": joints}
        shapes: dict[str, tuple[int, ...]] = {key: (sizes[quantity],) for quantity, key in self._arm_keys}
        if self._config.tool_pose:
            shapes[f"pose/{self._arm}"] = (7,)
        if self._gripper is not None:
            shapes[f"state/{self._gripper}/opening"] = (1,)
        for _, _, position_key, rotation_key in self._object_keys:
            shapes |= {position_key: (3,), rotation_key: (turn,)}
        shapes |= {key: resizer.shape for key, resizer in self._resizers.items()}
        stack = self._config.frame_stack
        return {
            key: ArraySpec((*shape[:-1], shape[-1] * stack), "uint8" if key.startswith("image/") else "float32")
            for key, shape in shapes.items()
        }


def _six_in_axes(six: np.ndarray, to_axes: np.ndarray | None) -> np.ndarray:
    """Return a twist or wrench [6] by diag(R, R): both halves rotated, neither moved to another point."""
    if to_axes is None:
        return six.astype(np.float32)
    turned = np.empty(6, dtype=np.float32)
    turned[:3] = rotate(to_axes, six[:3])
    turned[3:] = rotate(to_axes, six[3:])
    return turned


def _chosen_cameras(config: ObservationConfig, cameras: Mapping[str, CameraSpec]) -> tuple[str, ...]:
    unknown = sorted({*(config.cameras or ()), *config.crops} - set(cameras))
    if unknown:
        raise ConfigError(f"no camera {unknown[0]!r} to observe; there are: {', '.join(sorted(cameras)) or 'none'}")
    return tuple(cameras) if config.cameras is None else config.cameras


def _needed_trackers(objects: Mapping[str, str], trackers: Collection[str]) -> tuple[str, ...]:
    needed = dict.fromkeys(name for pair in objects.items() for name in pair if name not in ("tcp", "base"))
    unknown = [name for name in needed if name not in trackers]
    if unknown:
        raise ConfigError(f"no tracker {unknown[0]!r} to observe; there are: {', '.join(sorted(trackers)) or 'none'}")
    return tuple(needed)
