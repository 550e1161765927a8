"""The room: floor, table, lights and cameras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from sim.parts import BOX, FIXED, SHOWN, Vector, add_material

CAMERAS = ("front", "wrist")
"""Names of the cameras that can be observed."""
OVERVIEW = "overview"
"""The camera that films."""


@dataclass(frozen=True, slots=True)
class View:
    """Where a camera is and what it looks at: points [3], m, in the frame of the body that carries it."""

    position: Vector
    target: Vector
    """in the middle of the picture"""
    fovy: float
    """vertical field of view, in degrees: the one angle that MuJoCo never takes in radians"""


FRONT = View(position=(1.32, 0.0, 0.56), target=(0.51, 0.0, 0.08), fovy=29.0)
"""The whole region in which objects lie, and no more of the room than that needs: pixels are few. In the plane y = 0, so that
a mirrored picture is one of the mirrored scene."""
_WRIST = View(position=(0.078, 0.0, 0.028), target=(0.018, 0.0, 0.13), fovy=72.0)
_FILM = View(position=(1.20, 0.50, 0.60), target=(0.42, -0.02, 0.18), fovy=40.0)

_FLOOR_HEIGHT = -0.75
"""m; the table's top is at 0, where the arm stands."""


def add_room(spec: mujoco.MjSpec) -> None:
    """Add floor, sky, table and lights."""
    _add_floor(spec)
    _add_table(spec)
    light = {"type": mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, "castshadow": False}
    key = {"pos": (1.0, 1.0, 2.5), "dir": (-0.35, -0.45, -0.82), "diffuse": (0.55, 0.54, 0.52)}
    fill = {"pos": (1.0, -1.5, 2.0), "dir": (-0.3, 0.8, -0.5), "diffuse": (0.20, 0.22, 0.25)}
    spec.worldbody.add_light(name="key", specular=(0.3, 0.3, 0.3), **key, **light)
    spec.worldbody.add_light(name="fill", specular=(0.0, 0.0, 0.0), **fill, **light)


def _add_floor(spec: mujoco.MjSpec) -> None:
    size = {"width": 128, "height": 128}
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.80, 0.85, 0.90),
        rgb2=(0.45, 0.52, 0.60),
        **size,
    )
    spec.add_texture(
        name="checker",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=(0.56, 0.60, 0.65),
        rgb2=(0.49, 0.53, 0.58),
        **size,
    )
    floor = spec.add_material(name="floor", texrepeat=(2, 2), texuniform=True, specular=0.1, shininess=0.1)
    floor.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "checker"
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    spec.worldbody.add_geom(type=plane, size=(4, 4, 0.1), pos=(0, 0, _FLOOR_HEIGHT), material="floor", **SHOWN)


def _add_table(spec: mujoco.MjSpec) -> None:
    add_material(spec, "wood", (0.80, 0.72, 0.62, 1.0), specular=0.15, shininess=0.2)
    add_material(spec, "mat", (0.40, 0.45, 0.50, 1.0), specular=0.05, shininess=0.1)
    add_material(spec, "leg", (0.30, 0.32, 0.36, 1.0))
    world = spec.worldbody
    world.add_geom(name="table", type=BOX, size=(0.55, 0.6, 0.02), pos=(0.35, 0, -0.02), material="wood", **FIXED)
    world.add_geom(type=BOX, size=(0.20, 0.27, 0.0005), pos=(0.5, 0, 0), material="mat", **SHOWN)
    half = (-0.04 - _FLOOR_HEIGHT) / 2
    for x in (-0.15, 0.85):
        for y in (-0.55, 0.55):
            world.add_geom(type=BOX, size=(0.03, 0.03, half), pos=(x, y, -0.04 - half), material="leg", **SHOWN)


def add_cameras(spec: mujoco.MjSpec, front: View = FRONT) -> None:
    """Add `front`, which looks at the table from across, `wrist`, which looks past the fingers, and one that films."""
    _add_camera(spec.worldbody, "front", front)
    _add_camera(spec.body("hand"), "wrist", _WRIST, up=(1.0, 0.0, 0.0))
    _add_camera(spec.worldbody, OVERVIEW, _FILM)


def _add_camera(body: mujoco.MjsBody, name: str, view: View, up: Vector = (0.0, 0.0, 1.0)) -> None:
    """Add a camera with `up`, [3], body frame, upwards in the image."""
    back = _unit([p - t for p, t in zip(view.position, view.target, strict=True)])
    right = _unit(_cross(up, back))
    body.add_camera(name=name, pos=view.position, fovy=view.fovy, xyaxes=[*right, *_cross(back, right)])


def _unit(vector: Sequence[float]) -> list[float]:
    norm = math.hypot(*vector)
    return [value / norm for value in vector]


def _cross(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
