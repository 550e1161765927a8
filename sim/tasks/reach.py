"""Reach: bring the tcp to a point in the air."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import mujoco
import numpy as np

from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.factory import Env
from robot_rl.envs.observations import ObservationConfig
from robot_rl.envs.options import EnvOptions
from robot_rl.geometry import Pose
from robot_rl.protocols import Policy, Tracker
from robot_rl.types import Observation
from sim.env import SimEnv, demonstrator, simulated
from sim.gripper import TCP_SITE
from sim.oracle import Hand, HumanConfig
from sim.physics import Physics
from sim.robot import SimTracker
from sim.task import Task, place_body, random_pose, tool_pose


@dataclass(frozen=True, slots=True)
class ReachConfig:
    """The task's size."""

    spread_m: tuple[float, float, float] = (0.15, 0.2, 0.12)
    """the target is drawn within +- this of the middle of the workspace"""
    start_spread_m: float = 0.03
    """the arm starts within +- this of the same middle"""
    tolerance_m: float = 0.01
    """success: the tcp is this close"""
    human: HumanConfig = field(default_factory=HumanConfig)
    """the scripted demonstrator"""


class Reach(Task):
    """A target point somewhere in the workspace; the hand keeps its orientation."""

    name = "reach"
    action = ActionConfig(axes=("x", "y", "z"), reference="target")
    observation = ObservationConfig(arm_quantities=("position", "twist"), gripper=False, objects={"target": "tcp"})
    proprioception = ObservationConfig(arm_quantities=("position",), relative=False, gripper=False)

    def __init__(self, config: ReachConfig):
        self.config = config
        self._middle = tool_pose((0.5, 0.0, 0.22))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the target: a ball of light that nothing touches."""
        body = spec.worldbody.add_body(name="goal")
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            size=(0.015, 0, 0),
            rgba=(0.95, 0.35, 0.20, 0.75),
            contype=0,
            conaffinity=0,
        )

    def trackers(self, physics: Physics) -> Mapping[str, Tracker]:
        """Return `target`: the point, with the tool's orientation."""
        return {"target": SimTracker(lambda: physics.body_pose("goal"))}

    def arrange(self, physics: Physics, rng: np.random.Generator) -> Pose:
        """Draw the target and the arm's start."""
        place_body(physics, "goal", random_pose(rng, self._middle, self.config.spread_m, 0.0))
        spread = self.config.start_spread_m
        return random_pose(rng, self._middle, (spread, spread, spread), 0.0)

    def is_success(self, physics: Physics) -> bool:
        """The tcp is at the target."""
        return self._distance(physics) <= self.config.tolerance_m

    def progress(self, physics: Physics) -> float:
        """Grow as the distance shrinks."""
        return math.exp(-self._distance(physics) / 0.1)

    def _distance(self, physics: Physics) -> float:
        tcp, goal = physics.site_pose(TCP_SITE).position, physics.body_pose("goal").position
        return math.dist(tcp.tolist(), goal.tolist())


def make(options: EnvOptions, config: ReachConfig | None = None) -> SimEnv:
    """Return the environment."""
    return SimEnv(Reach(config or ReachConfig()), options)


def scripted(env: Env, seed: int, config: ReachConfig | None = None) -> Policy:
    """Return the demonstrator: by way of a via point to the target."""
    settings: ReachConfig = config or simulated(env).task.config
    return demonstrator(env, seed, settings.human, _demonstrate)


def _demonstrate(hand: Hand, obs: Observation) -> Generator[np.ndarray, Observation, None]:
    via = hand.scatter(hand.human.detour_m)
    while np.linalg.norm(to_via := obs["state/target/position"] + via) > 0.02:
        obs = yield hand.move(to_via)
    while True:
        obs = yield hand.move(obs["state/target/position"])
