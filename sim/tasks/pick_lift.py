"""Pick and lift: grasp a cube that lies anywhere on the table and raise it."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal

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
from sim.gripper import FINGER_TRAVEL, TCP_SITE
from sim.oracle import Hand, HumanConfig
from sim.parts import OBJECT
from sim.physics import Physics
from sim.robot import SimTracker
from sim.symmetry import nearest_cube_rotation
from sim.task import Task, place_body, random_pose, tool_pose

HALF_WIDTH = 0.02
"""m, half of the cube's edge."""


@dataclass(frozen=True, slots=True)
class LiftHuman(HumanConfig):
    """How a person picks a cube."""

    speed: tuple[float, float] = (0.3, 0.6)
    """drawn per episode: fastest motion"""
    detour_m: float = 0.015
    """how far off the straight way a via point lies"""
    hover_m: tuple[float, float] = (0.04, 0.08)
    """height above the cube at which the hand is aligned"""
    aim_m: float = 0.003
    """standard deviation per axis of where the cube is grasped"""
    hesitate_steps: tuple[int, int] = (0, 1)
    """steps between stopping at the cube and closing, and between closing and lifting"""


@dataclass(frozen=True, slots=True)
class PickLiftConfig:
    """The task's difficulty."""

    gripper: Literal["continuous", "discrete"] = "continuous"
    """continuous: the action is the opening; discrete: close, stay, open"""
    spread_m: float = 0.15
    """the cube is within +- this, in x and y"""
    start_spread_m: float = 0.03
    """the tcp starts within +- this of above the middle"""
    lift_m: float = 0.10
    """success: the cube has been raised this far"""
    human: LiftHuman = field(default_factory=LiftHuman)
    """the scripted demonstrator"""


class PickLift(Task):
    """A cube of 4 cm and 60 g.

    The cube looks the same in 24 orientations. Tracker `cube` reports the one nearest to the tcp's, so the observed
    rotation is within 45 degrees of yaw, and jumps by 90 degrees where the hand turns past that.
    """

    name = "pick_lift"
    observation = ObservationConfig(arm_quantities=(), objects={"cube": "tcp"})
    proprioception = ObservationConfig(arm_quantities=("height",), min_opening=0.75, tool_pose=True)
    opening = 1.0
    empty_opening = 0.8 * HALF_WIDTH / FINGER_TRAVEL

    def __init__(self, config: PickLiftConfig):
        self.config = config
        self.action = action_config(config)
        self._middle = tool_pose((0.5, 0.0, HALF_WIDTH))
        self._start = tool_pose((0.5, 0.0, 0.20))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the cube."""
        spec.add_material(name="cube", rgba=(0.82, 0.22, 0.20, 1.0), specular=0.3, shininess=0.4)
        cube = spec.worldbody.add_body(name="cube")
        cube.add_freejoint(name="cube")
        cube.add_geom(
            name="cube", type=mujoco.mjtGeom.mjGEOM_BOX, size=(HALF_WIDTH,) * 3, mass=0.06, material="cube",
            friction=(1.0, 0.01, 0.001), condim=3, solref=(0.01, 1.0), **OBJECT,
        )  # fmt: skip

    def trackers(self, physics: Physics) -> Mapping[str, Tracker]:
        """Return `cube`, its orientation chosen as the class describes."""

        def read() -> Pose:
            cube, tcp = physics.body_pose("cube"), physics.site_pose(TCP_SITE)
            return Pose(cube.position, nearest_cube_rotation(cube.quaternion, tcp.quaternion))

        return {"cube": SimTracker(read)}

    def arrange(self, physics: Physics, rng: np.random.Generator) -> Pose:
        """Draw the cube and the arm's start."""
        spread, start = self.config.spread_m, self.config.start_spread_m
        place_body(physics, "cube", random_pose(rng, self._middle, (spread, spread, 0.0), math.pi))
        return random_pose(rng, self._start, (start, start, start), 0.0)

    def is_success(self, physics: Physics) -> bool:
        """The cube has been raised."""
        return self._height(physics) >= self.config.lift_m

    def progress(self, physics: Physics) -> float:
        """Half for nearing the cube, half for raising it."""
        cube, tcp = physics.body_pose("cube").position, physics.site_pose(TCP_SITE).position
        near = math.exp(-math.dist(cube.tolist(), tcp.tolist()) / 0.1)
        raised = min(max(self._height(physics) / self.config.lift_m, 0.0), 1.0)
        return 0.5 * near + 0.49 * raised

    def _height(self, physics: Physics) -> float:
        return float(physics.body_pose("cube").position[2]) - HALF_WIDTH


