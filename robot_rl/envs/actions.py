"""What the numbers of an action mean: the mapping from [A] in [-1, 1] to a command for the robot's parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robot_rl.envs.parts import part_spec, part_state
from robot_rl.envs.regrasp import RAISE_M, Regrasp
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose, quaternion_conjugate, quaternion_multiply, rotate, rotvec_to_quaternion
from robot_rl.specs import ActionSpec, ArmSpec, GripperSpec, RobotSpec
from robot_rl.types import ArmState, ArmTarget, Command, GripperState, GripperTarget, RobotState

AXES = ("x", "y", "z", "roll", "pitch", "yaw")
RANGE_SLACK = 1e-6
"""Rounding to float32 may carry a policy's tanh this far past 1."""


@dataclass(frozen=True, slots=True)
class ActionConfig:
    """A change of the tcp pose per control step, and the gripper."""

    part: str = "arm"
    """the arm that is moved"""
    frame: Literal["tcp", "base"] = "tcp"
    """axes of the change: the tool's own or the robot's base"""
    axes: tuple[str, ...] = ("x", "y", "z", "yaw")
    """which of x y z roll pitch yaw the policy moves; roll, pitch and yaw are the rotation vector's components"""
    position_scale_m: float = 0.02
    """m moved by an action of 1"""
    rotation_scale_rad: float = 0.1
    """rad turned by an action of 1"""
    reference: Literal["measured", "target"] = "measured"
    """what the change is added to: the measured pose, or the last target kept within the spring's range of it"""
    gripper: Literal["none", "continuous", "discrete"] = "none"
    """none: left alone; continuous: -1 closed to 1 open; discrete: -1 close, 0 stay, 1 open"""
    gripper_part: str = "gripper"
    """the gripper that is moved"""
    empty_opening: float = 0.0
    """0..1: a gripper that was told to close and measures less holds nothing. With `EnvOptions.regrasp` it then opens and goes
    up by 6 cm, whatever is asked meanwhile, so that the grasp can be tried again; 0: it does as told"""

    def __post_init__(self) -> None:
        unknown = [axis for axis in self.axes if axis not in AXES]
        if unknown or len(set(self.axes)) != len(self.axes):
            raise ConfigError(f"axes {self.axes} must be distinct and of: {', '.join(AXES)}")
        if not self.axes and self.gripper == "none":
            raise ConfigError("an action needs at least one axis or the gripper")
        if not 0.0 <= self.empty_opening < 1.0:
            raise ConfigError(f"empty_opening {self.empty_opening:g} is not at least 0 and below 1")
        if self.empty_opening > 0.0 and (self.gripper == "none" or not {"x", "y", "z"} <= {*self.axes}):
            raise ConfigError(
                f"empty_opening {self.empty_opening:g} needs a gripper and x, y and z to be moved; "
                f"axes are {self.axes} and gripper is {self.gripper!r}"
            )
        if not (self.position_scale_m > 0 and self.rotation_scale_rad > 0):
            raise ConfigError(
                f"position_scale_m {self.position_scale_m} and rotation_scale_rad {self.rotation_scale_rad} must be positive"
            )


