"""The 7-DoF arm and its parallel gripper as MuJoCo bodies, with a bounded Cartesian spring between the tcp and a target."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco

from sim.kinematics import DH, FLANGE, HAND_YAW, QPOS_HIGH, QPOS_LOW, TCP_OFFSET

ARM_JOINTS = tuple(f"arm/joint{index}" for index in range(1, 8))
FINGER_JOINTS = ("gripper/left", "gripper/right")
TCP_SITE = "tcp"
TARGET_BODY = "target"
GRIPPER_ACTUATOR = "gripper"
FINGER_TRAVEL = 0.04
"""m each finger moves between closed and open."""

LINK_MASS = (4.97, 0.65, 3.23, 3.59, 1.23, 1.67, 0.74)
"""[7], kg, close to published identifications of the arm."""
HAND_MASS, FINGER_MASS = 0.7, 0.03

SOLID, TOUCHED = 0, 1
"""Collision classes: geoms that nothing touches, and geoms that objects and the table do."""

WHITE = (0.90, 0.91, 0.93, 1.0)
GREY = (0.23, 0.25, 0.29, 1.0)
RUBBER = (0.13, 0.14, 0.16, 1.0)

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Impedance:
    """The arm's spring and dampers. The static force on a contact is at most stiffness times the clip, per axis of the target."""

    stiffness: tuple[float, float] = (2500.0, 250.0)
    """N/m and Nm/rad between tcp and target"""
    max_spring: tuple[float, float] = (0.016, 0.2)
    """m and rad at which the spring saturates"""
    damping: tuple[float, float] = (220.0, 16.0)
    """N s/m and Nm s/rad of the tcp; near critical for the arm's 3 to 5 kg at the tcp: a 2 cm step is 90% done in 0.1 s"""
    joint_damping: float = 0.5
    """Nm s/rad of every joint"""
    posture: float = 4.0
    """Nm/rad pulling the elbow, and only the elbow, to the home posture"""

    @property
    def max_force(self) -> tuple[float, float]:
        """N and Nm per axis: what the spring can push."""
        return self.stiffness[0] * self.max_spring[0], self.stiffness[1] * self.max_spring[1]


# Capsules of each link in its DH frame: from, to, radius, colour.
_CAPSULES: tuple[tuple[tuple[Vector, Vector, float, tuple[float, ...]], ...], ...] = (
    (((0, 0, -0.16), (0, 0, -0.03), 0.062, WHITE), ((0, -0.055, 0), (0, 0.055, 0), 0.064, GREY)),
    (((0, 0, -0.03), (0, 0, 0.03), 0.068, WHITE), ((0, -0.02, 0), (0, -0.17, 0), 0.060, WHITE)),
    (
        ((0, 0, -0.12), (0, 0, -0.03), 0.058, WHITE),
        ((0, 0, -0.03), (0.0825, 0, 0), 0.052, WHITE),
        ((0.0825, -0.05, 0), (0.0825, 0.05, 0), 0.055, GREY),
    ),
    (
        ((0, 0, -0.03), (0, 0, 0.03), 0.057, WHITE),
        ((0, 0, 0), (-0.0825, 0.09, 0), 0.050, WHITE),
        ((-0.0825, 0.09, 0), (-0.0825, 0.13, 0), 0.056, WHITE),
    ),
    (((0, 0, -0.24), (0, 0, -0.06), 0.050, WHITE), ((0, -0.045, 0), (0, 0.045, 0), 0.052, GREY)),
    (
        ((0, 0, -0.03), (0, 0, 0.03), 0.053, WHITE),
        ((0, 0, 0), (0.088, 0, 0), 0.044, WHITE),
        ((0.088, -0.025, 0), (0.088, 0.035, 0), 0.046, GREY),
    ),
    (((0, 0, 0.03), (0, 0, 0.075), 0.042, WHITE),),
)


def add_arm(spec: mujoco.MjSpec, impedance: Impedance) -> None:
    """Add the arm to `spec` with its base frame at the world's origin, and the mocap body that anchors its spring."""
    _material(spec, "arm/white", WHITE, shininess=0.6)
    _material(spec, "arm/grey", GREY, shininess=0.4)
    _material(spec, "arm/rubber", RUBBER, shininess=0.1)
    body = spec.worldbody.add_body(name="arm/base", gravcomp=1)
    _capsule(body, ((0, 0, 0.03), (0, 0, 0.12), 0.068, WHITE), mass=2.9)
    _cylinder(body, (0, 0, 0.0), (0, 0, 0.025), 0.092, "arm/grey")
    for index, (a, d, alpha) in enumerate(DH):
        body = body.add_body(
            name=f"arm/link{index + 1}",
            pos=(a, -math.sin(alpha) * d, math.cos(alpha) * d),
            quat=(math.cos(alpha / 2), math.sin(alpha / 2), 0, 0),
            gravcomp=1,
        )
        body.add_joint(
            name=ARM_JOINTS[index],
            axis=(0, 0, 1),
            range=(QPOS_LOW[index], QPOS_HIGH[index]),
            limited=mujoco.mjtLimited.mjLIMITED_TRUE,
            damping=impedance.joint_damping,
            armature=0.05,
        )
        capsules = _CAPSULES[index]
        for capsule in capsules:
            _capsule(body, capsule, mass=LINK_MASS[index] / len(capsules))
    _cylinder(body, (0, 0, 0.085), (0, 0, FLANGE), 0.044, "arm/grey")
    _add_hand(body)
    _add_spring(spec, impedance)


