"""The wrapper that lets no reset move a robot which a person has stopped."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.envs.intervention import STOPPED
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation


class StaysStopped(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """After an episode that a person stopped, `reset` raises KeyboardInterrupt, as Ctrl-C would. The outermost wrapper."""

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(self, env: Env) -> None:
        """Wrap `env`, in which a person can stop the robot."""
        super().__init__(cast("gym.Env[Observation, np.ndarray]", env))
        self.env_spec = env.env_spec
        self._is_stopped = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Raises:
            KeyboardInterrupt: If a person stopped the last one.
        """
        if self._is_stopped:
            raise KeyboardInterrupt(STOPPED)
        return self.env.reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, [A] in [-1, 1]."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._is_stopped = self._is_stopped or info["fault"] == STOPPED
        return obs, float(reward), terminated, truncated, info
