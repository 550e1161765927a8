"""Push: slide a puck over the table to a mark, with closed fingers."""

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
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from robot_rl.protocols import Policy, Tracker
from robot_rl.types import Observation
from sim.env import SimEnv, demonstrator, simulated
from sim.gripper import TCP_SITE
from sim.oracle import Hand, HumanConfig
from sim.parts import CYLINDER, OBJECT, SHOWN
from sim.physics import Physics
from sim.robot import SimTracker
from sim.task import TOOL_DOWN, Task, place_body, random_pose, tool_pose

RADIUS, HALF_HEIGHT = 0.03, 0.015
"""m, of the puck."""
FINGERS = 0.012
"""m, from the tcp to the side of the closed fingers."""
BEHIND = RADIUS + FINGERS + 0.012
"""m, from the puck's middle to the tcp before it pushes."""
ROOM = 0.02
"""m, at least from there to the border of the workspace."""


@dataclass(frozen=True, slots=True)
class PushHuman(HumanConfig):
    """How a person pushes a puck."""

    speed: tuple[float, float] = (0.4, 0.8)
    """drawn per episode: fastest motion"""
    tremor: float = 0.05
    """standard deviation of the tremor"""
    aim_m: float = 0.003
    """standard deviation per axis of where the person means the mark to be"""
    hover_m: tuple[float, float] = (0.035, 0.05)
    """height above the puck's middle at which the hand crosses it"""
    astray_m: float = 0.02
    """how far from the line through mark and puck the fingers may be before the person starts over from behind"""


@dataclass(frozen=True, slots=True)
class PushPlanarConfig:
    """The task's difficulty."""

    spread_m: float = 0.08
    """the mark is within +- this of the middle, in x and y"""
    distance_m: tuple[float, float] = (0.08, 0.14)
    """the puck lies so far from the mark, in any direction that leaves room for the hand behind it"""
    start_spread_m: float = 0.04
    """the tcp starts within +- this of above the middle"""
    tolerance_m: float = 0.015
    """success: the puck's middle is this close to the mark's"""
    human: PushHuman = field(default_factory=PushHuman)
    """the scripted demonstrator"""

    def __post_init__(self) -> None:
        nearest, farthest = self.distance_m
        if not 0.0 < self.tolerance_m < nearest <= farthest < math.inf:
            raise ConfigError(
                f"push_planar tolerance_m {self.tolerance_m:g} and distance_m {self.distance_m} must be 0 < tolerance_m < "
                "nearest <= farthest: a puck that starts on its mark needs no push"
            )
        if not 0.0 <= self.spread_m < math.inf:
            raise ConfigError(f"push_planar spread_m {self.spread_m:g} must be a length, 0 m or more")