def _add_hand(flange: mujoco.MjsBody) -> None:
    hand = flange.add_body(
        name="hand", pos=(0, 0, FLANGE), quat=(math.cos(HAND_YAW / 2), 0, 0, math.sin(HAND_YAW / 2)), gravcomp=1
    )
    box = mujoco.mjtGeom.mjGEOM_BOX
    hand.add_geom(
        type=box, size=(0.022, 0.098, 0.030), pos=(0, 0, 0.032), material="arm/white", mass=HAND_MASS, **_untouched()
    )
    hand.add_geom(
        type=box, size=(0.016, 0.085, 0.004), pos=(0, 0, 0.062), material="arm/grey", mass=0.0, **_untouched()
    )
    hand.add_site(name=TCP_SITE, pos=(0, 0, TCP_OFFSET), size=(0.003, 0.003, 0.003), rgba=(0, 0, 0, 0))
    for name, side in zip(FINGER_JOINTS, (1.0, -1.0), strict=True):
        _add_finger(hand, name, side)


def _add_finger(hand: mujoco.MjsBody, name: str, side: float) -> None:
    """Add a finger whose inner face is at the tcp when closed; its joint is the distance from there, m."""
    finger = hand.add_body(name=name, pos=(0, 0, 0.066), gravcomp=1)
    finger.add_joint(
        name=name,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=(0, side, 0),
        range=(0.0, FINGER_TRAVEL),
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        damping=20.0,
        armature=0.1,
    )
    box = mujoco.mjtGeom.mjGEOM_BOX
    finger.add_geom(
        type=box,
        size=(0.010, 0.008, 0.016),
        pos=(0, side * 0.016, 0.010),
        material="arm/grey",
        mass=FINGER_MASS,
        **_untouched(),
    )
    finger.add_geom(
        name=f"{name}/pad", type=box, size=(0.010, 0.006, 0.022), pos=(0, side * 0.006, 0.0264), material="arm/rubber", mass=0.0,
        friction=(1.5, 0.02, 0.001), condim=4, solref=(0.01, 1.0), **_touched(),
    )  # fmt: skip


def _add_spring(spec: mujoco.MjSpec, impedance: Impedance) -> None:
    """Add the target and twelve actuators: clipped springs to the target and unclipped dampers, one for each axis.

    A site transmission with a `refsite` measures the pose of `tcp` in the target's frame and pushes along the
    target's axes. The dampers are apart from the springs because `forcerange` must clip the spring alone: a
    saturated spring with its damping clipped along would accelerate freely.
    """
    target = spec.worldbody.add_body(name=TARGET_BODY, mocap=True)
    target.add_site(name=TARGET_BODY, size=(0.003, 0.003, 0.003), rgba=(0, 0, 0, 0))
    for axis in range(6):
        gear = [0.0] * 6
        gear[axis] = 1.0
        stiffness, damping = impedance.stiffness[axis // 3], impedance.damping[axis // 3]
        bound = impedance.max_force[axis // 3]
        site = {
            "trntype": mujoco.mjtTrn.mjTRN_SITE, "target": TCP_SITE, "refsite": TARGET_BODY, "gear": gear,
            "biastype": mujoco.mjtBias.mjBIAS_AFFINE,
        }  # fmt: skip
        spec.add_actuator(
            name=f"spring{axis}", biasprm=_first(0.0, -stiffness), forcerange=(-bound, bound),
            forcelimited=mujoco.mjtLimited.mjLIMITED_TRUE, gainprm=_first(0.0), **site,
        )  # fmt: skip
        spec.add_actuator(name=f"damper{axis}", biasprm=_first(0.0, 0.0, -damping), gainprm=_first(0.0), **site)
    _add_gripper_drive(spec)


def _add_gripper_drive(spec: mujoco.MjSpec) -> None:
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
        gainprm=_first(3000.0),
        biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        biasprm=_first(0.0, -3000.0, -60.0),
        ctrlrange=(0.0, FINGER_TRAVEL),
        ctrllimited=mujoco.mjtLimited.mjLIMITED_TRUE,
        forcerange=(-40.0, 40.0),
        forcelimited=mujoco.mjtLimited.mjLIMITED_TRUE,
    )


def _first(*values: float) -> list[float]:
    """Return `values` padded to the ten parameters that MuJoCo keeps for an actuator."""
    return [*values, *([0.0] * (10 - len(values)))]


def _untouched() -> dict[str, int]:
    return {"contype": 0, "conaffinity": 0, "group": 2}


def _touched() -> dict[str, int]:
    return {"contype": 2, "conaffinity": 1, "group": 2}


def _material(spec: mujoco.MjSpec, name: str, rgba: tuple[float, ...], shininess: float) -> None:
    spec.add_material(name=name, rgba=rgba, specular=0.4, shininess=shininess)


def _capsule(body: mujoco.MjsBody, capsule: tuple, mass: float) -> None:
    start, end, radius, colour = capsule
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=(*start, *end), size=(radius, 0, 0), mass=mass,
        material="arm/white" if colour is WHITE else "arm/grey", **_untouched(),
    )  # fmt: skip


def _cylinder(body: mujoco.MjsBody, start: Vector, end: Vector, radius: float, material: str) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        fromto=(*start, *end),
        size=(radius, 0, 0),
        mass=0.0,
        material=material,
        **_untouched(),
    )
