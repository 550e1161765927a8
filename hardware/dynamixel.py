"""Arms and hands of Dynamixel X servos, on Robotis' bus (protocol 2.0); a leader arm of them too."""

from __future__ import annotations

import json
import math
from pathlib import Path

from hardware.serial_chain import Hinge, SerialChain
from hardware.servo_arm import ArmModel, build_servo_robot, servo_limits
from hardware.servo_bus import dynamixel_bus
from hardware.servo_calibration import JointCalibration, load_calibration
from hardware.servo_leader import ServoJointReader
from hardware.servo_robot import ServoRobot
from hardware.servo_table import DYNAMIXEL_X
from hardware.teleop_leader import LeaderArm
from robot_rl.errors import ConfigError
from robot_rl.protocols import Clock
from robot_rl.registry import resolve

Y = (0.0, 1.0, 0.0)
OPEN_MANIPULATOR_X = ArmModel(
    joints=("joint1", "joint2", "joint3", "joint4"),
    chain=SerialChain(
        (
            Hinge((0.012, 0.0, 0.017)),
            Hinge((0.0, 0.0, 0.0595), axis=Y),
            Hinge((0.024, 0.0, 0.128), axis=Y),
            Hinge((0.124, 0.0, 0.0), axis=Y),
        ),
        Hinge((0.126, 0.0, 0.0), (0.0, -math.pi / 2, math.pi)),
    ),
    gripper="gripper",
    workspace_low=(0.10, -0.25, 0.0),
    workspace_high=(0.36, 0.25, 0.35),
    max_tilt=math.pi / 2,
    stall_torque=4.1,  # XM430-W350 at 12 V, from its e-manual
    lever=0.28,
    max_spring=(0.04, 0.4),
    nominal={  # ranges of the URDF file about its zero, at 2048; ids of the e-manual
        "joint1": JointCalibration(11, 0, 0, 205, 3891, 2048),
        "joint2": JointCalibration(12, 0, 0, 881, 3072, 2048),
        "joint3": JointCalibration(13, 0, 0, 1434, 2949, 2048),
        "joint4": JointCalibration(14, 0, 0, 881, 3379, 2048),
        "gripper": JointCalibration(15, 0, 0, 1400, 2700),
    },
    gripper_width=0.075,  # "Gripper Stroke 20~75 mm" of its e-manual
)
"""Robotis' OpenMANIPULATOR-X, frames of its URDF file (open_manipulator_x_arm.urdf.xacro), the tool's z axis turned into the
gripper's direction. Its four joints reach a position and the tool's pitch; the yaw is what the position makes it."""
ARMS = {"open_manipulator_x": "hardware.dynamixel:OPEN_MANIPULATOR_X"}
"""Arms whose tool is driven; an ArmModel of your own is `package.module:NAME`."""
CALIBRATION = "stations/dynamixel_calibration.json"


def make_dynamixel(
    port: str,
    arm: str | None = None,
    calibration: str = CALIBRATION,
    name: str = "dynamixel",
    baudrate: int = DYNAMIXEL_X.baudrate,
    clock: Clock | None = None,
    **options: float | bool,
) -> ServoRobot:
    """Return a robot of Dynamixels, not connected: `arm` and `gripper` of a known arm, all other joints are the part `hand`.

    Args:
        port: The bus adapter, a U2D2 at `/dev/ttyUSB0` or `/dev/serial/by-id/...`.
        arm: A key of ARMS, or `package.module:NAME` of an ArmModel; None: there is a hand only.
        calibration: File made by launch/calibrate_servos.py; its joints are the robot's, in its order.
        name: For messages.
        baudrate: Bits per s that the servos are set to; the makers deliver some with 57600.
        clock: Of the station; None: the wall's.
        **options: Of ServoLimits and ServoConfig.

    Raises:
        ConfigError: If the calibration does not fit (or that of a hand is missing), or an option is wrong.
    """
    model = None if arm is None else resolve(arm, ARMS, "arm of Dynamixels")
    if model is not None and not isinstance(model, ArmModel):
        raise ConfigError(f"arm {arm!r} is a {type(model).__name__}; give an ArmModel")
    named = () if model is None else (*model.joints, *([model.gripper] if model.gripper else []))
    joints, limits = _joints_in(calibration, named), servo_limits(options)
    return build_servo_robot(
        name, lambda names: dynamixel_bus(port, names, baudrate), calibration, joints, limits, model, clock
    )


def make_leader(port: str, calibration: str | Path, arm: str, baudrate: int = DYNAMIXEL_X.baudrate) -> LeaderArm:
    """Return a leader arm of Dynamixels at `port`, not connected, whose tool is followed; `arm` as for `make_dynamixel`."""
    model: ArmModel = resolve(arm, ARMS, "arm of Dynamixels")
    joints = load_calibration(calibration, (*model.joints, *([model.gripper] if model.gripper else [])))
    bus = dynamixel_bus(port, {joint.id: f"leader {name}" for name, joint in joints.items()}, baudrate)
    reader = ServoJointReader(bus, [joints[name] for name in model.joints], joints.get(model.gripper or ""))
    return LeaderArm(reader, kinematics=model.chain.forward, name="dynamixel leader")


def _joints_in(calibration: str, named: tuple[str, ...]) -> tuple[str, ...]:
    """Return the joints of a calibration file, and those that it must have."""
    try:
        found = tuple(json.loads(Path(calibration).read_text()))
    except (OSError, ValueError, TypeError):
        return named  # `load_calibration` says what is wrong
    return (*named, *(joint for joint in found if joint not in named))
