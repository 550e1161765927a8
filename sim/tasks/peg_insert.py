"""Peg insertion: put a square peg that the gripper holds into a hole half a millimetre wider on each side."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

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
from sim.gripper import FINGER_TRAVEL, TCP_OFFSET
from sim.imperfect import Imperfections, PoseNoise
from sim.oracle import Hand, HumanConfig
from sim.parts import FIXED, HELD
from sim.physics import Physics
from sim.robot import SimTracker
from sim.room import View
from sim.scene import SceneConfig
from sim.task import Task, place_body, random_pose, tool_pose

PEG_HALF_WIDTH = 0.008
PEG_LENGTH = 0.060
PEG_BELOW_TCP = 0.045
"""m from the tcp to the peg's tip, as grasped without error."""
BLOCK_HALF_WIDTH = 0.04
BLOCK_FLOOR = 0.010
"""m of block under the hole."""
FULL_DEPTH_MARGIN = 0.001
"""m: the peg is in when its tip is this close to the hole's bottom."""

STIFF: dict[str, Any] = {
    "friction": (0.1, 0.005, 0.0001),
    "solref": (0.004, 1.0),
    "solimp": (0.95, 0.99, 0.0005, 0.5, 2.0),
    "condim": 3,
    "margin": 0.0,
}
"""Contacts that give by about a hundredth of a millimetre under the arm's largest force: small against the clearance."""


@dataclass(frozen=True, slots=True)
class PegHuman(HumanConfig):
    """How a person inserts a peg."""

    speed: tuple[float, float] = (0.25, 0.5)
    """drawn per episode: fastest motion"""
    hover_m: tuple[float, float] = (0.010, 0.030)
    """height above the hole from which the peg is lowered"""
    detour_m: float = 0.015
    """how far off the straight way a via point lies"""
    tremor: float = 0.1
    """standard deviation of the tremor"""
    aim_m: float = 0.0005
    """standard deviation per axis of where the peg is aimed, drawn anew at each attempt"""
    aim_rad: float = 0.015
    """the same, of its yaw"""
    care: float = 0.7
    """concentration while aligning and lowering, 0 to 1"""
    funnel_m: float = 0.002
    """misalignment above which the peg is not lowered further"""
    patience: int = 4
    """steps without getting deeper after which the person lifts the peg and aims again"""


@dataclass(frozen=True, slots=True)
class PegInsertConfig:
    """The task's difficulty."""

    clearance_m: float = 0.0005
    """on each side of the peg"""
    depth_m: float = 0.025
    """of the hole; success is within 1 mm of it"""
    hole_spread_m: float = 0.05
    """the hole is within +- this, in x and y"""
    hole_yaw_rad: float = math.radians(15)
    """the hole is turned within +- this"""
    start_spread_m: tuple[float, float, float] = (0.02, 0.02, 0.02)
    """the tcp starts within +- this"""
    start_yaw_rad: float = 0.15
    """the tcp starts turned within +- this"""
    grasp_spread_m: tuple[float, float, float] = (0.003, 0.0, 0.003)
    """the peg is held within +- this of the middle, along the fingers and up and down"""
    grasp_yaw_rad: float = 0.05
    """the peg is held turned within +- this"""
    grasp_tilt_rad: float = 0.01
    """the peg is held tilted within +- this, about the fingers' axis"""
    pose_noise: PoseNoise = field(default_factory=PoseNoise)
    """errors of the observed poses of hole and peg"""
    human: PegHuman = field(default_factory=PegHuman)
    """the scripted demonstrator"""


class PegInsert(Task):
    """Frames: `peg` is at the tip, z along the peg; `hole` is where the tip's frame is when the peg is in."""

    name = "peg_insert"
    action = ActionConfig(axes=("x", "y", "z", "yaw"), reference="target")
    observation = ObservationConfig(arm_quantities=("wrench",), gripper=False, objects={"hole": "peg"})
    proprioception = ObservationConfig(arm_quantities=("height", "wrench"), gripper=False, tool_pose=True)
    opening = PEG_HALF_WIDTH / FINGER_TRAVEL
    scene = SceneConfig(front=View(position=(1.16, 0.0, 0.40), target=(0.5, 0.0, 0.07), fovy=20.0))

    def __init__(self, config: PegInsertConfig):
        self.config = config
        self.imperfections = Imperfections(pose_noise=config.pose_noise)
        self._hole_middle = tool_pose((0.5, 0.0, BLOCK_FLOOR))
        self._start_middle = tool_pose((0.5, 0.0, 0.16))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the block with the hole, and the peg to the hand."""
        spec.add_material(name="block", rgba=(0.24, 0.42, 0.62, 1.0), specular=0.3, shininess=0.4)
        spec.add_material(name="peg", rgba=(0.93, 0.52, 0.16, 1.0), specular=0.3, shininess=0.4)
        self._add_block(spec.worldbody)
        peg = spec.body("hand").add_body(name="peg", gravcomp=1)
        half = PEG_LENGTH / 2
        peg.add_geom(
            name="peg", type=mujoco.mjtGeom.mjGEOM_BOX, size=(PEG_HALF_WIDTH, PEG_HALF_WIDTH, half), pos=(0, 0, -half),
            mass=0.05, material="peg", **STIFF, **HELD,
        )  # fmt: skip

    def trackers(self, physics: Physics) -> Mapping[str, Tracker]:
        """Return `hole` and `peg`."""
        return {name: SimTracker(lambda name=name: physics.body_pose(name)) for name in ("hole", "peg")}

    def arrange(self, physics: Physics, rng: np.random.Generator) -> Pose:
        """Draw the hole, the grasp and the arm's start."""
        config = self.config
        spread = config.hole_spread_m
        place_body(physics, "hole", random_pose(rng, self._hole_middle, (spread, spread, 0.0), config.hole_yaw_rad))
        middle = Pose.of((0.0, 0.0, TCP_OFFSET + PEG_BELOW_TCP))
        tilt = Pose.of((0.0, 0.0, 0.0), (0.0, float(rng.uniform(-1.0, 1.0)) * config.grasp_tilt_rad, 0.0))
        place_body(physics, "peg", random_pose(rng, middle, config.grasp_spread_m, config.grasp_yaw_rad) @ tilt)
        return random_pose(rng, self._start_middle, config.start_spread_m, config.start_yaw_rad)

    def is_success(self, physics: Physics) -> bool:
        """The tip is at the hole's bottom."""
        return self._remaining(physics) <= FULL_DEPTH_MARGIN

    def progress(self, physics: Physics) -> float:
        """Grow as the tip nears the hole's bottom."""
        return math.exp(-self._remaining(physics) / 0.05)

    def _remaining(self, physics: Physics) -> float:
        tip, hole = physics.body_pose("peg").position, physics.body_pose("hole").position
        return math.dist(tip.tolist(), hole.tolist())

    def _add_block(self, world: mujoco.MjsBody) -> None:
        """Add four walls around the hole and a floor under it. The hole's z axis points down, as the tool's does."""
        block = world.add_body(name="hole")
        inner = PEG_HALF_WIDTH + self.config.clearance_m
        half_wall = (BLOCK_HALF_WIDTH - inner) / 2
        middle, half_depth = inner + half_wall, self.config.depth_m / 2
        box = {"type": mujoco.mjtGeom.mjGEOM_BOX, "material": "block", **STIFF, **FIXED}
        for side in (-1.0, 1.0):
            block.add_geom(size=(half_wall, BLOCK_HALF_WIDTH, half_depth), pos=(side * middle, 0, -half_depth), **box)
            block.add_geom(size=(inner, half_wall, half_depth), pos=(0, side * middle, -half_depth), **box)
        block.add_geom(size=(BLOCK_HALF_WIDTH, BLOCK_HALF_WIDTH, BLOCK_FLOOR / 2), pos=(0, 0, BLOCK_FLOOR / 2), **box)


