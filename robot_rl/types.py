"""The values that cross the seams: observations, robot states, commands, transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from robot_rl.geometry import Pose

Observation = dict[str, np.ndarray]
"""Flat keys: ``state/<part>/<quantity>`` float32 [D]; ``image/<camera>`` uint8 [H, W, 3], RGB; and ``pose/<arm>`` float32 [7],
T_base_tcp, which is recorded and not acted upon."""

Metrics = dict[str, float]
"""Path-like names (``critic/loss``) to scalars."""


@dataclass(frozen=True, slots=True)
class ArmState:
    """What a robot arm measured."""

    pose: Pose
    """T_base_tcp: maps tcp coordinates to base coordinates."""
    twist: np.ndarray
    """[6], linear m/s then angular rad/s of the tcp, base axes."""
    wrench: np.ndarray
    """[6], N then Nm that the surroundings exert on the tool at the tcp, base axes."""
    qpos: np.ndarray
    """[J], rad."""
    qvel: np.ndarray
    """[J], rad/s."""
    stamp: float
    """s, on the robot's clock."""


@dataclass(frozen=True, slots=True)
class GripperState:
    """What a gripper measured."""

    opening: float
    """0 closed .. 1 open."""
    stamp: float
    """s, on the robot's clock."""


@dataclass(frozen=True, slots=True)
class JointState:
    """What a chain of joints without a tcp measured (a hand, say)."""

    qpos: np.ndarray
    """[J], rad."""
    qvel: np.ndarray
    """[J], rad/s."""
    stamp: float
    """s, on the robot's clock."""


@dataclass(frozen=True, slots=True)
class DriveState:
    """What a wheeled base measured."""

    speed: float
    """m/s, forward."""
    steering: float
    """rad, left positive."""
    stamp: float
    """s, on the robot's clock."""


PartState = ArmState | GripperState | JointState | DriveState
RobotState = dict[str, PartState]


@dataclass(frozen=True, slots=True)
class ArmTarget:
    """Where the impedance spring of an arm is anchored."""

    pose: Pose
    """T_base_tcp wanted."""


@dataclass(frozen=True, slots=True)
class GripperTarget:
    """How far a gripper shall open."""

    opening: float
    """0 closed .. 1 open."""


@dataclass(frozen=True, slots=True)
class JointTarget:
    """Where a chain of joints shall go."""

    qpos: np.ndarray
    """[J], rad."""


@dataclass(frozen=True, slots=True)
class DriveTarget:
    """How a wheeled base shall drive."""

    speed: float
    """m/s, forward."""
    steering: float
    """rad, left positive."""


PartTarget = ArmTarget | GripperTarget | JointTarget | DriveTarget
Command = dict[str, PartTarget]


@dataclass(frozen=True, slots=True)
class Frame:
    """One camera image."""

    image: np.ndarray
    """uint8 [H, W, 3], RGB."""
    stamp: float
    """s, on the robot's clock."""


@dataclass(frozen=True, slots=True)
class TeleopInput:
    """What a person did since the last read."""

    action: np.ndarray | None = None
    """[A] in [-1, 1], or None: hands off."""
    success: bool = False
    failure: bool = False
    discard: bool = False
    pause: bool = False
    """Tapped: hold the robot, or go on."""
    stop: bool = False


@dataclass(frozen=True, slots=True)
class DeviceInput:
    """What a hand did on an input device since the last read, before anything is known of the robot.

    Motions are of now; everything that is tapped is latched by the device, so that a tap between two reads is never lost.
    """

    motion: Mapping[str, float] = field(default_factory=dict)
    """Axis to -1..1, of ``x y z roll pitch yaw`` (the tcp's velocity as the person sees it: x away, y left, z up, rotation
    vector along the same axes; `TakeOver` turns it into the action's frame) or the name of an action dimension, as it is; an
    axis that is left out stands still. A key tapped since the last read moves for this one."""
    gripper: float | None = None
    """Opening that a hand asked for since the last read, -1 closed .. 1 open; None: it did not touch that control."""
    is_touched: bool = False
    """Whether a hand moved the device since the last read, the gripper's control included."""
    is_held: bool = False
    """Whether the button that takes over is down now."""
    is_tapped: bool = False
    """Whether that button went down since the last read."""
    success: bool = False
    failure: bool = False
    discard: bool = False
    pause: bool = False
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """One control step of an environment, as it is stored.

    `terminated` alone cuts the bootstrap; `truncated` covers time limits, takeovers and device faults.
    """

    obs: Observation
    action: np.ndarray
    """[A] in [-1, 1]: what entered the action mapping (the human's if they intervened, the reflex's if it acted), before the
    safety clamp."""
    reward: float
    next_obs: Observation
    terminated: bool
    truncated: bool
    success: bool = False
    policy_action: np.ndarray | None = None
    """[A]: what the policy wanted; None means that it is `action`."""
    is_intervention: bool = False
    clamped: bool = False
    """Whether the safety limit changed the command."""
    policy_version: int = 0
    stamp: float = 0.0
    """s since the first observation of the episode, when `obs` was measured."""


@dataclass(frozen=True, slots=True)
class EpisodeInfo:
    """Provenance of an episode, written beside it."""

    task: str
    source: str
    """`demo`, `policy`, `evaluation`, ..."""
    seed: int | None = None
    extra: Mapping[str, str | int | float | bool] = field(default_factory=dict)
