"""The wrapper through which a person takes over, and says how an episode went."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, cast

import gymnasium as gym
import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.envs.robot_env import WHILE_RESETTING, RobotEnv
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.protocols import Teleop
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation, TeleopInput

StepResult = tuple[Observation, float, bool, bool, dict[str, Any]]

STOPPED = "stopped by a person"
"""The fault of an episode that a person stopped. Whoever runs episodes begins no other: its reset would move the robot."""


class Intervention(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Executes the human's action whenever there is one, and says whose it was.

    `info["action"]` is the action that was executed [A], `info["policy_action"]` the one given to `step`;
    `info["is_intervention"]` tells whose it was. Taking over ends nothing. A person's success ends the episode with reward
    1; failure and discard truncate it. Their word outweighs a reward model's (`Judged`, which belongs inside this), also
    when it comes during the last step, or up to `veto_s` after it. Stop, and an input device that fails, hold the robot at
    once: nothing is executed, and the episode is truncated with `info["fault"]`. Pause holds the robot within `step` until
    it is tapped again. `info["discard"]` asks recorders to forget the episode.
    """

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(
        self,
        env: Env,
        teleop: Teleop,
        *,
        veto_s: float = 0.0,
        wait: Callable[[float], None] | None = None,
        on_pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Put a person beside `env`.

        Args:
            env: Where to act.
            teleop: The person.
            veto_s: How long they may think about an end that they did not call themselves, s.
            wait: Lets a duration, s, pass while the robot holds; None: by the robot's clock, or the wall's without one.
            on_pause: Called when a pause begins and the robot holds; that it is over the next step tells.
        """
        if veto_s < 0:
            raise ConfigError(f"veto_s {veto_s:g} is negative")
        super().__init__(cast("gym.Env[Observation, np.ndarray]", env))
        self.env_spec = env.env_spec
        self._teleop = teleop
        self._follow: Callable[[Observation, np.ndarray | None], None] = getattr(teleop, "follow", lambda *_: None)
        self._take_stop: Callable[[], bool] | None = getattr(teleop, "take_stop", None)
        self._veto_s = veto_s
        self._wait, self._on_pause = wait or _waiting_for(self.unwrapped), on_pause
        self._last: tuple[Observation, dict[str, Any]] = ({}, {})
        self._carried = TeleopInput()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode. Of what a person pressed during the reset only stop and pause are meant for it.

        Raises:
            DeviceError: If the input device fails: nobody could take over.
            KeyboardInterrupt: If the person stops a robot that the reset is moving; it is held.
        """
        if isinstance(self.unwrapped, RobotEnv) and self._take_stop is not None:
            options = {
                **(options or {}),
                WHILE_RESETTING: self._watching(self._take_stop, (options or {}).get(WHILE_RESETTING)),
            }
        obs, info = self.env.reset(seed=seed, options=options)
        self._follow(obs, None)
        try:
            pressed = self._teleop.read()
        except BaseException:
            self._stop()
            raise
        self._carried = TeleopInput(stop=pressed.stop, pause=pressed.pause)
        info = {**info, "discard": False}
        self._last = (obs, info)
        return obs, info

    def step(self, action: np.ndarray) -> StepResult:
        """Execute the human's action if there is one, otherwise `action`; both [A] in [-1, 1].

        Raises:
            ValueError: If that action is none that can be executed; the robot is held, as at any other error.
        """
        try:
            return self._step(action)
        except BaseException:
            self._stop()
            raise

    @staticmethod
    def _watching(take_stop: Callable[[], bool], other: Callable[[], None] | None) -> Callable[[], None]:
        """Return what ends a reset that the person stops, or that `other` ends."""

        def check() -> None:
            if other is not None:
                other()
            if take_stop():
                raise KeyboardInterrupt(STOPPED)

        return check

    def _step(self, action: np.ndarray) -> StepResult:
        try:
            human = self._read()
        except DeviceError as error:
            return self._stopped(action, f"input device: {error}", discard=False)
        if human.stop:
            return self._stopped(action, STOPPED, discard=human.discard)
        executed = action if human.action is None else human.action
        obs, reward, terminated, truncated, info = self.env.step(executed)
        self._follow(obs, info["action"])
        policy_action = np.array(action, dtype=np.float32)
        was_overruled = not np.array_equal(info["action"], info["policy_action"])  # by a reflex, which is no demonstration
        is_persons = human.action is not None and not was_overruled
        info |= {"policy_action": policy_action, "is_intervention": is_persons, "discard": human.discard}
        self._last = (obs, info)
        if (terminated or truncated) and not (info["fault"] or _is_label(human)):
            human = self._last_word()
            if human.stop:
                return self._stopped(action, STOPPED, discard=human.discard)
        return self._labelled(human, (obs, float(reward), terminated, truncated, info))

    def _read(self) -> TeleopInput:
        """Return what the person does; a pause is over before. What was said during it counts after it."""
        human, self._carried = _joined(self._carried, self._teleop.read()), TeleopInput()
        if not human.pause:
            return human
        with self._held():
            self._on_pause()
            is_paused = True
            while is_paused and not human.stop:
                self._wait(self.env_spec.control_dt)
                newest = self._teleop.read()
                human, is_paused = _joined(human, newest), not newest.pause
        return human

    def _last_word(self) -> TeleopInput:
        """Return what a person says of an episode that ended by itself; a device that fails says nothing."""
        try:
            human = self._read()
            for _ in range(round(self._veto_s / self.env_spec.control_dt)):
                if human.stop or _is_label(human):
                    break
                self._wait(self.env_spec.control_dt)
                human = _joined(human, self._teleop.read())
        except DeviceError:
            return TeleopInput()
        return human

    def _labelled(self, human: TeleopInput, step: StepResult) -> StepResult:
        """Return the step as the person sees it. Failure outweighs success; a fault outweighs both."""
        obs, _, _, _, info = step
        if info["fault"] or not _is_label(human):
            return step
        self._stop()
        if human.failure or human.discard:
            return obs, 0.0, False, True, info | {"success": False, "discard": human.discard}
        return obs, 1.0, True, False, info | {"success": True}

    def _stopped(self, action: np.ndarray, fault: str, *, discard: bool) -> StepResult:
        """Hold the robot and return the last observation as the end of a truncated episode."""
        self._stop()
        obs, info = self._last
        if not info:
            raise gym.error.ResetNeeded("no episode is under way: call reset before step")
        action = np.array(action, dtype=np.float32)
        info = info | {"action": action, "policy_action": action, "is_intervention": True, "clamped": False}
        info |= {"success": False, "true_success": False, "exertion": None, "fault": fault, "discard": discard}
        return {key: value.copy() for key, value in obs.items()}, 0.0, False, True, info

    def _stop(self) -> None:
        """End the episode and hold the robot, where there is one."""
        stop = getattr(self.unwrapped, "stop", None)
        if stop is not None:
            stop()

    def _held(self) -> AbstractContextManager[None]:
        held = getattr(self.unwrapped, "held", None)
        return nullcontext() if held is None else held()


def _is_label(human: TeleopInput) -> bool:
    return human.success or human.failure or human.discard


def _joined(before: TeleopInput, now: TeleopInput) -> TeleopInput:
    """Return the motion of `now` with the events of both; a second tap on pause takes the first back."""
    events = ("success", "failure", "discard", "stop")
    said = {event: getattr(before, event) or getattr(now, event) for event in events}
    return replace(now, pause=before.pause != now.pause, **said)


def _waiting_for(env: Any) -> Callable[[float], None]:
    """Return what lets a duration, s, pass for `env`."""
    clock = getattr(getattr(env, "robot", None), "clock", None)
    return time.sleep if clock is None else lambda duration: clock.sleep_until(clock.now() + duration)