def action_config(config: PickLiftConfig) -> ActionConfig:
    """Return what the policy moves."""
    return ActionConfig(axes=("x", "y", "z", "yaw"), reference="target", gripper=config.gripper)


def make(options: EnvOptions, config: PickLiftConfig | None = None) -> SimEnv:
    """Return the environment."""
    return SimEnv(PickLift(config or PickLiftConfig()), options)


def scripted(env: Env, seed: int, config: PickLiftConfig | None = None) -> Policy:
    """Return the demonstrator: above the cube, down, close, up."""
    settings: PickLiftConfig = config or simulated(env).task.config
    return demonstrator(env, seed, settings.human, _Demonstration(settings.human))


class _Demonstration:
    """The script. It sees the cube in the tcp's frame, whose z axis points down."""

    def __init__(self, human: LiftHuman):
        self._human = human

    def __call__(self, hand: Hand, obs: Observation) -> Generator[np.ndarray, Observation, None]:
        while True:
            aim = hand.scatter(self._human.aim_m)
            height = float(hand.rng.uniform(*self._human.hover_m))
            obs = yield from self._hover(hand, obs, aim, height)
            obs = yield from self._descend(hand, obs, aim)
            for _ in range(3 + int(hand.rng.integers(*self._human.hesitate_steps, endpoint=True))):
                obs = yield hand.move(np.zeros(3), gripper=-1.0, care=0.7)
            while np.linalg.norm(_cube(obs)[0]) < 0.03:
                obs = yield hand.move(np.array([0.0, 0.0, -0.05]), gripper=-1.0)

    def _hover(
        self, hand: Hand, obs: Observation, aim: np.ndarray, height: float
    ) -> Generator[np.ndarray, Observation, Observation]:
        """Go by way of a point to the side to above the cube, and turn."""
        above = aim + np.array([0.0, 0.0, -height])
        via = above + hand.scatter(self._human.detour_m) * np.array([1.0, 1.0, 0.3])
        for _ in range(20):
            if np.linalg.norm(_cube(obs)[0] + via) < 0.025:
                break
            obs = yield hand.move(_cube(obs)[0] + via, _cube(obs)[1], gripper=1.0)
        for _ in range(25):
            cube, yaw = _cube(obs)
            if np.linalg.norm(cube + above) < 0.008 and abs(yaw) < 0.08:
                break
            obs = yield hand.move(cube + above, yaw, gripper=1.0, care=0.3)
        return obs

    def _descend(self, hand: Hand, obs: Observation, aim: np.ndarray) -> Generator[np.ndarray, Observation, Observation]:
        """Lower the open fingers around the cube."""
        for _ in range(20):
            cube, yaw = _cube(obs)
            if cube[2] < 0.006:
                break
            obs = yield hand.move(cube + aim * np.array([1.0, 1.0, 0.0]), yaw, gripper=1.0, speed=0.8, care=0.5)
        return obs


def _cube(obs: Observation) -> tuple[np.ndarray, float]:
    """Return the cube's position [3], m, and yaw, rad, in the tcp's frame."""
    return obs["state/cube/position"].astype(float), float(obs["state/cube/rotation"][2])
