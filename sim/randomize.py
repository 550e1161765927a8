"""Domain randomisation: what of a scene is drawn anew for each episode, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.geometry import quaternion_multiply, rotvec_to_quaternion
from sim.physics import Physics

_FIELDS = (
    "body_mass", "body_inertia", "geom_friction", "actuator_biasprm", "actuator_forcerange",
    "light_dir", "light_diffuse", "mat_rgba", "geom_rgba", "cam_pos", "cam_quat",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Randomization:
    """Spreads, each drawn uniformly. A factor spread of 0.2 multiplies by 0.8 to 1.2."""

    mass: float = 0.0
    """factor, per body"""
    friction: float = 0.0
    """factor, the same for all geoms"""
    stiffness: float = 0.0
    """factor, of the arm's springs, their bounds and dampers"""
    light: float = 0.0
    """factor of brightness, and of the light's direction"""
    colour: float = 0.0
    """added to each channel of each material and geom"""
    camera_m: float = 0.0
    """shift of each camera per axis, m"""
    camera_rad: float = 0.0
    """turn of each camera per axis, rad"""

    def __post_init__(self) -> None:
        for name in ("mass", "friction", "stiffness", "light"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} is a factor's spread and must be in [0, 1)")


MODERATE = Randomization(mass=0.2, friction=0.3, stiffness=0.15, light=0.3, colour=0.08, camera_m=0.01, camera_rad=0.02)
"""What differs between two stations that were built from one plan."""


class Randomizer:
    """Draws a scene's parameters around those that it was built with, never around the last draw."""

    def __init__(self, physics: Physics, config: Randomization):
        self._physics = physics
        self._config = config
        self._nominal = {name: getattr(physics.model, name).copy() for name in _FIELDS}

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the parameters of an episode."""
        model, config = self._physics.model, self._config
        with self._physics.lock:
            for name, value in self._nominal.items():
                getattr(model, name)[:] = value
            _scale_masses(model, config.mass, rng)
            model.geom_friction[:] *= _factor(rng, config.friction)
            _scale_actuators(model, config.stiffness, rng)
            _vary_looks(model, config, rng)
            _move_cameras(model, config, rng)
            data = mujoco.MjData(model)
            mujoco.mj_setConst(model, data)
            self._physics.touch()


def _factor(rng: np.random.Generator, spread: float, size: tuple[int, ...] = ()) -> np.ndarray:
    return rng.uniform(1.0 - spread, 1.0 + spread, size)


def _scale_masses(model: mujoco.MjModel, spread: float, rng: np.random.Generator) -> None:
    factor = _factor(rng, spread, (model.nbody,))
    model.body_mass[:] *= factor
    model.body_inertia[:] *= factor[:, None]


def _scale_actuators(model: mujoco.MjModel, spread: float, rng: np.random.Generator) -> None:
    arm = model.actuator_trntype == mujoco.mjtTrn.mjTRN_SITE
    factor = _factor(rng, spread)
    model.actuator_biasprm[arm] *= factor
    model.actuator_forcerange[arm] *= factor


def _vary_looks(model: mujoco.MjModel, config: Randomization, rng: np.random.Generator) -> None:
    model.light_diffuse[:] = np.clip(model.light_diffuse * _factor(rng, config.light, (model.nlight, 1)), 0.0, 1.0)
    direction = model.light_dir + config.light * rng.uniform(-1.0, 1.0, (model.nlight, 3))
    model.light_dir[:] = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    for rgba in (model.mat_rgba, model.geom_rgba):
        rgba[:, :3] = np.clip(rgba[:, :3] + config.colour * rng.uniform(-1.0, 1.0, (len(rgba), 3)), 0.0, 1.0)


def _move_cameras(model: mujoco.MjModel, config: Randomization, rng: np.random.Generator) -> None:
    model.cam_pos[:] += config.camera_m * rng.uniform(-1.0, 1.0, (model.ncam, 3))
    for camera in range(model.ncam):
        turn = rotvec_to_quaternion(config.camera_rad * rng.uniform(-1.0, 1.0, 3))
        model.cam_quat[camera] = quaternion_multiply(model.cam_quat[camera], turn)
