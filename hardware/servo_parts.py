"""Parts of a robot made of bus servos: joints that are an arm, a gripper or a hand, and how each turns a target into angles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hardware.serial_chain import Reached, SerialChain
from hardware.servo_bus import ServoReading
from hardware.servo_calibration import JointCalibration
from hardware.servo_table import RAD_PER_COUNT
from robot_rl.geometry import Pose
from robot_rl.specs import ArmSpec, GripperSpec, JointSpec, PartSpec
from robot_rl.types import ArmState, ArmTarget, GripperState, GripperTarget, JointState, JointTarget, PartState, PartTarget


@dataclass(frozen=True, slots=True)
class ServoPart:
    """A part and the joints it has. An ArmSpec needs a `chain`, a GripperSpec has one joint."""

    spec: PartSpec
    joints: Mapping[str, JointCalibration]
    """In order."""
    torque_limit: float
    """Share of the stall torque that its servos may use."""
    max_reference_error_rad: float
    """How far the goal of a joint may be from where it is: with the servo's stiffness, how hard it presses on what is there."""
    chain: SerialChain | None = None

    @property
    def ids(self) -> tuple[int, ...]:
        """Servos, in order of the joints."""
        return tuple(joint.id for joint in self.joints.values())

    def state(self, readings: Mapping[int, ServoReading], stamp: float) -> PartState:
        """Return what the part measured."""
        qpos, qvel = self._qpos(readings), self._qvel(readings)
        if isinstance(self.spec, ArmSpec) and self.chain is not None:
            twist = self.chain.jacobian(qpos) @ qvel
            return ArmState(self.chain.forward(qpos), twist, np.zeros(6), qpos, qvel, stamp)  # servos measure no force
        if isinstance(self.spec, GripperSpec):
            (joint,) = self.joints.values()
            return GripperState(joint.opening(readings[joint.id].position), stamp)
        return JointState(qpos, qvel, stamp)

    def goals(self, name: str, target: PartTarget, readings: Mapping[int, ServoReading]) -> tuple[dict[int, int], PartTarget]:
        """Return the goal of each servo, counts, and the target that these goals mean.

        Raises:
            ValueError: If the target is of another kind, or has a number that is not finite.
        """
        if isinstance(target, GripperTarget) and isinstance(self.spec, GripperSpec):
            _require_finite(name, [target.opening])
            (joint,) = self.joints.values()
            here, wanted = readings[joint.id].position, joint.opened(target.opening)
            reach = round(self.max_reference_error_rad / RAD_PER_COUNT)
            goal = min(max(wanted, here - reach, joint.range_min), here + reach, joint.range_max)
            told = target if goal == wanted and 0 <= target.opening <= 1 else GripperTarget(joint.opening(goal))
            return {joint.id: goal}, told
        qpos = self._qpos(readings)
        if isinstance(target, JointTarget) and isinstance(self.spec, JointSpec):
            _require_finite(name, target.qpos.tolist())
            if target.qpos.shape != qpos.shape:
                raise ValueError(f"{name} target has {target.qpos.size} joints; it has {len(qpos)}: {', '.join(self.joints)}")
            goal = self._within_reach(target.qpos, qpos)
            return self._counts(goal), JointTarget(goal)
        if isinstance(target, ArmTarget) and isinstance(self.spec, ArmSpec) and self.chain is not None:
            _require_finite(name, [*target.pose.position.tolist(), *target.pose.quaternion.tolist()])
            goal = self._within_reach(self.solved(target.pose, qpos).qpos, qpos)
            return self._counts(goal), ArmTarget(self.chain.forward(goal))
        raise ValueError(f"part {name!r} is a {type(self.spec).__name__} and cannot follow a {type(target).__name__}")

    def solved(self, pose: Pose, qpos: np.ndarray) -> Reached:
        """Return the joint angles near `qpos` [J] that bring the tool to `pose`, or as near as they can."""
        if self.chain is None or not isinstance(self.spec, ArmSpec):
            raise ValueError("this part has no tool")
        return self.chain.inverse(pose, qpos, np.array(self.spec.qpos_low), np.array(self.spec.qpos_high))

    def _within_reach(self, wanted: np.ndarray, qpos: np.ndarray) -> np.ndarray:
        """Return `wanted` [J], no joint further from where it is than the reference error, and inside its range."""
        limits = np.array([joint.limits for joint in self.joints.values()])  # (J, 2)
        reach = self.max_reference_error_rad
        return np.clip(np.clip(wanted, qpos - reach, qpos + reach), limits[:, 0], limits[:, 1])

    def _counts(self, qpos: np.ndarray) -> dict[int, int]:
        return {joint.id: joint.position(angle) for joint, angle in zip(self.joints.values(), qpos.tolist(), strict=True)}

    def _qpos(self, readings: Mapping[int, ServoReading]) -> np.ndarray:
        return np.array([joint.angle(readings[joint.id].position) for joint in self.joints.values()])

    def _qvel(self, readings: Mapping[int, ServoReading]) -> np.ndarray:
        return np.array([joint.sign * readings[joint.id].speed for joint in self.joints.values()])


def limits_of(joints: Mapping[str, JointCalibration]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the least and the greatest angles [J], rad."""
    low, high = zip(*(joint.limits for joint in joints.values()), strict=True)
    return low, high


def _require_finite(name: str, numbers: list[float]) -> None:
    if not math.isfinite(sum(numbers)):
        raise ValueError(f"{name} target is not finite: {numbers}")
