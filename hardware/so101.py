"""SO-100 and SO-101: arms of five STS3215 servos and a sixth that is the gripper, on Feetech's bus; the leader arm too.

Frames and ranges are those of `so101_new_calib.urdf` (TheRobotStudio/SO-ARM100, Simulation/SO101): base_link is where the
arm stands, x away from the person behind it; all angles are zero in the middle of the joints' ranges. The SO-100 has the same
joints and nearly the same lengths.
"""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

from hardware.serial_chain import Hinge, SerialChain
from hardware.serial_port import known_ports
from hardware.servo_bus import feetech_bus
from hardware.servo_calibration import JointCalibration, load_calibration
from hardware.servo_leader import ServoJointReader
from hardware.servo_parts import ServoPart, limits_of
from hardware.servo_robot import ServoConfig, ServoRobot
from hardware.teleop_leader import LeaderArm
from robot_rl.errors import ConfigError
from robot_rl.protocols import Clock
from robot_rl.specs import ArmSpec, GripperSpec

ARM_JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
JOINTS = (*ARM_JOINTS, "gripper")
"""In order of their ids, 1 to 6, as the assembly guide gives them; LeRobot's names."""
CHAIN = SerialChain(
    (
        Hinge((0.0388353, 0.0, 0.0624), (math.pi, 0.0, -math.pi)),
        Hinge((-0.0303992, -0.0182778, -0.0542), (-math.pi / 2, -math.pi / 2, 0.0)),
        Hinge((-0.11257, -0.028, 0.0), (0.0, 0.0, math.pi / 2)),
        Hinge((-0.1349, 0.0052, 0.0), (0.0, 0.0, -math.pi / 2)),
        Hinge((0.0, -0.0611, 0.0181), (math.pi / 2, 0.0486795, math.pi)),
    ),
    Hinge((-0.0079, -0.000218121, -0.0981274), (math.pi, 0.0, 0.0)),
)
"""`gripper_frame_link` of the URDF file, turned by half a turn about its z axis, which is the gripper's direction: with the tool
down, x points away from the base, as for every arm here."""
DOWN = (0.0, -0.4, 0.6, math.pi / 2 - 0.2, 0.0)
"""[5], rad: the gripper points straight down in front of the arm."""
STALL_TORQUE = 1.9
"""Nm: 19.5 kg cm at 7.4 V, from the STS3215's data sheet. The version for 12 V has half as much again."""
LEVER = 0.25
"""m from the shoulder to a tool in the middle of the workspace."""
MAX_SPRING = (0.04, 0.4)
"""m and rad that a target may be away from a blocked tool; gravity alone bends the arm by a centimetre or two."""
CALIBRATION = "stations/so101_calibration.json"
LEADER_CALIBRATION = "stations/so101_leader_calibration.json"


def make_so101(
    port: str,
    calibration: str = CALIBRATION,
    name: str = "so101",
    torque_limit: float = 0.6,
    gripper_torque_limit: float = 0.4,
    max_reference_error_rad: float = 0.3,
    clock: Clock | None = None,
    **servo: float | bool,
) -> ServoRobot:
    """Return an SO-100 or SO-101, not connected, with the parts `arm` and `gripper`.

    Args:
        port: The bus adapter, `/dev/serial/by-id/...` or `/dev/ttyACM0`.
        calibration: File made by launch/calibrate_servos.py, or by LeRobot.
        name: For messages.
        torque_limit: Share of the stall torque that the joints of the arm may use.
        gripper_torque_limit: The same of the gripper.
        max_reference_error_rad: How far a joint's goal may be from where it is.
        clock: Of the station; None: the wall's.
        **servo: Settings of ServoConfig.

    Raises:
        ConfigError: If the calibration is missing or does not fit, or a setting is wrong.
    """
    known = [each.name for each in fields(ServoConfig)]
    if unknown := set(servo) - set(known):
        raise ConfigError(f"so101 has no setting {unknown.pop()!r}; it has: {', '.join(known)}")
    for what, share in (("torque_limit", torque_limit), ("gripper_torque_limit", gripper_torque_limit)):
        if not 0 < share <= 1:
            raise ConfigError(f"so101 {what} {share:g} is not a share of the stall torque, in 0..1")
    joints = load_calibration(calibration, JOINTS)
    arm = {joint: joints[joint] for joint in ARM_JOINTS}
    parts = {
        "arm": ServoPart(_arm_spec(arm, torque_limit), arm, torque_limit, max_reference_error_rad, CHAIN),
        "gripper": ServoPart(
            GripperSpec(max_width=0.1, max_speed=2.0),
            {"gripper": joints["gripper"]},
            gripper_torque_limit,
            max_reference_error_rad,
        ),
    }
    bus = feetech_bus(port, {joint.id: joint_name for joint_name, joint in joints.items()})
    return ServoRobot(name, bus, parts, ServoConfig(**servo), clock)  # type: ignore[arg-type]


def open_leader(port: str | None = None) -> LeaderArm:
    """Return an SO-100 or SO-101 leader arm, not connected: the robot's tool follows its tool, its trigger the gripper.

    Args:
        port: Its bus adapter; None: the only serial port there is.

    Raises:
        ConfigError: If there are several ports, or its calibration (LEADER_CALIBRATION) is missing.
    """
    return make_leader(port or _only_port(), LEADER_CALIBRATION)


def make_leader(port: str, calibration: str | Path) -> LeaderArm:
    """Return a leader arm at `port`, not connected, calibrated by the file `calibration`."""
    joints = load_calibration(calibration, JOINTS)
    bus = feetech_bus(port, {joint.id: f"leader {name}" for name, joint in joints.items()})
    arm = tuple(joints[name] for name in ARM_JOINTS)
    return LeaderArm(ServoJointReader(bus, arm, joints["gripper"]), kinematics=CHAIN.forward, name="so101 leader")


def _arm_spec(joints: dict[str, JointCalibration], torque_limit: float) -> ArmSpec:
    low, high = limits_of(joints)
    force = torque_limit * STALL_TORQUE / LEVER
    return ArmSpec(
        num_joints=len(joints),
        qpos_low=low,
        qpos_high=high,
        workspace_low=(0.08, -0.30, 0.0),
        workspace_high=(0.42, 0.30, 0.35),
        max_tcp_speed=0.25,
        max_tcp_angular_speed=1.5,
        max_tilt=math.pi / 2,
        stiffness=(force / MAX_SPRING[0], torque_limit * STALL_TORQUE / MAX_SPRING[1]),
        max_spring=MAX_SPRING,
    )


def _only_port() -> str:
    ports = known_ports()
    if len(ports) != 1:
        found = ", ".join(ports) or "none"
        raise ConfigError(f"which serial port is the leader's? found: {found}; give it: leader:so101@/dev/ttyACM1")
    return ports[0]
