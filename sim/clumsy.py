"""A demonstrator of failures: what a success classifier must not take for a success."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from robot_rl.envs.actions import motions
from robot_rl.envs.factory import Env
from robot_rl.protocols import Policy
from robot_rl.specs import ActionSpec
from robot_rl.types import Observation
from sim.env import simulated
from sim.task import up_sign

TREMOR = 0.15
"""Standard deviation of the actions of a hand that has given up and stays where it is."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How the attempts of one episode go wrong. All actions are [A] in [-1, 1]."""

    noise: float
    """standard deviation of what is added to every motion"""
    bias: np.ndarray
    """[A], added to every motion, so that the hand goes past its goal"""
    grip: float | None
    """what the gripper does instead of what it should: closed on nothing, or open where it should hold; None: as it should"""


@dataclass(frozen=True, slots=True)
class Lapse:
    """When an attempt is given up, and what is done before the next. Late lapses are near misses."""

    progress: float
    """of the task, at which the attempt is given up"""
    patience: int
    """steps after which it is given up in any case"""
    steps: int
    """how long the hand is elsewhere"""
    action: np.ndarray | None
    """[A]: where the hand wanders off to; None: it stays where it is, and the gripper goes on as told"""
    raising_steps: int = 0
    """how long it goes up after that with nothing in it, as if it held what it should"""
    grip: float = -1.0
    """what the gripper does meanwhile"""


class ClumsyPolicy:
    """Tries like a demonstrator and fails in the ways in which a learner fails, again and again until the episode ends.

    Some attempts succeed all the same, if not for long. Episodes differ; the same seed repeats them in order.
    """

    version = 0

    def __init__(self, policy: Policy, spec: ActionSpec, progress: Callable[[], float], seed: int, up: float = -1.0) -> None:
        """Spoil what `policy` does.

        Args:
            policy: The demonstrator.
            spec: Of the actions.
            progress: Tells how far the task has come, in [0, 1).
            seed: Of what goes wrong.
            up: Sign of the actions along z that raise the hand; of a tool that points down, in its own frame, -1.
        """
        self._policy = policy
        self._progress = progress
        self._moves = motions(spec)
        self._up = np.array([up * (axis == "z") for axis in spec.axes])
        self._seed = seed
        self._episode = 0
        self._begin()

    def begin_episode(self) -> None:
        """Start over, with other habits."""
        self._policy.begin_episode()
        self._episode += 1
        self._begin()

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return the next action [A] in [-1, 1]."""
        action = self._policy.act(obs, explore=explore)
        self._tried += 1
        if self._tried > self._next.patience or self._progress() >= self._next.progress:
            self._lapse, self._next = self._next, draw_lapse(self._rng, self._moves)
            self._left, self._tried = self._lapse.steps + self._lapse.raising_steps, 0
        if self._left > 0:
            self._left, self._tried = self._left - 1, 0
            return self._lapsed(action)
        motion = action + self._habits.bias + self._rng.normal(0.0, self._habits.noise, len(action))
        grip = action if self._habits.grip is None else np.full_like(action, self._habits.grip)
        return self._assemble(motion, grip)

    def _lapsed(self, action: np.ndarray) -> np.ndarray:
        lapse = self._lapse
        if self._left < lapse.raising_steps:
            return self._assemble(self._rng.uniform(0.2, 0.8) * self._up, np.full_like(action, lapse.grip))
        if lapse.action is not None:
            return self._assemble(lapse.action, lapse.action)
        return self._assemble(self._rng.normal(0.0, TREMOR, len(action)), action)

    def _assemble(self, motion: np.ndarray, grip: np.ndarray) -> np.ndarray:
        return np.clip(np.where(self._moves, motion, grip), -1.0, 1.0).astype(np.float32)

    def _begin(self) -> None:
        self._rng = np.random.default_rng([self._seed, self._episode])
        self._habits = draw_habits(self._rng, self._moves)
        self._lapse = self._next = draw_lapse(self._rng, self._moves)
        self._tried, self._left = 0, 0


def draw_habits(rng: np.random.Generator, moves: np.ndarray) -> Habits:
    """Return habits; in three of five episodes only lapses spoil the attempts.

    Args:
        rng: Decides.
        moves: [A], bool: which actions are motions; the others are the gripper's.
    """
    spoiled = rng.random() < 0.4
    kind = rng.choice(["misses", "shakes"] if moves.all() else ["misses", "shakes", "fumbles"]) if spoiled else "none"
    return Habits(
        noise=float(rng.uniform(0.4, 0.8)) if kind == "shakes" else float(rng.uniform(0.0, 0.1)),
        bias=rng.uniform(-0.3, 0.3, len(moves)) * moves if kind == "misses" else np.zeros(len(moves)),
        grip=float(rng.choice([-1.0, 1.0])) if kind == "fumbles" else None,
    )


def draw_lapse(rng: np.random.Generator, moves: np.ndarray) -> Lapse:
    """Return when and how the next attempt ends. `moves` [A] tells which actions are motions."""
    wander = np.where(moves, rng.uniform(-0.5, 0.5, len(moves)), rng.choice([-1.0, 1.0], len(moves)))
    lapse = Lapse(
        progress=float(0.9 - 0.5 * rng.random() ** 2),  # beyond 0.9 no picture tells a near miss from a success
        patience=int(rng.integers(30, 80)),
        steps=int(rng.integers(3, 10)),
        action=wander if rng.random() < 0.6 else None,
    )
    if moves.all() or lapse.action is None or rng.random() < 0.5:
        return lapse
    return replace(lapse, raising_steps=int(rng.integers(8, 25)), grip=float(rng.choice([-1.0, 1.0])))


def clumsy(env: Env, policy: Policy, seed: int) -> ClumsyPolicy:
    """Return a policy that fails like a learner at a simulated task, where `policy` would succeed.

    Raises:
        ConfigError: If `env` is no simulated task.
    """
    inner = simulated(env)
    up = up_sign(inner.task.action)
    return ClumsyPolicy(policy, env.env_spec.action, lambda: inner.task.progress(inner.physics), seed, up)
