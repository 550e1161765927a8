"""A scripted person beside the robot: watches the simulation, and corrects a policy that gets nowhere."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from robot_rl.envs.actions import motions
from robot_rl.envs.factory import Env, make_demonstrator
from robot_rl.errors import ConfigError
from robot_rl.types import TeleopInput
from sim.env import simulated

ROUNDING_S = 1e-6
"""s by which sums of simulated time may miss."""


@dataclass(frozen=True, slots=True)
class IntervenerConfig:
    """When a person helps, how, and how long. Progress is the task's, in [0, 1)."""

    reaction_s: float = 2.0
    """s without progress after which the person takes over: seeing it, and reaching for the device"""
    min_gain: float = 0.01
    """what counts as progress: so much more than the most so far"""
    recovery: float = 0.05
    """the person lets go once the task is so much further than it ever was without them; but not before success while
    the policy has finished none of the remembered episodes by itself"""
    min_hold_s: float = 0.5
    """s for which the person holds on at least"""
    max_hold_s: float = 8.0
    """s after which the person lets go in any case, and watches again"""
    noise: float = 0.05
    """standard deviation of what is added to the motions of the scripted demonstrator, in units of the action"""
    memory_episodes: int = 10
    """the person goes by how many of the last so many episodes the policy finished without help; expects nothing at first"""
    taper: float = 2.0
    """a person who saw a share s of successes watches an episode with probability 1 - s**taper; higher: helps for longer"""

    def __post_init__(self) -> None:
        for name in ("reaction_s", "min_gain", "max_hold_s", "memory_episodes", "taper"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"intervener {name} {getattr(self, name):g} is not positive")
        for name in ("recovery", "min_hold_s", "noise"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"intervener {name} {getattr(self, name):g} is negative")


class Intervener:
    """A Teleop. Sees the true state; is the less attentive, and the sooner content, the more often the policy succeeded alone.

    It must be read once before every step, after every reset, and best at the end of an episode too, as `Intervention` does:
    that is how it sees successes. The same seed and the same policy give the same interventions.
    """

    def __init__(self, env: Env, seed: int, config: IntervenerConfig | None = None) -> None:
        """Watch `env`; nothing is asked of it before the first `read`.

        Args:
            env: A simulated task, perhaps wrapped.
            seed: Of attention, motions and noise.
            config: Defaults if None.

        Raises:
            ConfigError: If `env` is no simulated task.
        """
        self._config = config or IntervenerConfig()
        self._env = simulated(env)
        self._demonstrator = make_demonstrator("scripted", self._env.task.name, self._env, seed)
        self._rng = np.random.default_rng([seed, 1])  # the demonstrator's draws begin with the same number
        self._moves = motions(self._env.env_spec.action)
        self._own_successes = deque[bool](maxlen=self._config.memory_episodes)
        self._has_helped, self._has_succeeded = False, False
        self._now = np.inf
        self._begin_episode()

    @property
    def attention(self) -> float:
        """Probability with which the person watches the next episode."""
        return 1.0 - (sum(self._own_successes) / self._config.memory_episodes) ** self._config.taper

    def read(self) -> TeleopInput:
        """Return what the person does now."""
        physics, task = self._env.physics, self._env.task
        before, self._now = self._now, float(physics.data.time)
        if self._now < before:  # only a reset turns this clock back
            if np.isfinite(before):
                self._own_successes.append(self._has_succeeded and not self._has_helped)
            self._begin_episode()
        progress = task.progress(physics)
        if task.is_success(physics):
            self._has_succeeded, self._taken_at = True, None
            return TeleopInput()
        if self._taken_at is None:
            self._perhaps_take_over(progress)
        else:
            self._perhaps_let_go(progress, held_s=self._now - self._taken_at + ROUNDING_S)
        return TeleopInput() if self._taken_at is None else TeleopInput(action=self._action())

    def _begin_episode(self) -> None:
        self._is_watching = bool(self._rng.random() < self.attention)
        self._has_helped, self._has_succeeded = False, False
        self._most, self._most_at = -np.inf, self._now
        self._taken_at: float | None = None

    def _perhaps_take_over(self, progress: float) -> None:
        if progress > self._most + self._config.min_gain:
            self._most, self._most_at = progress, self._now
        is_stuck = self._now - self._most_at + ROUNDING_S >= self._config.reaction_s
        if self._is_watching and is_stuck:
            self._taken_at, self._has_helped = self._now, True
            self._demonstrator.begin_episode()

    def _perhaps_let_go(self, progress: float, held_s: float) -> None:
        has_recovered = any(self._own_successes) and progress >= min(self._most + self._config.recovery, 1.0)
        if (has_recovered and held_s >= self._config.min_hold_s) or held_s >= self._config.max_hold_s:
            self._taken_at, self._most, self._most_at = None, progress, self._now

    def _action(self) -> np.ndarray:
        action = self._demonstrator.act(self._env.objects(exact=True), explore=True)
        noise = self._config.noise * self._rng.standard_normal(len(action)) * self._moves
        return np.clip(action + noise, -1.0, 1.0).astype(np.float32)
