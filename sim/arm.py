"""The 7-DoF arm as MuJoCo bodies, with a bounded Cartesian spring between the tcp and a target."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco

from sim.gripper import TCP_SITE, add_gripper
from sim.kinematics import DH, FLANGE, QPOS_HIGH, QPOS_LOW
from sim.parts import AFFINE, CAPSULE, CYLINDER, LIMITED, SHOWN, Vector, add_material, padded

ARM_JOINTS = tuple(f"arm/joint{index}" for index in range(1, 8))
TARGET = "target"
"""Name of the mocap body, and of its site, that anchors the spring."""
DAMPERS = tuple(f"damper{axis}" for axis in range(6))
"""Actuators, which also measure the velocity of the tcp along the target's axes."""

LINK_MASS = (3.2, 1.0, 2.0, 1.7, 1.1, 0.9, 0.4)
"""[7], kg: a light arm, with most of its mass near the base."""


@dataclass(frozen=True, slots=True)
class Impedance:
    """The arm's spring and dampers. The spring's force is at most stiffness times the clip, per axis of the target."""

    stiffness: tuple[float, float] = (3000.0, 250.0)
    """N/m and Nm/rad between tcp and target"""
    max_spring: tuple[float, float] = (0.02, 0.2)
    """m and rad at which the spring saturates"""
    damping: tuple[float, float] = (175.0, 14.0)
    """N s/m and Nm s/rad of the tcp; near critical for the 2 to 4 kg felt at the tcp: of a 2 cm step 80% is done in 0.1 s"""
    joint_damping: float = 0.5
    """Nm s/rad of every joint"""
    posture: float = 4.0
    """Nm/rad pulling the elbow, and only the elbow, to the home posture"""

    @property
    def max_force(self) -> tuple[float, float]:
        """N and Nm per axis: what the spring can push."""
        return self.stiffness[0] * self.max_spring[0], self.stiffness[1] * self.max_spring[1]


Part = tuple[str, Vector, Vector, float]
"""Material, from, to, radius in m. White parts are capsules; grey ones, the joints' housings, are cylinders."""

_WHITE, _GREY = "arm/white", "arm/grey"

_BASE: tuple[Part, ...] = ((_WHITE, (0, 0, 0.03), (0, 0, 0.11), 0.072), (_GREY, (0, 0, 0), (0, 0, 0.03), 0.095))

# The parts of each link, in its DH frame.
_LINKS: tuple[tuple[Part, ...], ...] = (
    ((_WHITE, (0, 0, -0.17), (0, 0, 0), 0.060), (_GREY, (0, -0.075, 0), (0, 0.075, 0), 0.066)),
    ((_WHITE, (0, 0, 0), (0, -0.19, 0), 0.058),),
    (
        (_WHITE, (0, 0, -0.12), (0, 0, -0.03), 0.056),
        (_WHITE, (0, 0, -0.01), (0.0825, 0, 0), 0.052),
        (_GREY, (0.0825, -0.068, 0), (0.0825, 0.068, 0), 0.058),
    ),
    ((_WHITE, (0, 0, 0), (-0.0825, 0.10, 0), 0.050), (_WHITE, (-0.0825, 0.10, 0), (-0.0825, 0.14, 0), 0.054)),
    ((_WHITE, (0, 0, -0.22), (0, 0, -0.02), 0.050), (_GREY, (0, -0.062, 0), (0, 0.062, 0), 0.056)),
    ((_WHITE, (0.01, 0, 0), (0.088, 0, 0), 0.044), (_GREY, (0.088, -0.055, 0), (0.088, 0.047, 0), 0.050)),
    ((_WHITE, (0, 0, 0.03), (0, 0, 0.07), 0.040), (_GREY, (0, 0, 0.08), (0, 0, FLANGE), 0.045)),
)


def add_arm(spec: mujoco.MjSpec, impedance: Impedance) -> None:
    """Add arm and gripper to `spec`, base frame at the world's origin, and the mocap body that anchors the spring."""
    add_material(spec, _WHITE, (0.90, 0.91, 0.93, 1.0), specular=0.4, shininess=0.6)
    add_material(spec, _GREY, (0.23, 0.25, 0.29, 1.0), specular=0.4)
    add_material(spec, "arm/rubber", (0.13, 0.14, 0.16, 1.0), shininess=0.1)
    body = spec.worldbody.add_body(name="arm/base", gravcomp=1)
    _add_parts(body, _BASE, mass=2.9)
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
            limited=LIMITED,
            damping=impedance.joint_damping,
            armature=0.05,
        )
        _add_parts(body, _LINKS[index], mass=LINK_MASS[index])
    add_gripper(spec, body)
    _add_spring(spec, impedance)


def _add_parts(body: mujoco.MjsBody, parts: tuple[Part, ...], mass: float) -> None:
    for material, start, end, radius in parts:
        body.add_geom(
            type=CAPSULE if material == _WHITE else CYLINDER,
            fromto=(*start, *end),
            size=(radius, 0, 0),
            mass=mass / len(parts),
            material=material,
            **SHOWN,
        )


def _add_spring(spec: mujoco.MjSpec, impedance: Impedance) -> None:
    """Add the target and twelve actuators: clipped springs to the target and unclipped dampers, one for each axis.

    A site transmission with a `refsite` measures the pose of `tcp` in the target's frame and pushes along the
    target's axes. The dampers are apart from the springs because `forcerange` must clip the spring alone: a
    saturated spring with its damping clipped along would accelerate freely.
    """
    target = spec.worldbody.add_body(name=TARGET, mocap=True)
    target.add_site(name=TARGET, size=(0.003, 0.003, 0.003), rgba=(0, 0, 0, 0))
    for axis in range(6):
        kind = axis // 3
        bound = impedance.max_force[kind]
        at_tcp = {
            "trntype": mujoco.mjtTrn.mjTRN_SITE,
            "target": TCP_SITE,
            "refsite": TARGET,
            "gear": [float(axis == other) for other in range(6)],
            "gainprm": padded(0.0),
            "biastype": AFFINE,
        }
        spec.add_actuator(
            name=f"spring{axis}",
            biasprm=padded(0.0, -impedance.stiffness[kind]),
            forcerange=(-bound, bound),
            forcelimited=LIMITED,
            **at_tcp,
        )
        spec.add_actuator(name=DAMPERS[axis], biasprm=padded(0.0, 0.0, -impedance.damping[kind]), **at_tcp)
