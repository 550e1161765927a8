"""The wrapper through which a learned reward decides, and the environment's own success is only told."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.errors import ConfigError
from robot_rl.protocols import RewardModel
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation


class Judged(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Reward, `info["success"]` and the end at success come from a reward model that sees the observation and no more.

    The wrapped environment's own opinion of each step stays in `info["true_success"]`. Its time limit, faults and
    failures end episodes as before. A person's word outweighs the model's: put `Intervention` around this.
    """

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(self, env: Env, reward_model: RewardModel) -> None:
        """Wrap `env`.

        Raises:
            ConfigError: If it ends at its own success, whatever the model says of it.
        """
        super().__init__(cast("gym.Env[Observation, np.ndarray]", env))
        if getattr(self.env.unwrapped, "ends_at_success", False):
            raise ConfigError(
                f"{env.env_spec.name} ends its episodes at its own success, which a reward model is to decide; "
                "make it with EnvOptions(end_at_success=False)"
            )
        self.env_spec = env.env_spec
        self.reward_model = reward_model

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode."""
        obs, info = self.env.reset(seed=seed, options=options)
        self.reward_model.begin_episode()
        return obs, info

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, [A] in [-1, 1], and judge what came of it; a fault is not judged."""
        obs, _, terminated, truncated, info = self.env.step(action)
        if info["fault"]:
            return obs, 0.0, terminated, truncated, info | {"success": False}
        try:
            reward, success = self.reward_model(obs)
        except BaseException:  # as in RobotEnv.step: nothing may leave this method with the robot moving
            self.stop()
            raise
        if success:
            self.stop()
        terminated = terminated or success
        return obs, reward, terminated, truncated and not terminated, info | {"success": success}

    def stop(self) -> None:
        """End the episode and hold the robot, where there is one."""
        stop = getattr(self.env.unwrapped, "stop", None)
        if stop is not None:
            stop()
