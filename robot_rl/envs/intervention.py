"""The wrapper through which a person takes over, and says how an episode went."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from robot_rl.envs.judge import Judged
from robot_rl.envs.robot_env import RobotEnv
from robot_rl.errors import DeviceError
from robot_rl.protocols import Teleop
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation, TeleopInput

StepResult = tuple[Observation, float, bool, bool, dict[str, Any]]


class Intervention(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Executes the human's action whenever there is one, and says whose it was.

    `info["action"]` is the action that was executed [A], `info["policy_action"]` the one given to `step`;
    `info["is_intervention"]` tells whose it was. A person's success ends the episode with reward 1; failure and discard
    truncate it, whatever a reward model thinks (`Judged`, which belongs inside this). Stop, and an input device that
    fails, hold the robot at once: nothing is executed, and the episode is truncated with `info["fault"]`.
    `info["discard"]` asks recorders to forget the episode.
    """

    def __init__(self, env: RobotEnv | Judged, teleop: Teleop) -> None:
        super().__init__(env)
        self._inner = env
        self._teleop = teleop
        self._last: tuple[Observation, dict[str, Any]] = ({}, {})

    @property
    def env_spec(self) -> EnvSpec:
        """The wrapped environment's."""
        return self._inner.env_spec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode. What a person pressed during the reset is forgotten: it was not meant for the episode."""
        obs, info = self._inner.reset(seed=seed, options=options)
        self._teleop.read()
        info = {**info, "discard": False}
        self._last = (obs, info)
        return obs, info

    def step(self, action: np.ndarray) -> StepResult:
        """Execute the human's action if there is one, otherwise `action`; both [A] in [-1, 1]."""
        try:
            human = self._teleop.read()
        except DeviceError as error:
            return self._stopped(action, f"input device: {error}", discard=False)
        if human.stop:
            return self._stopped(action, "stopped by a person", discard=human.discard)
        executed = action if human.action is None else human.action
        obs, reward, terminated, truncated, info = self._inner.step(executed)
        policy_action = np.array(action, dtype=np.float32)
        info |= {"policy_action": policy_action, "is_intervention": human.action is not None, "discard": human.discard}
        self._last = (obs, info)
        return self._labelled(human, (obs, reward, terminated, truncated, info))

    def _labelled(self, human: TeleopInput, step: StepResult) -> StepResult:
        """Return the step as the person sees it. Failure outweighs success; a fault outweighs both."""
        obs, _, _, _, info = step
        if info["fault"] or not (human.success or human.failure or human.discard):
            return step
        self._inner.stop()
        if human.failure or human.discard:
            return obs, 0.0, False, True, info | {"success": False}
        return obs, 1.0, True, False, info | {"success": True}

    def _stopped(self, action: np.ndarray, fault: str, *, discard: bool) -> StepResult:
        """Hold the robot and return the last observation as the end of a truncated episode."""
        self._inner.stop()
        obs, info = self._last
        if not info:
            raise gym.error.ResetNeeded("no episode is under way: call reset before step")
        action = np.array(action, dtype=np.float32)
        info = info | {"action": action, "policy_action": action, "is_intervention": True, "clamped": False}
        info |= {"success": False, "true_success": False, "fault": fault, "discard": discard}
        return {key: value.copy() for key, value in obs.items()}, 0.0, False, True, info