class ActionMapper:
    """Turns actions into commands. Remembers, within an episode, the gripper's wish and the last target sent."""

    def __init__(self, config: ActionConfig, robot: RobotSpec) -> None:
        self._config = config
        self._arm = part_spec(robot, config.part, ArmSpec)
        names = [f"{config.part}/{axis}" for axis in config.axes]
        if config.gripper != "none":
            part_spec(robot, config.gripper_part, GripperSpec)
            names.append(config.gripper_part)
        discrete = (len(names) - 1,) if config.gripper == "discrete" else ()
        self.spec = ActionSpec(tuple(names), discrete)
        scales = (config.position_scale_m,) * 3 + (config.rotation_scale_rad,) * 3
        self._axes = tuple((AXES.index(axis), scales[AXES.index(axis)]) for axis in config.axes)
        self._opening: float | None = None
        self._anchor: Pose | None = None
        self._regrasp = Regrasp(config.empty_opening)

    def begin_episode(self) -> None:
        """Forget the last episode's targets."""
        self._regrasp.begin_episode()
        self._opening = None
        self._anchor = None

    def check(self, action: np.ndarray) -> np.ndarray:
        """Return a copy of `action`, float32 [A] in [-1, 1].

        Raises:
            ValueError: If the shape, a number or the range is wrong; the message names the dimension.
        """
        try:
            checked = np.array(action, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"action {action!r} is not an array of numbers") from error
        if checked.shape != (self.spec.dim,):
            raise ValueError(f"action has shape {checked.shape}; expected ({self.spec.dim},): {', '.join(self.spec.names)}")
        magnitude = [abs(value) for value in checked.tolist()]
        if all(value <= 1 for value in magnitude):
            return checked
        for name, value, asked in zip(self.spec.names, magnitude, checked.tolist(), strict=True):
            if not value <= 1 + RANGE_SLACK:  # written so that NaN fails too
                raise ValueError(f"action {name!r} is {asked:g}; actions are finite numbers in [-1, 1]")
        return np.clip(checked, -1, 1)

    def executed(self, action: np.ndarray, state: RobotState) -> np.ndarray:
        """Return what is done in `state` when `action`, float32 [A] in [-1, 1], is asked for: itself, or the reflex's action.

        Once a control step, before `command`. That the reflex is an action lets critics learn what it is worth: transitions
        with what was asked for meanwhile would tell them that it does not matter what a hand above an object is told.
        """
        if self._config.empty_opening == 0.0:
            return action
        wished = self._wished_opening(float(action[-1]))
        if not self._regrasp.acts(wished, part_state(state, self._config.gripper_part, GripperState)):
            return action
        return self._upwards(part_state(state, self._config.part, ArmState).pose)

    def command(self, action: np.ndarray, state: RobotState) -> Command:
        """Return what `action`, float32 [A] in [-1, 1], asks of the robot in `state`."""
        values = action.tolist()
        delta = [0.0] * 6
        for (slot, scale), value in zip(self._axes, values, strict=False):
            delta[slot] = value * scale
        if self._config.gripper != "none":
            self._opening = self._wished_opening(values[-1])
        arm = part_state(state, self._config.part, ArmState)
        command: Command = {self._config.part: ArmTarget(self._moved(arm.pose, delta))}
        if self._opening is not None:
            command[self._config.gripper_part] = GripperTarget(self._opening)
        return command

    def sent(self, command: Command) -> None:
        """Remember what the robot was really told: the next change of a `target` reference starts there."""
        target = command.get(self._config.part)
        if isinstance(target, ArmTarget):
            self._anchor = target.pose

    def _upwards(self, tool: Pose) -> np.ndarray:
        """Return the action float32 [A] that opens the hand and takes it up by RAISE_M, or as far as one action can."""
        up = np.array([0.0, 0.0, RAISE_M]) / self._config.position_scale_m
        if self._config.frame == "tcp":
            up = rotate(quaternion_conjugate(tool.quaternion), up)
        up /= max(1.0, np.abs(up).max())
        moves = [up[slot] if slot < 3 else 0.0 for slot, _ in self._axes]
        return np.array([*moves, 1.0], np.float32)

    def _moved(self, measured: Pose, delta: list[float]) -> Pose:
        """Return the measured pose, or the last target, moved by `delta` [6], m and rad, along the axes of the action."""
        frame = self._config.frame
        if self._config.reference == "measured" or self._anchor is None:
            return displace(measured, delta, frame)
        return leash(displace(self._anchor, delta, frame), measured, self._arm.max_spring)

    def _wished_opening(self, value: float) -> float | None:
        """Return the opening, 0..1, that `value` asks for. Until a discrete gripper is first told, it keeps its grip."""
        if self._config.gripper == "continuous":
            return (value + 1) / 2
        if abs(value) > 0.5:
            return 1.0 if value > 0 else 0.0
        return self._opening


def motions(spec: ActionSpec) -> np.ndarray:
    """Return which dimensions of an action move an arm, bool [A]; the others are grippers', or of foreign environments."""
    return np.array([axis in AXES for axis in spec.axes])


def displace(pose: Pose, delta: list[float], frame: Literal["tcp", "base"]) -> Pose:
    """Return `pose` moved by `delta` [6], m then rotation vector in rad, both along the axes of `frame`.

    A change transforms between the frames by diag(R, R): in the base frame the tool turns about the tcp and not about
    the base's origin.
    """
    shift, turn = np.array(delta[:3]), rotvec_to_quaternion(np.array(delta[3:]))
    if frame == "tcp":
        return Pose(pose.position + rotate(pose.quaternion, shift), quaternion_multiply(pose.quaternion, turn))
    return Pose(pose.position + shift, quaternion_multiply(turn, pose.quaternion))


def leash(target: Pose, measured: Pose, max_spring: tuple[float, float]) -> Pose:
    """Return `target` drawn to within `max_spring` (m, rad) of `measured`, so that a blocked arm does not wind up."""
    max_distance, max_angle = max_spring
    offset = target.position - measured.position
    distance = math.hypot(*offset.tolist())
    if distance > max_distance:
        offset *= max_distance / distance
    turn = Pose(offset, quaternion_multiply(target.quaternion, quaternion_conjugate(measured.quaternion))).rotvec
    angle = math.hypot(*turn.tolist())
    if angle > max_angle:
        turn *= max_angle / angle
    return Pose(measured.position + offset, quaternion_multiply(rotvec_to_quaternion(turn), measured.quaternion))
