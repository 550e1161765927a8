"""What components promise about themselves, readable before any device is connected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from robot_rl.errors import ConfigError

ACTION_FRAME = "action/frame"
"""Key of `EnvSpec.extra`: along whose axes an action moves the tool, `tcp` or `base`."""


@dataclass(frozen=True, slots=True)
class ArmSpec:
    """Limits of a Cartesian-controlled arm. Vectors are tuples so that a spec is hashable and prints well."""

    num_joints: int
    qpos_low: tuple[float, ...]
    """[J], rad."""
    qpos_high: tuple[float, ...]
    """[J], rad."""
    workspace_low: tuple[float, float, float]
    """[3], m, base frame: the tcp stays inside this box."""
    workspace_high: tuple[float, float, float]
    """[3], m, base frame."""
    max_tcp_speed: float = 0.5
    """m/s."""
    max_tcp_angular_speed: float = 2.0
    """rad/s."""
    max_tilt: float = 0.6
    """rad between the tool's z axis and `tool_axis`."""
    tool_axis: tuple[float, float, float] = (0.0, 0.0, -1.0)
    """[3], unit, base frame: the tcp's z axis at rest (tool down)."""
    stiffness: tuple[float, float] = (1000.0, 50.0)
    """N/m and Nm/rad of the impedance spring."""
    max_spring: tuple[float, float] = (0.02, 0.3)
    """m and rad at which the spring's force saturates; the bound on contact force is stiffness times this."""

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.workspace_low, self.workspace_high, strict=True)):
            raise ConfigError(f"workspace_low {self.workspace_low} is not below workspace_high {self.workspace_high}")
        if not len(self.qpos_low) == len(self.qpos_high) == self.num_joints:
            raise ConfigError(
                f"qpos_low has {len(self.qpos_low)} and qpos_high {len(self.qpos_high)} entries for {self.num_joints} joints"
            )


@dataclass(frozen=True, slots=True)
class GripperSpec:
    """Limits of a gripper."""

    max_width: float = 0.08
    """m between the fingers when open."""
    max_speed: float = 4.0
    """openings (0..1) per s."""


@dataclass(frozen=True, slots=True)
class JointSpec:
    """Limits of a joint-controlled chain."""

    qpos_low: tuple[float, ...]
    """[J], rad."""
    qpos_high: tuple[float, ...]
    """[J], rad."""
    max_qvel: float = 2.0
    """rad/s."""


@dataclass(frozen=True, slots=True)
class DriveSpec:
    """Limits of a wheeled base."""

    max_speed: float
    """m/s."""
    max_steering: float
    """rad."""


PartSpec = ArmSpec | GripperSpec | JointSpec | DriveSpec


@dataclass(frozen=True, slots=True)
class ClearanceSpec:
    """How far apart the tools of two arms stay: capsules from each tcp back along the tool's z axis."""

    arms: tuple[str, str]
    """Two arm parts."""
    base_position: tuple[float, float, float]
    """[3], m: where the second arm's base stands, in the first one's base frame."""
    base_rotvec: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """[3], rad: how it is turned there."""
    tool_length: float = 0.25
    """m of a capsule's axis; at least gripper and flange."""
    tool_radius: float = 0.08
    """m of a capsule."""
    margin: float = 0.05
    """m between the capsules' surfaces; more than the arms travel beyond a target at full speed."""

    def __post_init__(self) -> None:
        if len(set(self.arms)) != 2:
            raise ConfigError(f"a clearance is between two different arms, not {self.arms}")
        if not (self.tool_length >= 0 and self.tool_radius > 0 and self.margin > 0):
            raise ConfigError(
                f"tool_length {self.tool_length} must not be negative, tool_radius {self.tool_radius} and margin {self.margin} "
                "must be positive"
            )


@dataclass(frozen=True, slots=True)
class RobotSpec:
    """A robot as a set of named parts."""

    name: str
    parts: Mapping[str, PartSpec]
    clearances: tuple[ClearanceSpec, ...] = ()
    """Between arms that reach each other."""

    def __post_init__(self) -> None:
        for arm in (arm for clearance in self.clearances for arm in clearance.arms):
            if not isinstance(self.parts.get(arm), ArmSpec):
                raise ConfigError(
                    f"clearance of {arm!r}, which is no arm of robot {self.name!r}; it has: {', '.join(self.parts)}"
                )


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """What a camera delivers."""

    name: str
    height: int
    width: int
    rate_hz: float = 30.0


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """What the numbers of an action [A] in [-1, 1] mean.

    A three-way discrete dimension takes -1, 0 or 1 (close, stay, open); any other value is read by thresholds at +-0.5.
    """

    names: tuple[str, ...]
    """[A], for example `arm/x`, `arm/yaw`, `gripper`."""
    discrete: tuple[int, ...] = ()
    """Indices of three-way discrete dimensions, ascending."""

    def __post_init__(self) -> None:
        if any(not 0 <= index < len(self.names) for index in self.discrete):
            raise ConfigError(f"discrete dimensions {self.discrete} are not in 0..{len(self.names) - 1}")

    @property
    def dim(self) -> int:
        """A."""
        return len(self.names)

    @property
    def axes(self) -> tuple[str, ...]:
        """[A], the last part of each name: of `arm/x`, `x`; of `gripper`, `gripper`."""
        return tuple(name.rpartition("/")[2] for name in self.names)

    @property
    def continuous(self) -> tuple[int, ...]:
        """Indices of the continuous dimensions, ascending."""
        return tuple(index for index in range(self.dim) if index not in self.discrete)


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """Shape and type of one observation entry."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    variants: int = 1
    """In replay: versions [variants, *shape] kept of an entry, of which a batch gets one at random (augmentation)."""

    @property
    def nbytes(self) -> int:
        """Bytes of one entry."""
        return int(np.prod(self.shape, dtype=int)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """All that agents, replay and episode stores need to know of an environment. Plain data, written as JSON into every run."""

    name: str
    obs: Mapping[str, ArraySpec]
    action: ActionSpec
    control_dt: float
    """s."""
    max_steps: int
    """Episode length at which the environment truncates."""
    extra: Mapping[str, str] = field(default_factory=dict)
