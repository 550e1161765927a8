"""The wrapper that lets people get ready between a reset and the first observation of an episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.envs.robot_env import BEFORE_OBSERVING, RobotEnv
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation


class Countdown(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Calls a function once robot and scene are at their start; what it moved, or how long it took, the episode shows.

    A foreign environment stands still between reset and first step, so there it is called after the reset.
    """

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(self, env: Env, count: Callable[[], None]) -> None:
        super().__init__(cast("gym.Env[Observation, np.ndarray]", env))
        self.env_spec, self._env = env.env_spec, env
        self._count = count

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode."""
        if isinstance(self.env.unwrapped, RobotEnv):
            return self.env.reset(seed=seed, options={**(options or {}), BEFORE_OBSERVING: self._count})
        started = self.env.reset(seed=seed, options=options)
        self._count()
        return started

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, [A] in [-1, 1]."""
        return self._env.step(action)