def make(options: EnvOptions, config: PegInsertConfig | None = None) -> SimEnv:
    """Return the environment."""
    return SimEnv(PegInsert(config or PegInsertConfig()), options)


def scripted(env: Env, seed: int, config: PegInsertConfig | None = None) -> Policy:
    """Return the demonstrator: goes above the hole, turns, lowers the peg, and lifts and aims again when it is stuck."""
    settings: PegInsertConfig = config or simulated(env).task.config
    return demonstrator(env, seed, settings.human, _Demonstration(settings))


class _Demonstration:
    """The script. It sees the hole in the peg's frame: `hole[2]` is how much deeper the tip must go."""

    def __init__(self, config: PegInsertConfig):
        self._depth = config.depth_m
        self._human = config.human

    def __call__(self, hand: Hand, obs: Observation) -> Generator[np.ndarray, Observation, None]:
        if not self._is_close(obs):
            obs = yield from self._approach(hand, obs)
        while True:
            aim = hand.scatter(self._human.aim_m)
            aim_yaw = float(hand.rng.normal(0.0, self._human.aim_rad))
            obs = yield from self._lower(hand, obs, aim, aim_yaw)
            for _ in range(int(hand.rng.integers(1, 3, endpoint=True))):
                obs = yield hand.move(np.array([0.0, 0.0, -0.01]), care=0.5)

    def _is_close(self, obs: Observation) -> bool:
        """Return whether the peg is over the hole or in it already, as where a person takes over from a policy."""
        hole, yaw = _hole(obs)
        return bool(np.hypot(*hole[:2]) < 0.02 and hole[2] < self._depth + 0.03 and abs(yaw) < 0.3)

    def _approach(self, hand: Hand, obs: Observation) -> Generator[np.ndarray, Observation, Observation]:
        """Go by way of a point to the side to above the hole."""
        above = np.array([0.0, 0.0, -(self._depth + hand.rng.uniform(*self._human.hover_m))])
        via = above + hand.scatter(self._human.detour_m) * np.array([1.0, 1.0, 0.3]) - np.array([0.0, 0.0, 0.03])
        for point, tolerance in ((via, 0.02), (above, 0.006)):
            for _ in range(25):
                hole, yaw = _hole(obs)
                if np.linalg.norm(hole + point) < tolerance and abs(yaw) < 0.15:
                    break
                obs = yield hand.move(hole + point, yaw)
        return obs

    def _lower(
        self, hand: Hand, obs: Observation, aim: np.ndarray, aim_yaw: float
    ) -> Generator[np.ndarray, Observation, Observation]:
        """Lower the peg as far as it is aligned, and push it in; return once it is stuck."""
        deepest, stuck = np.inf, 0
        while stuck < self._human.patience:
            hole, yaw = _hole(obs)
            aside, turn = hole[:2] + aim[:2], yaw + aim_yaw
            is_inside = hole[2] < self._depth - 0.001
            misaligned = float(np.hypot(*aside)) + 0.02 * abs(turn)
            down = 0.02 if is_inside else 0.02 * np.clip(1.5 - misaligned / self._human.funnel_m, -0.2, 1.0)
            stuck = 0 if hole[2] < deepest - 0.0005 else stuck + 1
            deepest = min(deepest, float(hole[2]))
            obs = yield hand.move(np.array([*aside, down]), turn, speed=0.6, care=self._human.care)
        return obs


def _hole(obs: Observation) -> tuple[np.ndarray, float]:
    """Return the hole's position [3], m, and yaw, rad, in the peg's frame."""
    return obs["state/hole/position"].astype(float), float(obs["state/hole/rotation"][2])
