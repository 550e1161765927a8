"""Robots of bus servos from a description: an arm with a known chain, its gripper, and a hand of the joints that are left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from hardware.serial_chain import SerialChain
from hardware.servo_bus import ServoBus
from hardware.servo_calibration import JointCalibration, load_calibration
from hardware.servo_parts import ServoPart, limits_of
from hardware.servo_robot import ServoConfig, ServoRobot
from robot_rl.errors import ConfigError
from robot_rl.protocols import Clock
from robot_rl.specs import ArmSpec, GripperSpec, JointSpec


@dataclass(frozen=True, slots=True)
class ArmModel:
    """An arm as its maker describes it. Its angles are zero where the calibration says."""

    joints: tuple[str, ...]
    """From the base to the tool, as the calibration file calls them."""
    chain: SerialChain
    gripper: str | None
    """Joint of the gripper; None: it has none."""
    workspace_low: tuple[float, float, float]
    """[3], m, base frame."""
    workspace_high: tuple[float, float, float]
    """[3], m, base frame."""
    max_tilt: float
    """rad that the tool may be away from pointing down."""
    stall_torque: float
    """Nm."""
    lever: float
    """m from the shoulder to a tool in the middle of the workspace."""
    max_spring: tuple[float, float]
    """m and rad that a target may be away from a blocked tool."""
    nominal: Mapping[str, JointCalibration]
    """Ids and ranges that its maker gives, for the limits of an arm that is not calibrated yet and cannot be connected."""
    gripper_width: float
    """m between the fingers when open."""
    max_tcp_speed: float = 0.25
    """m/s."""
    max_tcp_angular_speed: float = 1.5
    """rad/s."""


@dataclass(frozen=True, slots=True)
class ServoLimits:
    """How hard a robot of servos may press. Options of a station file; those of ServoConfig may stand beside them."""

    torque_limit: float = 0.6
    """share of the stall torque that the joints of an arm may use"""
    gripper_torque_limit: float = 0.4
    """the same of a gripper and of a hand"""
    max_reference_error_rad: float = 0.3
    """how far a joint's goal may be from where it is"""
    config: ServoConfig = field(default_factory=ServoConfig)

    def __post_init__(self) -> None:
        for name in ("torque_limit", "gripper_torque_limit"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"servo {name} {getattr(self, name):g} is not a share of the stall torque, in 0..1")
        if not self.max_reference_error_rad > 0:
            raise ConfigError(f"servo max_reference_error_rad {self.max_reference_error_rad:g} is not positive")


def servo_limits(options: Mapping[str, float | bool]) -> ServoLimits:
    """Return the limits that a station's options say. Raises ConfigError that lists the options, if one is unknown."""
    of_config = {each.name for each in fields(ServoConfig)}
    of_limits = {each.name for each in fields(ServoLimits)} - {"config"}
    if unknown := set(options) - of_config - of_limits:
        known = ", ".join(sorted(of_config | of_limits))
        raise ConfigError(f"servo robots have no option {unknown.pop()!r}; they have: {known}")
    config = ServoConfig(**{name: value for name, value in options.items() if name in of_config})  # type: ignore[arg-type]
    return ServoLimits(**{name: float(value) for name, value in options.items() if name in of_limits}, config=config)


def build_servo_robot(
    name: str,
    make_bus: Callable[[Mapping[int, str]], ServoBus],
    calibration: str,
    joints: tuple[str, ...],
    limits: ServoLimits,
    model: ArmModel | None,
    clock: Clock | None,
) -> ServoRobot:
    """Return a robot, not connected: of `joints`, those that `model` names are `arm` and `gripper`, and others are `hand`.

    An arm without a calibration file can be built, as its maker describes it, so that a station can be looked at before
    anything is plugged in; it says so when it is connected.
    """
    nominal = None if model is None or Path(calibration).exists() else model.nominal
    calibrated = load_calibration(calibration, joints) if nominal is None else nominal
    parts = servo_parts(calibrated, limits, model)
    bus = make_bus({joint.id: joint_name for joint_name, joint in calibrated.items()})
    return ServoRobot(name, bus, parts, limits.config, clock, uncalibrated=None if nominal is None else calibration)


def servo_parts(joints: Mapping[str, JointCalibration], limits: ServoLimits, model: ArmModel | None) -> dict[str, ServoPart]:
    """Return the parts of a robot with these joints."""
    parts: dict[str, ServoPart] = {}
    error = limits.max_reference_error_rad
    taken: tuple[str, ...] = ()
    if model is not None:
        arm = {joint: joints[joint] for joint in model.joints}
        spec = arm_spec(model, arm, limits.torque_limit)
        parts["arm"] = ServoPart(spec, arm, limits.torque_limit, error, model.chain)
        taken = model.joints
        if model.gripper is not None:
            gripper = GripperSpec(max_width=model.gripper_width, max_speed=2.0)
            fingers = {model.gripper: joints[model.gripper]}
            parts["gripper"] = ServoPart(gripper, fingers, limits.gripper_torque_limit, error)
            taken = (*taken, model.gripper)
    if hand := {joint: calibration for joint, calibration in joints.items() if joint not in taken}:
        low, high = limits_of(hand)
        parts["hand"] = ServoPart(JointSpec(low, high, limits.config.max_qvel), hand, limits.gripper_torque_limit, error)
    return parts


def arm_spec(model: ArmModel, joints: Mapping[str, JointCalibration], torque_limit: float) -> ArmSpec:
    """Return the limits of an arm that may use this share of its torque; its stiffness is what that comes to at the tool."""
    low, high = limits_of(joints)
    torque = torque_limit * model.stall_torque
    return ArmSpec(
        num_joints=len(joints),
        qpos_low=low,
        qpos_high=high,
        workspace_low=model.workspace_low,
        workspace_high=model.workspace_high,
        max_tcp_speed=model.max_tcp_speed,
        max_tcp_angular_speed=model.max_tcp_angular_speed,
        max_tilt=model.max_tilt,
        stiffness=(torque / model.lever / model.max_spring[0], torque / model.max_spring[1]),
        max_spring=model.max_spring,
    )
