"""The wrapper that makes an environment as slow as the world, so that a person can follow it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation


class Paced(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Lets every step last its control period on the wall. A step that comes late delays the next ones: none is rushed."""

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(
        self, env: Env, *, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Wrap an environment whose own time is not the wall's; `now` and `sleep` are in s."""
        super().__init__(cast("gym.Env[Observation, np.ndarray]", env))
        self.env_spec = env.env_spec
        self._now, self._sleep = now, sleep
        self._due = now()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode, from which on time counts."""
        started = self.env.reset(seed=seed, options=options)
        self._due = self._now()
        return started

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, [A] in [-1, 1], and wait for the end of the period."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        now = self._now()
        self._due = max(self._due + self.env_spec.control_dt, now)
        if self._due > now:
            self._sleep(self._due - now)
        return obs, float(reward), terminated, truncated, info
