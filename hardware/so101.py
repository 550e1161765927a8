"""SO-100 and SO-101: arms of five STS3215 servos and a sixth that is the gripper, on Feetech's bus; the leader arm too.

Frames and ranges are those of `so101_new_calib.urdf` (TheRobotStudio/SO-ARM100, Simulation/SO101): base_link is where the
arm stands, x away from the person behind it; all angles are zero in the middle of the joints' ranges. The SO-100 has the same
joints and nearly the same lengths.
"""

from __future__ import annotations

import math
from pathlib import Path

from hardware.serial_chain import Hinge, SerialChain
from hardware.serial_port import known_ports
from hardware.servo_arm import ArmModel, build_servo_robot, servo_limits
from hardware.servo_bus import feetech_bus
from hardware.servo_calibration import JointCalibration, load_calibration
from hardware.servo_leader import ServoJointReader
from hardware.servo_robot import ServoRobot
from hardware.teleop_leader import LeaderArm
from robot_rl.errors import ConfigError
from robot_rl.protocols import Clock

ARM_JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
JOINTS = (*ARM_JOINTS, "gripper")
"""In order of their ids, 1 to 6, as the assembly guide gives them; LeRobot's names."""
TURNING = ("wrist_roll",)
"""Joints without stops."""
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
"""`gripper_frame_link` of the URDF file, by half a turn about its z axis, which is the gripper's direction: with the tool down,
x points away from the base, as for every arm here."""
DOWN = (0.0, -0.4, 0.6, math.pi / 2 - 0.2, 0.0)
"""[5], rad: the gripper points straight down in front of the arm."""
SO101 = ArmModel(
    joints=ARM_JOINTS,
    chain=CHAIN,
    gripper="gripper",
    workspace_low=(0.08, -0.30, 0.0),
    workspace_high=(0.42, 0.30, 0.35),
    max_tilt=math.pi / 2,
    stall_torque=1.9,  # 19.5 kg cm at 7.4 V, from the STS3215's data sheet; the version for 12 V has half as much again
    lever=0.25,
    max_spring=(0.04, 0.4),  # gravity alone bends the arm by a centimetre or two
    nominal={  # ranges of the URDF file
        "shoulder_pan": JointCalibration(1, 0, 0, 796, 3300),
        "shoulder_lift": JointCalibration(2, 0, 0, 910, 3186),
        "elbow_flex": JointCalibration(3, 0, 0, 946, 3150),
        "wrist_flex": JointCalibration(4, 0, 0, 967, 3129),
        "wrist_roll": JointCalibration(5),
        "gripper": JointCalibration(6, 0, 0, 1422, 2674),
    },
    gripper_width=0.1,
)
CALIBRATION = "stations/so101_calibration.json"
LEADER_CALIBRATION = "stations/so101_leader_calibration.json"


def make_so101(
    port: str,
    calibration: str = CALIBRATION,
    name: str = "so101",
    clock: Clock | None = None,
    **options: float | bool,
) -> ServoRobot:
    """Return an SO-100 or SO-101, not connected, with the parts `arm` and `gripper`.

    Args:
        port: The bus adapter, `/dev/serial/by-id/...` or `/dev/ttyACM0`.
        calibration: File made by launch/calibrate_servos.py, or by LeRobot.
        name: For messages.
        clock: Of the station; None: the wall's.
        **options: Of ServoLimits and ServoConfig.

    Raises:
        ConfigError: If the calibration does not fit, or an option is wrong.
    """
    limits = servo_limits(options)
    return build_servo_robot(name, lambda names: feetech_bus(port, names), calibration, JOINTS, limits, SO101, clock)


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


def _only_port() -> str:
    ports = known_ports()
    if len(ports) != 1:
        found = ", ".join(ports) or "none"
        raise ConfigError(f"which serial port is the leader's? found: {found}; give it: leader:so101@/dev/ttyACM1")
    return ports[0]