class PushPlanar(Task):
    """A puck of 6 cm and 150 g, and a mark of the same size. The hand keeps its orientation, and its fingers are closed."""

    name = "push_planar"
    action = ActionConfig(axes=("x", "y", "z"), reference="target")
    observation = ObservationConfig(arm_quantities=("wrench",), gripper=False, objects={"puck": "tcp", "mark": "tcp"})
    proprioception = ObservationConfig(arm_quantities=("position",), relative=False, gripper=False)

    def __init__(self, config: PushPlanarConfig):
        self.config = config
        self._middle = tool_pose((0.5, 0.0, 0.0))
        self._start = tool_pose((0.5, 0.0, 0.10))
        low, high = (np.array(corner[:2]) for corner in (self.scene.workspace_low, self.scene.workspace_high))
        middle = self._middle.position[:2]
        self._reach = np.minimum(middle - low, high - middle) - ROOM  # of the hand, from the middle
        if config.spread_m > self._reach.min():
            raise ConfigError(
                f"push_planar spread_m {config.spread_m:g} puts marks beyond {self._reach.min():g} m from the middle"
            )
        if config.distance_m[1] + BEHIND >= self._reach.max():
            raise ConfigError(
                f"push_planar distance_m {config.distance_m} leaves the hand no room behind the puck in any direction; "
                f"farthest: below {self._reach.max() - BEHIND:.3f} m"
            )

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add puck and mark."""
        spec.add_material(name="puck", rgba=(0.20, 0.45, 0.80, 1.0), specular=0.3, shininess=0.4)
        puck = spec.worldbody.add_body(name="puck")
        puck.add_freejoint(name="puck")
        puck.add_geom(
            name="puck", type=CYLINDER, size=(RADIUS, HALF_HEIGHT, 0), mass=0.15, material="puck",
            friction=(0.5, 0.01, 0.001), condim=4, solref=(0.01, 1.0), **OBJECT,
        )  # fmt: skip
        mark = spec.worldbody.add_body(name="mark")
        mark.add_geom(type=CYLINDER, size=(RADIUS, 0.0005, 0), rgba=(0.95, 0.55, 0.15, 1.0), **SHOWN)

    def trackers(self, physics: Physics) -> Mapping[str, Tracker]:
        """Return `puck` and `mark`: their middles, with the tool's orientation, since both look the same from all sides."""
        return {
            name: SimTracker(lambda name=name: Pose(physics.body_pose(name).position, TOOL_DOWN.quaternion))
            for name in ("puck", "mark")
        }

    def arrange(self, physics: Physics, rng: np.random.Generator) -> Pose:
        """Draw the mark, the puck at some distance from it, and the arm's start."""
        spread, start = self.config.spread_m, self.config.start_spread_m
        mark = random_pose(rng, self._middle, (spread, spread, 0.0), 0.0).position
        aside = self._draw_aside(mark, rng)
        upright = np.array([1.0, 0.0, 0.0, 0.0])
        place_body(physics, "mark", Pose(mark + np.array([0.0, 0.0, 0.0005]), upright))
        place_body(physics, "puck", Pose(mark + aside + np.array([0.0, 0.0, HALF_HEIGHT]), upright))
        return random_pose(rng, self._start, (start, start, 0.02), 0.0)

    def _draw_aside(self, mark: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the way from mark to puck [3], m, with room for the hand behind the puck: else nobody could push it straight."""
        while True:  # some direction has room for every distance: `__init__` has seen to that
            angle, distance = rng.uniform(-math.pi, math.pi), rng.uniform(*self.config.distance_m)
            away = np.array([math.cos(angle), math.sin(angle), 0.0])
            behind = (mark + (distance + BEHIND) * away)[:2]
            if np.all(np.abs(behind - self._middle.position[:2]) <= self._reach):
                return distance * away

    def is_success(self, physics: Physics) -> bool:
        """The puck is on the mark, wherever the fingers are."""
        return self._distance(physics) <= self.config.tolerance_m

    def progress(self, physics: Physics) -> float:
        """Mostly for nearing the mark, a little for being at the puck."""
        puck, tcp = physics.body_pose("puck").position, physics.site_pose(TCP_SITE).position
        near = math.exp(-math.dist(puck.tolist(), tcp.tolist()) / 0.1)
        return 0.2 * near + 0.79 * math.exp(-self._distance(physics) / 0.1)

    def _distance(self, physics: Physics) -> float:
        puck, mark = physics.body_pose("puck").position, physics.body_pose("mark").position
        return math.dist(puck[:2].tolist(), mark[:2].tolist())


def make(options: EnvOptions, config: PushPlanarConfig | None = None) -> SimEnv:
    """Return the environment."""
    return SimEnv(PushPlanar(config or PushPlanarConfig()), options)


def scripted(env: Env, seed: int, config: PushPlanarConfig | None = None) -> Policy:
    """Return the demonstrator: over the puck to behind it, down, and along the line to the mark."""
    settings: PushPlanarConfig = config or simulated(env).task.config
    return demonstrator(env, seed, settings.human, _Demonstration(settings.human))


class _Demonstration:
    """The script. It sees puck and mark in the tcp's frame, whose z axis points down."""

    def __init__(self, human: PushHuman):
        self._human = human

    def __call__(self, hand: Hand, obs: Observation) -> Generator[np.ndarray, Observation, None]:
        aim = hand.scatter(self._human.aim_m) * np.array([1.0, 1.0, 0.0])
        while True:
            obs = yield from self._go_behind(hand, obs, aim)
            obs = yield from self._push(hand, obs, aim)

    def _go_behind(self, hand: Hand, obs: Observation, aim: np.ndarray) -> Generator[np.ndarray, Observation, Observation]:
        """Rise, cross to the side of the puck that is away from the mark, and come down there."""
        height = np.array([0.0, 0.0, -float(hand.rng.uniform(*self._human.hover_m))])
        for _ in range(30):
            puck, behind, _ = _see(obs, aim)
            if np.linalg.norm((behind + height)[:2]) < 0.008:
                break
            # Up first: fingers that go sideways at the puck's height would take it along.
            is_low = puck[2] < -height[2] - 0.01 and np.linalg.norm(puck[:2]) < RADIUS + 3.0 * FINGERS
            target = puck * np.array([0.0, 0.0, 1.0]) + height if is_low else behind + height
            obs = yield hand.move(target, care=0.5)
        for _ in range(15):
            puck, behind, _ = _see(obs, aim)
            if abs(puck[2]) < 0.006:
                break
            obs = yield hand.move(behind, care=0.5)
        return obs

    def _push(self, hand: Hand, obs: Observation, aim: np.ndarray) -> Generator[np.ndarray, Observation, Observation]:
        """Push along the line, steering by keeping the fingers on it; return once they are too far from it."""
        for _ in range(60):
            puck, _, along = _see(obs, aim)
            aside = puck * np.array([1.0, 1.0, 0.0]) - (puck @ along) * along  # from the fingers to the line
            if np.linalg.norm(aside) > self._human.astray_m or puck @ along < 0.0:
                break
            remaining = float(np.linalg.norm(obs["state/mark/position"][:2] + aim[:2] - puck[:2]))
            step = along * min(remaining + 0.01, 0.02) + 1.5 * aside + np.array([0.0, 0.0, puck[2]])
            obs = yield hand.move(step, speed=0.6, care=0.6)
        return obs


def _see(obs: Observation, aim: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the puck's position [3], where to push from [3], both m from the tcp, and the direction [3] to the mark."""
    puck, mark = obs["state/puck/position"].astype(float), obs["state/mark/position"].astype(float) + aim
    way = (mark - puck) * np.array([1.0, 1.0, 0.0])
    along = way / max(float(np.linalg.norm(way)), 1e-6)
    return puck, puck - BEHIND * along, along
