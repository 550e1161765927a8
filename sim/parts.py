"""Small pieces that models are put together from: looks, collision classes, actuator parameters."""

from __future__ import annotations

from typing import Any

import mujoco

BOX = mujoco.mjtGeom.mjGEOM_BOX
CAPSULE = mujoco.mjtGeom.mjGEOM_CAPSULE
CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER

LIMITED = mujoco.mjtLimited.mjLIMITED_TRUE
AFFINE = mujoco.mjtBias.mjBIAS_AFFINE

SHOWN: dict[str, Any] = {"contype": 0, "conaffinity": 0, "group": 2}
"""Collision class of what is only looked at."""
FIXED: dict[str, Any] = {"contype": 1, "conaffinity": 0}
"""Collision class of what stands still: touches fingers and objects."""
FINGER: dict[str, Any] = {"contype": 2, "conaffinity": 1, "group": 2}
"""Collision class of the fingertips: touch objects and what stands still, not each other."""
OBJECT: dict[str, Any] = {"contype": 4, "conaffinity": 7}
"""Collision class of loose objects: touch everything."""
HELD: dict[str, Any] = {"contype": 8, "conaffinity": 1}
"""Collision class of what is fixed to the hand: touches only what stands still."""

Vector = tuple[float, float, float]
Colour = tuple[float, float, float, float]


def add_material(spec: mujoco.MjSpec, name: str, rgba: Colour, specular: float = 0.3, shininess: float = 0.4) -> None:
    """Add a material of one colour."""
    spec.add_material(name=name, rgba=rgba, specular=specular, shininess=shininess)


def padded(*values: float) -> list[float]:
    """Return `values` filled up to the ten parameters that MuJoCo keeps for an actuator's gain or bias."""
    return [*values, *([0.0] * (10 - len(values)))]
