"""Bin picking: grasp the red cube out of a bin in which others lie close by, and raise it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.envs.observations import ObservationConfig
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from robot_rl.protocols import Policy, Tracker
from sim.env import SimEnv, simulated
from sim.parts import BOX, FIXED, OBJECT
from sim.physics import Physics
from sim.robot import SimTracker
from sim.task import TOOL_DOWN, place_body, random_pose
from sim.tasks import pick_lift
from sim.tasks.pick_lift import HALF_WIDTH, PickLift, PickLiftConfig

WALL, WALL_HEIGHT = 0.005, 0.02
"""m, half the thickness of the bin's walls, and half their height."""
MARGIN = 0.06
"""m, from the walls to the middles of the cubes: room for open fingers."""


@dataclass(frozen=True, slots=True)
class BinPickConfig(PickLiftConfig):
    """The task's difficulty. `spread_m` is not used: cubes lie in the bin."""

    bin_m: float = 0.15
    """half the width of the bin, inside"""
    num_others: int = 4
    """cubes beside the red one"""
    gap_m: float = 0.065
    """cubes' middles are at least so far apart; open fingers reach 5.2 cm from the middle of what they grasp"""


class BinPick(PickLift):
    """Cubes of 4 cm in a bin. Beside the red one the nearest other is observed: an open finger has to go between them."""

    name = "bin_pick"
    observation = ObservationConfig(arm_quantities=("wrench",), objects={"cube": "tcp", "other": "tcp"})

    def __init__(self, config: BinPickConfig):
        super().__init__(config)
        self._others = [f"other{index}" for index in range(config.num_others)]
        self._bin = config.bin_m
        self._gap = config.gap_m

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the bin, the cube and the others."""
        super().add_objects(spec)
        spec.add_material(name="bin", rgba=(0.45, 0.47, 0.50, 1.0), specular=0.2, shininess=0.3)
        spec.add_material(name="other", rgba=(0.30, 0.42, 0.55, 1.0), specular=0.3, shininess=0.4)
        walls = spec.worldbody.add_body(name="bin", pos=(0.5, 0.0, WALL_HEIGHT))
        middle = self._bin + WALL
        for side in (-1.0, 1.0):
            walls.add_geom(type=BOX, size=(WALL, middle, WALL_HEIGHT), pos=(side * middle, 0, 0), material="bin", **FIXED)
            walls.add_geom(type=BOX, size=(middle, WALL, WALL_HEIGHT), pos=(0, side * middle, 0), material="bin", **FIXED)
        for name in self._others:
            body = spec.worldbody.add_body(name=name)
            body.add_freejoint(name=name)
            body.add_geom(
                name=name, type=BOX, size=(HALF_WIDTH,) * 3, mass=0.06, material="other",
                friction=(1.0, 0.01, 0.001), condim=3, solref=(0.01, 1.0), **OBJECT,
            )  # fmt: skip

    def trackers(self, physics: Physics) -> Mapping[str, Tracker]:
        """Return `cube`, and `other`: the position of the one that lies nearest to it, with the tool's orientation."""

        def nearest() -> Pose:
            cube = physics.body_pose("cube").position
            positions = [physics.body_pose(name).position for name in self._others]
            return Pose(min(positions, key=lambda at: math.dist(at.tolist(), cube.tolist())), TOOL_DOWN.quaternion)

        return {**super().trackers(physics), "other": SimTracker(nearest)}

    def arrange(self, physics: Physics, rng: np.random.Generator) -> Pose:
        """Draw the cubes one by one, each away from those before, and the arm's start."""
        placed: list[np.ndarray] = []
        for name in ("cube", *self._others):
            pose = self._draw_apart(placed, rng)
            placed.append(pose.position)
            place_body(physics, name, pose)
        start = self.config.start_spread_m
        return random_pose(rng, self._start, (start, start, start), 0.0)

    def _draw_apart(self, placed: Sequence[np.ndarray], rng: np.random.Generator) -> Pose:
        """Draw where a cube lies, away from those that are placed. Raises ConfigError if there is no room."""
        spread = self._bin - MARGIN
        for _ in range(1000):
            pose = random_pose(rng, self._middle, (spread, spread, 0.0), math.pi)
            if all(math.dist(pose.position.tolist(), other.tolist()) >= self._gap for other in placed):
                return pose
        raise ConfigError(
            f"bin_pick: no place for cube {len(placed) + 1} of {len(self._others) + 1} at gap_m {self._gap:g} from the others "
            f"in a bin of bin_m {self._bin:g}; lower num_others or gap_m"
        )


def make(options: EnvOptions, config: BinPickConfig | None = None) -> SimEnv:
    """Return the environment."""
    return SimEnv(BinPick(config or BinPickConfig()), options)


def scripted(env: Env, seed: int, config: BinPickConfig | None = None) -> Policy:
    """Return the demonstrator: that of `pick_lift`, who does not look at the other cubes."""
    return pick_lift.scripted(env, seed, config or simulated(env).task.config)
