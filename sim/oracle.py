"""Scripted demonstrators that move like a person: unhurried, never twice the same, and by what is observed alone."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from robot_rl.envs.actions import ActionConfig
from robot_rl.specs import ActionSpec
from robot_rl.types import Observation


@dataclass(frozen=True, slots=True)
class HumanConfig:
    """How a person moves. Speeds and noise are in units of the action, whose range is -1 to 1."""

    speed: tuple[float, float] = (0.35, 0.7)
    """drawn per episode: fastest motion"""
    smoothing: float = 0.4
    """share of the last motion that is kept; 0 turns at once"""
    gain: float = 0.5
    """share of the remaining way that is wanted in one step"""
    tremor: float = 0.08
    """standard deviation of the tremor"""
    tremor_memory: float = 0.8
    """correlation of the tremor from step to step"""
    pause: float = 0.03
    """probability per step to stop and look"""
    pause_steps: tuple[int, int] = (2, 6)
    """length of such a stop"""
    detour_m: float = 0.03
    """how far off the straight way a via point lies"""


class Hand:
    """One episode's motor habits: turns where to go into an unhurried, trembling action."""

    def __init__(self, spec: ActionSpec, action: ActionConfig, human: HumanConfig, rng: np.random.Generator):
        self.rng = rng
        self.human = human
        self.speed = float(rng.uniform(*human.speed))
        """fastest motion of this episode, in units of the action"""
        self._spec = spec
        self._action = action
        self._tremor = np.zeros(4)
        self._last = np.zeros(4)
        self._pause = 0
        self._grip = 1.0

    def move(
        self, offset: np.ndarray, yaw: float = 0.0, gripper: float = 0.0, speed: float = 1.0, care: float = 0.0
    ) -> np.ndarray:
        """Return the action [A] that heads for a point.

        Args:
            offset: [3], m, from the tcp to the point, in the action's frame.
            yaw: rad still to turn about the tcp's z axis.
            gripper: -1 closed to 1 open; a discrete gripper is told only of changes.
            speed: Fraction of the episode's speed.
            care: 0 relaxed to 1 concentrated: without tremor, and directly to the point.
        """
        human = self.human
        gain = human.gain + care * (0.9 - human.gain)
        wanted = gain * np.append(offset / self._action.position_scale_m, yaw / self._action.rotation_scale_rad)
        limit = self.speed * speed
        wanted[:2] *= min(1.0, limit / max(float(np.hypot(*wanted[:2])), 1e-9))
        wanted[2:] = np.clip(wanted[2:], -limit, limit)
        if self._is_pausing():
            wanted[:] = 0.0
        kept = human.smoothing * (1.0 - care)
        self._last = kept * self._last + (1.0 - kept) * wanted
        fresh = np.sqrt(1.0 - human.tremor_memory**2) * human.tremor * self.rng.standard_normal(4)
        self._tremor = human.tremor_memory * self._tremor + fresh
        return self._assemble(self._last + (1.0 - care) * self._tremor, gripper)

    def scatter(self, deviation: float) -> np.ndarray:
        """Return a normally distributed vector [3] of standard deviation `deviation` per axis."""
        return deviation * self.rng.standard_normal(3)

    def _is_pausing(self) -> bool:
        if self._pause == 0 and self.rng.random() < self.human.pause:
            self._pause = int(self.rng.integers(*self.human.pause_steps, endpoint=True))
        self._pause = max(self._pause - 1, 0)
        return self._pause > 0

    def _assemble(self, motion: np.ndarray, gripper: float) -> np.ndarray:
        """Return the action [A] of the environment's own dimensions from x, y, z, yaw and gripper."""
        by_axis: dict[str, float] = dict(zip(("x", "y", "z", "yaw"), motion.tolist(), strict=True))
        if self._spec.discrete:
            gripper, self._grip = (0.0 if gripper == self._grip else gripper), gripper
        values = [by_axis.get(axis, gripper) for axis in self._spec.axes]
        return np.clip(np.array(values, dtype=np.float32), -1.0, 1.0)


Script = Callable[[Hand, Observation], Generator[np.ndarray, Observation, None]]
"""A demonstration: starts with the first observation, yields actions, is sent observations and never ends by itself."""


class ScriptedPolicy:
    """Plays a script. Episodes differ from each other; a policy built from the same seed repeats them in order."""

    version = 0

    def __init__(
        self,
        spec: ActionSpec,
        action: ActionConfig,
        human: HumanConfig,
        seed: int,
        script: Script,
        objects: Callable[[], Observation] | None = None,
    ):
        self._objects = objects
        self._spec = spec
        self._action = action
        self._human = human
        self._script = script
        self._seed = seed
        self._episode = 0
        self._playing: Generator[np.ndarray, Observation, None] | None = None

    def begin_episode(self) -> None:
        """Start over, with other habits than in the last episode."""
        self._episode += 1
        self._playing = None

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return the next action [A] in [-1, 1]; a person cannot but explore, so `explore` changes nothing."""
        if self._objects is not None:
            obs = obs | self._objects()
        if self._playing is not None:
            return self._playing.send(obs)
        rng = np.random.default_rng([self._seed, self._episode])
        self._playing = self._script(Hand(self._spec, self._action, self._human, rng), obs)
        return next(self._playing)
