"""The workplace: a table in a lit room with the arm on it, two cameras and the solver's settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import mujoco

from sim.arm import Impedance, add_arm

FIXED: dict[str, Any] = {"contype": 1, "conaffinity": 0}
"""Collision class of what stands still: touches fingers and objects."""
OBJECT: dict[str, Any] = {"contype": 4, "conaffinity": 7}
"""Collision class of loose objects: touch everything."""
HELD: dict[str, Any] = {"contype": 8, "conaffinity": 1}
"""Collision class of what is fixed to the hand: touches only what stands still."""

CAMERAS = ("front", "wrist")
"""Names of the scene's cameras."""

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


def build_scene(config: SceneConfig) -> mujoco.MjSpec:
    """Return a spec with room, table, arm and cameras, to which a task adds its objects."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _set_solver(spec, config)
    _add_room(spec)
    add_arm(spec, config.impedance)
    _add_cameras(spec)
    return spec


def _set_solver(spec: mujoco.MjSpec, config: SceneConfig) -> None:
    spec.option.timestep = config.physics_dt
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.option.iterations = 20
    spec.option.ls_iterations = 20
    # Shadows and multisampling are what makes software rendering slow: 40 ms a frame with, under 2 ms without.
    spec.visual.quality.shadowsize = 0
    spec.visual.quality.offsamples = 0
    spec.visual.quality.numslices = 20
    spec.visual.quality.numstacks = 10
    spec.visual.global_.offwidth = RENDER_SIZE
    spec.visual.global_.offheight = RENDER_SIZE
    spec.visual.map.znear = 0.01
    spec.visual.map.zfar = 20.0
    spec.stat.extent = 1.0
    spec.stat.center = (0.4, 0.0, 0.2)
    spec.visual.headlight.ambient = (0.35, 0.35, 0.37)
    spec.visual.headlight.diffuse = (0.25, 0.25, 0.25)
    spec.visual.headlight.specular = (0.1, 0.1, 0.1)


def _add_room(spec: mujoco.MjSpec) -> None:
    texture, builtin = mujoco.mjtTexture, mujoco.mjtBuiltin
    spec.add_texture(
        name="sky", type=texture.mjTEXTURE_SKYBOX, builtin=builtin.mjBUILTIN_GRADIENT,
        rgb1=(0.80, 0.85, 0.90), rgb2=(0.45, 0.52, 0.60), width=128, height=128,
    )  # fmt: skip
    spec.add_texture(
        name="checker", type=texture.mjTEXTURE_2D, builtin=builtin.mjBUILTIN_CHECKER,
        rgb1=(0.56, 0.60, 0.65), rgb2=(0.49, 0.53, 0.58), width=128, height=128,
    )  # fmt: skip
    floor = spec.add_material(name="floor", texrepeat=(2, 2), texuniform=True, specular=0.1, shininess=0.1)
    floor.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "checker"
    spec.add_material(name="table", rgba=(0.78, 0.70, 0.60, 1.0), specular=0.15, shininess=0.2)
    spec.add_material(name="leg", rgba=(0.30, 0.32, 0.36, 1.0))
    world = spec.worldbody
    world.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(4, 4, 0.1),
        pos=(0, 0, -0.75),
        material="floor",
        contype=0,
        conaffinity=0,
    )
    world.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(0.55, 0.6, 0.02),
        pos=(0.35, 0, -0.02),
        material="table",
        **FIXED,
    )
    for x in (-0.15, 0.85):
        for y in (-0.55, 0.55):
            world.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=(0.03, 0.03, 0.355),
                pos=(x, y, -0.395),
                material="leg",
                contype=0,
                conaffinity=0,
            )
    world.add_light(
        name="key", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=(1.0, 1.0, 2.5), dir=(-0.35, -0.45, -0.82),
        diffuse=(0.55, 0.54, 0.52), specular=(0.3, 0.3, 0.3), castshadow=False,
    )  # fmt: skip
    world.add_light(
        name="fill", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=(1.0, -1.5, 2.0), dir=(-0.3, 0.8, -0.5),
        diffuse=(0.20, 0.22, 0.25), specular=(0.0, 0.0, 0.0), castshadow=False,
    )  # fmt: skip


def _add_cameras(spec: mujoco.MjSpec) -> None:
    """Add `front`, which looks at the table from across, and `wrist`, which looks past the fingers."""
    add_camera(spec.worldbody, "front", position=(1.28, 0.48, 0.62), target=(0.40, -0.02, 0.17), fovy=40.0)
    hand = spec.body("hand")
    add_camera(hand, "wrist", position=(0.085, 0.0, 0.01), target=(0.022, 0.0, 0.13), fovy=72.0, up=(1.0, 0.0, 0.0))


def add_camera(
    body: mujoco.MjsBody,
    name: str,
    position: tuple[float, float, float],
    target: tuple[float, float, float],
    fovy: float,
    up: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> None:
    """Add a camera at `position` that looks at `target`, both in m in the body's frame, with `up` upwards in the image.

    Args:
        body: What the camera is fixed to.
        name: Its name.
        position: [3], m.
        target: [3], m.
        fovy: Vertical field of view, in degrees as MuJoCo wants it.
        up: [3], any length.
    """
    back = _unit([p - t for p, t in zip(position, target, strict=True)])
    right = _unit(_cross(up, back))
    body.add_camera(name=name, pos=position, fovy=fovy, xyaxes=[*right, *_cross(back, right)])


def _unit(vector: list[float]) -> list[float]:
    norm = math.sqrt(sum(v * v for v in vector))
    return [v / norm for v in vector]


def _cross(a: Any, b: Any) -> list[float]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
