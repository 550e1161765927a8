"""Episodes that go on after a person has called them a success, so that a reward classifier sees more of it than one frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import gymnasium as gym
import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.errors import ConfigError
from robot_rl.protocols import Teleop
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation, TeleopInput


class SuccessMarks:
    """A Teleop that keeps a person's success to itself: `Intervention` would end the episode there."""

    def __init__(self, teleop: Teleop) -> None:
        self._teleop = teleop
        self._is_marked = False
        self.has_failed = False
        """Whether failure or discard was said since `forget`."""
        self.follow = getattr(teleop, "follow", lambda *_: None)

    def read(self) -> TeleopInput:
        """Return what the person did, but for success."""
        human = self._teleop.read()
        self.has_failed |= human.failure or human.discard
        self._is_marked |= human.success
        return replace(human, success=False)

    def take(self) -> bool:
        """Return whether success was said since this was asked last."""
        is_marked, self._is_marked = self._is_marked, False
        return is_marked

    def forget(self) -> None:
        """Forget what was said."""
        self._is_marked = self.has_failed = False


class MarkedSuccess(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Lets an episode go on for some steps after success, as truncated, the person still driving.

    From the step in which the person says it every step is a success, paid 1, until they say it again or the steps are over.
    A failure ends it at once, and is none. An environment that knows success itself labels its own steps. Goes around
    `Intervention`, which reads the same `SuccessMarks`.
    """

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(self, env: Env, marks: SuccessMarks, steps: int) -> None:
        """Let episodes go on for `steps`, at least 1.

        Raises:
            ConfigError: If the environment ends at success.
        """
        super().__init__(cast("gym.Env[Observation, np.ndarray]", env))
        if steps < 1:
            raise ConfigError(f"an episode cannot go on for {steps} steps past success; give 1 or more")
        if getattr(self.env.unwrapped, "ends_at_success", False):
            raise ConfigError(f"{env.env_spec.name} ends its episodes at success; set EnvOptions(end_at_success=False)")
        self.env_spec = env.env_spec
        self._marks, self._steps = marks, steps
        self._is_marked = False
        self._left: int | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode."""
        started = self.env.reset(seed=seed, options=options)
        self._marks.forget()
        self._is_marked, self._left = False, None
        return started

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, [A] in [-1, 1], and label what came of it."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        is_said = self._marks.take()
        if info["fault"] or self._marks.has_failed:
            return obs, float(reward), terminated, truncated, info
        is_second = is_said and self._is_marked
        self._is_marked |= is_said
        if self._is_marked:
            reward, info = 1.0, info | {"success": True}
        if self._left is not None:
            self._left -= 1
        elif info["success"]:
            self._left = self._steps
        if (self._left == 0 or is_second) and not (terminated or truncated):
            truncated = True
            getattr(self.env.unwrapped, "stop", lambda: None)()
        return obs, float(reward), terminated, truncated, info
