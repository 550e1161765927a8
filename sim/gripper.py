"""The parallel gripper as MuJoCo bodies: hand, two coupled fingers and their drive."""

from __future__ import annotations

import math

import mujoco

from sim.kinematics import FLANGE, HAND_YAW, TCP_OFFSET
from sim.parts import AFFINE, BOX, CAPSULE, FINGER, LIMITED, SHOWN, Vector, padded

HAND, TCP_SITE = "hand", "tcp"
FINGER_JOINTS = ("gripper/left", "gripper/right")
GRIPPER_ACTUATOR = "gripper"
FINGER_TRAVEL = 0.04
"""m each finger moves between closed and open."""
GRIP_FORCE = 40.0
"""N, the largest force of the drive, on both fingers together."""

_HAND_MASS, _FINGER_MASS = 0.7, 0.03

# The hand's boxes: half size, position, material. A plate over the fingers, the wrist camera and its bracket.
_BOXES: tuple[tuple[Vector, Vector, str], ...] = (
    ((0.018, 0.088, 0.005), (0.0, 0.0, 0.060), "arm/grey"),
    ((0.010, 0.040, 0.010), (0.072, 0.0, -0.002), "arm/rubber"),
    ((0.030, 0.010, 0.005), (0.036, 0.0, 0.004), "arm/grey"),
)


def add_gripper(spec: mujoco.MjSpec, flange: mujoco.MjsBody) -> None:
    """Add the gripper to the flange, with the site `tcp` between the fingertips: x along the hand, z out of it."""
    hand = flange.add_body(
        name=HAND, pos=(0, 0, FLANGE), quat=(math.cos(HAND_YAW / 2), 0, 0, math.sin(HAND_YAW / 2)), gravcomp=1
    )
    palm = (0, -0.072, 0.030, 0, 0.072, 0.030)
    hand.add_geom(type=CAPSULE, fromto=palm, size=(0.028, 0, 0), material="arm/white", mass=_HAND_MASS, **SHOWN)
    for size, position, material in _BOXES:
        hand.add_geom(type=BOX, size=size, pos=position, material=material, mass=0.0, **SHOWN)
    hand.add_site(name=TCP_SITE, pos=(0, 0, TCP_OFFSET), size=(0.003, 0.003, 0.003), rgba=(0, 0, 0, 0))
    for name, side in zip(FINGER_JOINTS, (1.0, -1.0), strict=True):
        _add_finger(hand, name, side)
    _add_drive(spec)


def _add_finger(hand: mujoco.MjsBody, name: str, side: float) -> None:
    """Add a finger whose inner face is at the tcp when closed; its joint is the distance from there, m."""
    finger = hand.add_body(name=name, pos=(0, 0, 0.066), gravcomp=1)
    finger.add_joint(
        name=name,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=(0, side, 0),
        range=(0.0, FINGER_TRAVEL),
        limited=LIMITED,
        damping=20.0,
        armature=0.1,
    )
    knuckle = {"size": (0.009, 0.007, 0.016), "pos": (0, side * 0.0175, 0.010)}
    finger.add_geom(type=BOX, material="arm/grey", mass=_FINGER_MASS, **knuckle, **SHOWN)
    finger.add_geom(
        type=BOX,
        size=(0.010, 0.006, 0.022),
        pos=(0, side * 0.006, 0.0264),
        material="arm/rubber",
        mass=0.0,
        friction=(1.5, 0.02, 0.001),
        condim=4,
        solref=(0.01, 1.0),
        **FINGER,
    )


def _add_drive(spec: mujoco.MjSpec) -> None:
    """Couple the fingers and drive their mean: ctrl is the finger's distance from closed, m.

    The coupling is a spring on a tendon and not an equality constraint, which would call the constraint solver in
    every step of an arm that touches nothing.
    """
    difference = spec.add_tendon(name="gripper/difference", stiffness=10000.0, damping=40.0, springlength=(0.0, 0.0))
    mean = spec.add_tendon(name="gripper/mean")
    for name, sign in zip(FINGER_JOINTS, (1.0, -1.0), strict=True):
        mean.wrap_joint(name, 0.5)
        difference.wrap_joint(name, sign)
    spec.add_actuator(
        name=GRIPPER_ACTUATOR,
        trntype=mujoco.mjtTrn.mjTRN_TENDON,
        target="gripper/mean",
        gainprm=padded(3000.0),
        biastype=AFFINE,
        biasprm=padded(0.0, -3000.0, -60.0),
        ctrlrange=(0.0, FINGER_TRAVEL),
        ctrllimited=LIMITED,
        forcerange=(-GRIP_FORCE, GRIP_FORCE),
        forcelimited=LIMITED,
    )
