"""The wrapper that shows every step of an environment at the cockpit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np

from robot_rl.cockpit.cockpit import Cockpit
from robot_rl.cockpit.gauges import Gauge, plain_gauges, robot_gauges
from robot_rl.envs.factory import Env
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.robot_env import WHILE_RESETTING, RobotEnv
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation

SHOW_PERIOD_S = 0.05
"""s: people see no more than 20 pictures a second"""
RENDER_PERIOD_S = 0.2
"""s between pictures that are drawn only to be shown: of a scene that the policy sees without a camera"""


class Watched(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Hands what each step brings to a cockpit, and changes nothing of it. The outermost wrapper: it shows what is decided.

    What comes faster than people see is left out, but never an episode's end. A stop at a page that drives nothing, as no
    input device reads it, holds the robot here: the step is not executed, and its episode is truncated with
    `info["fault"]`.
    """

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(self, env: Env, cockpit: Cockpit, now: Callable[[], float] = time.monotonic) -> None:
        """Show `env` at `cockpit`; `now` is in s."""
        super().__init__(cast("gym.Env[Observation, np.ndarray]", env))
        self.env_spec = env.env_spec
        self._cockpit, self._now = cockpit, now
        self._shown_at = self._rendered_at = -float("inf")
        self._number = self._step = 0
        self._last: tuple[Observation, dict[str, Any]] = ({}, {})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode."""
        self._number, self._step = self._number + 1, 0
        self._cockpit.show({}, self._state("reset", {}, []), droppable=False)
        if isinstance(self.env.unwrapped, RobotEnv):
            options = {WHILE_RESETTING: self._end_if_stopped, **(options or {})}
        obs, info = self.env.reset(seed=seed, options=options)
        self._last = (obs, info)
        self._show("running", obs, info, 0.0, is_forced=True)
        return obs, info

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, [A] in [-1, 1], and show what came of it."""
        if not self._cockpit.device.is_connected and self._cockpit.device.take_stop():
            step = self._stopped(action)
        else:
            step = self.env.step(action)
        obs, reward, terminated, truncated, info = step
        self._last, self._step = (obs, info), self._step + 1
        is_over = terminated or truncated
        try:
            self._show("over" if is_over else "running", obs, info, float(reward), is_forced=is_over)
        except BaseException:  # as in RobotEnv.step: nothing may leave this method with the robot moving
            self._hold()
            raise
        return obs, float(reward), terminated, truncated, info

    def _end_if_stopped(self) -> None:
        """Raise KeyboardInterrupt if somebody stopped a robot that its reset moves, at a page that drives nothing."""
        if not self._cockpit.device.is_connected and self._cockpit.device.take_stop():
            raise KeyboardInterrupt(STOPPED)

    def _show(self, phase: str, obs: Observation, info: dict[str, Any], reward: float, *, is_forced: bool) -> None:
        now = self._now()
        if is_forced or now - self._shown_at >= SHOW_PERIOD_S:
            self._shown_at = now
            state = self._state(phase, info, self._gauges(obs)) | {"reward": reward}
            self._cockpit.show(self._images(obs), state, droppable=not is_forced)

    def _state(self, phase: str, info: dict[str, Any], gauges: list[Gauge]) -> dict[str, Any]:
        spec = self.env_spec
        return {
            "task": spec.name,
            "axes": list(spec.action.names),
            "phase": phase,
            "episode": self._number,
            "step": self._step,
            "max_steps": spec.max_steps,
            "elapsed_s": float(info.get("stamp", 0.0)),
            "max_s": spec.max_steps * spec.control_dt,
            "success": bool(info.get("success", False)),
            "fault": str(info.get("fault", "")),
            "is_stopped": info.get("fault") == STOPPED,
            "discard": bool(info.get("discard", False)),
            "clamped": bool(info.get("clamped", False)),
            "is_intervention": bool(info.get("is_intervention", False)),
            "gauges": gauges,
        }

    def _images(self, obs: Observation) -> dict[str, np.ndarray]:
        """Return the observed pictures, or one that is drawn now and then where the policy sees none and somebody looks."""
        images = {key.removeprefix("image/"): array for key, array in obs.items() if _is_picture(key, array)}
        if images or not self._cockpit.inputs().num_viewers:
            return images
        if self.env.render_mode != "rgb_array" or self._now() - self._rendered_at < RENDER_PERIOD_S:
            return {}
        self._rendered_at = self._now()
        picture: Any = self.env.render()
        return {"scene": picture} if _is_picture("image/scene", picture) else {}

    def _gauges(self, obs: Observation) -> list[Gauge]:
        env = self.env.unwrapped
        robot, state = getattr(env, "robot", None), getattr(env, "robot_state", None)
        return plain_gauges(obs) if robot is None or not state else robot_gauges(state, robot.spec)

    def _stopped(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Hold the robot, where there is one, and return the last observation as the end of a truncated episode."""
        self._hold()
        obs, info = self._last
        if not info:
            raise gym.error.ResetNeeded("no episode is under way: call reset before step")
        action = np.array(action, dtype=np.float32)
        info = info | {"action": action, "policy_action": action, "is_intervention": True, "clamped": False}
        info |= {"success": False, "true_success": False, "exertion": None, "fault": STOPPED}
        return {key: value.copy() for key, value in obs.items()}, 0.0, False, True, info

    def _hold(self) -> None:
        stop = getattr(self.env.unwrapped, "stop", None)
        if stop is not None:
            stop()


def _is_picture(key: str, array: Any) -> bool:
    is_image = key.startswith("image/") and isinstance(array, np.ndarray) and array.dtype == np.uint8
    return is_image and array.ndim == 3 and array.shape[-1] % 3 == 0
