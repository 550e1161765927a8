"""Episodes that go on after success, so that a reward classifier sees what success looks like for more than one frame."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import numpy as np

from robot_rl.envs.actions import motions
from robot_rl.envs.factory import Env
from robot_rl.errors import ConfigError
from robot_rl.specs import ActionSpec, EnvSpec
from robot_rl.types import Observation

TREMOR = 0.15
"""Standard deviation of the actions of a hand that holds what it has reached."""
REACTION_STEPS = 3
"""Steps that pass before a person stops: success is then clear of its boundary, where no classifier can be sure."""


class Hold:
    """Replaces the motion in an action by a tremor about the place where the hand is; grippers go on as told.

    Actions whose names tell no axis (those of foreign environments) pass as they are: nobody knows how to hold by them.
    """

    def __init__(self, spec: ActionSpec, rng: np.random.Generator) -> None:
        self._moves = motions(spec)
        self._rng = rng

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """Return what a hand at rest does instead of `action`, [A] in [-1, 1]."""
        tremor = np.clip(self._rng.normal(0.0, TREMOR, len(action)), -1.0, 1.0)
        return np.where(self._moves, tremor, action).astype(np.float32)


class PastSuccess(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Ends an episode some steps after its first success, as truncated.

    In one half of the episodes the hand soon holds what it has reached, in the other the policy goes on: a learner that
    overshoots has succeeded too, and a classifier that never saw it would not pay for it.
    """

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(self, env: Env, steps: int) -> None:
        """Let episodes go on for `steps`.

        Raises:
            ConfigError: If the environment ends at success, or the number is negative.
        """
        super().__init__(cast("gym.Env[Observation, np.ndarray]", env))
        if steps < 0:
            raise ConfigError(f"an episode cannot go on for {steps} steps past success; give 0 or more")
        if getattr(self.env.unwrapped, "ends_at_success", False):
            raise ConfigError(f"{env.env_spec.name} ends its episodes at success; set EnvOptions(end_at_success=False)")
        self.env_spec = env.env_spec
        self._steps = steps
        self._left: int | None = None
        self._hold = Hold(env.env_spec.action, np.random.default_rng(0))
        self._holds = True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode."""
        self._left = None
        rng = np.random.default_rng(seed)
        self._holds = bool(rng.random() < 0.5)
        self._hold = Hold(self.env_spec.action, rng)
        return self.env.reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, [A] in [-1, 1], or hold; `info["action"]` tells what was executed."""
        holds = self._holds and self._left is not None and self._steps - self._left >= REACTION_STEPS
        obs, reward, terminated, truncated, info = self.env.step(self._hold(action) if holds else action)
        if self._left is not None:
            self._left -= 1
        elif info["success"]:
            self._left = self._steps
        truncated = truncated or (self._left == 0 and not terminated)
        if truncated:
            getattr(self.env.unwrapped, "stop", lambda: None)()
        return obs, float(reward), terminated, truncated, info | {"policy_action": np.array(action, dtype=np.float32)}
