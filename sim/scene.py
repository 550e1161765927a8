"""The scene that all tasks share: arm, room and the solver's settings."""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco

from sim.arm import Impedance, add_arm
from sim.room import FRONT, View, add_cameras, add_room

RENDER_SIZE = 960
"""pixels, side of the offscreen buffer; larger images cannot be rendered."""


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """What all simulated tasks share."""

    physics_dt: float = 0.002
    """s"""
    impedance: Impedance = field(default_factory=Impedance)
    """the arm's controller"""
    workspace_low: tuple[float, float, float] = (0.30, -0.30, 0.005)
    """m, base frame, of the tcp"""
    workspace_high: tuple[float, float, float] = (0.70, 0.30, 0.45)
    """m, base frame, of the tcp"""
    front: View = FRONT
    """of camera `front`, base frame"""


def build_scene(config: SceneConfig) -> mujoco.MjSpec:
    """Return a spec with room, table, arm and cameras, to which a task adds its objects."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    set_solver(spec, config.physics_dt)
    set_rendering(spec)
    add_room(spec)
    add_arm(spec, config.impedance)
    add_cameras(spec, config.front)
    return spec


def set_solver(spec: mujoco.MjSpec, physics_dt: float) -> None:
    """Choose a solver for few and stiff contacts; elliptic cones with impratio 10 keep a grasped object from creeping."""
    spec.option.timestep = physics_dt
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.option.iterations = 20
    spec.option.ls_iterations = 20


def set_rendering(spec: mujoco.MjSpec) -> None:
    """Choose what software can render: a 128x128 frame takes 40 ms with shadows and multisampling, and under 2 ms without."""
    visual = spec.visual
    visual.quality.shadowsize = 0
    visual.quality.offsamples = 0
    visual.quality.numslices = 16
    visual.quality.numstacks = 8
    visual.quality.numquads = 1
    visual.global_.offwidth = RENDER_SIZE
    visual.global_.offheight = RENDER_SIZE
    visual.map.znear = 0.01
    visual.map.zfar = 20.0
    visual.headlight.ambient = (0.35, 0.35, 0.37)
    visual.headlight.diffuse = (0.25, 0.25, 0.25)
    visual.headlight.specular = (0.1, 0.1, 0.1)
    spec.stat.extent = 1.0
    spec.stat.center = (0.4, 0.0, 0.2)
