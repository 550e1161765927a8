"""The one environment: a robot, its cameras and trackers behind Gymnasium's interface, simulated or real."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np

from robot_rl.envs.actions import ActionConfig, ActionMapper
from robot_rl.envs.exertion import Exertion, ExertionMeter
from robot_rl.envs.frame_guard import FrameGuard, FrameGuardConfig
from robot_rl.envs.observations import ObservationConfig, Observer
from robot_rl.envs.safety import limit
from robot_rl.envs.stoppable import StopCount, StoppableRobot
from robot_rl.errors import ConfigError, ControlOverrun, DeviceError
from robot_rl.protocols import Camera, ResetRoutine, RewardModel, Robot, Tracker
from robot_rl.specs import ACTION_FRAME, ArraySpec, EnvSpec
from robot_rl.types import Observation, RobotState

NOTHING: Mapping[str, Any] = MappingProxyType({})
BEFORE_OBSERVING = "before_observing"
"""Key of `reset`'s options: a function that is called once robot and scene are at their start, before anything is observed."""
WHILE_RESETTING = "while_resetting"
"""Key of `reset`'s options: a function that is called around every command of the reset; what it raises ends the reset."""

MIN_CONTROL_DT, MAX_CONTROL_DT = 1e-3, 10.0
"""s: a Python loop is no quicker, and a robot that waits longer is not under control."""


@dataclass(frozen=True, slots=True)
class RobotEnvConfig:
    """Everything about an environment that is not a device."""

    control_dt: float = 0.1
    """s between two actions"""
    max_steps: int = 100
    """steps after which an episode is truncated"""
    action: ActionConfig = field(default_factory=ActionConfig)
    observation: ObservationConfig = field(default_factory=ObservationConfig)
    max_frame_age_s: float = 0.2
    """s: an older camera image is a fault"""
    frame_guard: FrameGuardConfig = field(default_factory=FrameGuardConfig)
    """when a camera's pictures without content are a fault"""
    terminate_on_success: bool = True
    """end the episode at success; otherwise it goes on and every step of success is rewarded"""
    max_overrun_s: float = 0.5
    """s that an action may come late; beyond it the robot was not under control, which is a fault"""

    def __post_init__(self) -> None:
        if not MIN_CONTROL_DT <= self.control_dt <= MAX_CONTROL_DT:
            raise ConfigError(f"control_dt {self.control_dt:g} s is not in {MIN_CONTROL_DT:g}..{MAX_CONTROL_DT:g}")
        if not (self.max_steps >= 1 and self.max_overrun_s > 0):
            raise ConfigError(f"max_overrun_s {self.max_overrun_s} must be positive and max_steps {self.max_steps} at least 1")


class RobotEnv(gym.Env[Any, np.ndarray]):
    """Every command passes the safety limit; whatever fails inside a step, the robot is stopped.

    A device fault ends the episode as truncated with `info["fault"]`; any other error stops the robot and is raised.
    `info` always holds all keys of `StepInfo`. Nothing is connected before the first `reset`.
    """

    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def __init__(
        self,
        robot: Robot,
        *,
        config: RobotEnvConfig,
        reward: RewardModel,
        reset: ResetRoutine,
        cameras: Mapping[str, Camera] = NOTHING,
        trackers: Mapping[str, Tracker] = NOTHING,
        meter: ExertionMeter | None = None,
        name: str = "robot",
    ) -> None:
        self.robot = robot
        self.config = config
        self.cameras = dict(cameras)
        self.trackers = dict(trackers)
        self._reward = reward
        self._reset_routine = reset
        self._meter = meter
        self._actions = ActionMapper(config.action, robot.spec)
        self._observer = Observer(
            config.observation,
            robot=robot.spec,
            arm=config.action.part,
            gripper=config.action.gripper_part,
            frame=config.action.frame,
            cameras={key: camera.spec for key, camera in cameras.items()},
            trackers=trackers,
        )
        self._frame_guard = FrameGuard(config.frame_guard)
        self.env_spec = EnvSpec(
            name,
            self._observer.spec,
            self._actions.spec,
            config.control_dt,
            config.max_steps,
            extra=_meanings(config)
            | {f"crop/{camera}": " ".join(map(str, crop)) for camera, crop in config.observation.crops.items()},
        )
        self.observation_space = gym.spaces.Dict({key: _space(spec) for key, spec in self._observer.spec.items()})
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self._actions.spec.dim,), np.float32)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / config.control_dt)}
        self.render_mode = "rgb_array" if self.cameras else None
        self._is_connected = False
        self._stops = StopCount()
        self._steps_left = 0
        self._due: float | None = None
        self._start_stamp = 0.0
        self._state: RobotState = {}
        self._obs: Observation = {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Bring robot and scene to a start state, connecting the devices the first time.

        `options[BEFORE_OBSERVING]` may let people get ready: what the episode begins with is measured after it.
        `options[WHILE_RESETTING]` may end the reset, as `stop` does from any thread.

        Raises:
            ResetFailed: If the reset routine cannot; the robot is stopped.
            DeviceError: If a device fails; the robot is stopped.
        """
        super().reset(seed=seed)
        self._steps_left = 0
        options = options or {}
        check_stop, check_person = self._stops.watch(), options.get(WHILE_RESETTING, _nothing)
        try:
            self._connect()
            self._reset_routine(StoppableRobot(self.robot, lambda: (check_person(), check_stop())[1]), self.np_random)
            options.get(BEFORE_OBSERVING, _nothing)()
            self._actions.begin_episode()
            self._reward.begin_episode()
            state = self.robot.read()
            self._observer.begin_episode(state)
            self._frame_guard.begin_episode()
            if self._meter is not None:
                self._meter.begin_episode()
            self._start_stamp = self._stamp(state)
            self._obs = self._observe(state)
            check_stop()
        except BaseException:
            self.robot.stop()
            raise
        self._steps_left = self.config.max_steps
        self._due = None
        return self._obs, self._info(np.zeros(self._actions.spec.dim, np.float32))

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, float32 [A] in [-1, 1], for one control period.

        Raises:
            ValueError: If the action's shape, range or numbers are wrong; the robot never sees it.
            gymnasium.error.ResetNeeded: If no episode is under way.
        """
        action = self._actions.check(action)
        if self._steps_left == 0:
            raise gym.error.ResetNeeded("no episode is under way: call reset before step")
        try:
            executed, clamped = self._act(action)
            self._obs = self._observe(self.robot.read())
            reward, success = self._reward(self._obs)
        except DeviceError as error:
            return self._faulted(action, str(error))
        except BaseException:  # Ctrl-C included: nothing may leave this method with the robot moving
            self.stop()
            raise
        self._steps_left -= 1
        terminated = success and self.config.terminate_on_success
        truncated = self._steps_left == 0 and not terminated
        if terminated or truncated:
            self.stop()
        return (
            self._obs,
            reward,
            terminated,
            truncated,
            self._info(action, executed, clamped=clamped, success=success, exertion=self._exerted()),
        )

    @property
    def reset_routine(self) -> ResetRoutine:
        """What brings robot and scene to a start state."""
        return self._reset_routine

    @property
    def ends_at_success(self) -> bool:
        """Whether an episode ends at success."""
        return self.config.terminate_on_success

    @property
    def robot_state(self) -> RobotState:
        """What the robot measured for the newest observation; empty before the first."""
        return self._state

    def stop(self) -> None:
        """End the episode and hold the robot where it is; never raises. From any thread: a step under way ends by a fault."""
        self._steps_left = 0
        self._stops.add()
        self.robot.stop()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the robot within; the episode goes on afterwards. The time does not count, neither in stamps nor as overrun."""
        self.robot.stop()
        start = self.robot.clock.now()
        try:
            yield
        finally:
            self._start_stamp += self.robot.clock.now() - start
            self._due = None

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the first camera's newest image, uint8 [H, W, 3], RGB, or None without cameras or before `reset`."""
        if not self.cameras or not self._is_connected:
            return None
        return next(iter(self.cameras.values())).read(max_age=math.inf).image

    def close(self) -> None:
        """Stop the robot and release all devices."""
        self._steps_left = 0
        self._is_connected = False
        self.robot.close()
        for camera in self.cameras.values():
            camera.close()

    def _connect(self) -> None:
        if not self._is_connected:
            for camera in self.cameras.values():
                camera.connect()
            self.robot.connect()
            self._is_connected = True

    def _act(self, action: np.ndarray) -> tuple[np.ndarray, bool]:
        """Command the robot and let the rest of the control period pass; return the action done and whether it was clamped."""
        clock, dt, check_stop = self.robot.clock, self.config.control_dt, self._stops.watch()
        end = self._end_of_step(clock.now())
        state = self.robot.read()
        executed = self._actions.executed(action, state)
        limited = limit(self._actions.command(executed, state), state, self.robot.spec, dt)
        self._actions.sent(StoppableRobot(self.robot, check_stop).command(limited.command))
        clock.sleep_until(end)
        check_stop()
        self._due = end
        return executed, bool(limited.clamped)

    def _end_of_step(self, now: float) -> float:
        """Return when a step that begins now ends: on the grid of control periods, or a whole period away if late.

        Raises:
            ControlOverrun: If the action comes more than `max_overrun_s` after its period should have ended.
        """
        dt = self.config.control_dt
        if self._due is None:
            return now + dt
        end = self._due + dt
        if now - end > self.config.max_overrun_s:
            raise ControlOverrun(
                f"{self.env_spec.name}: action came {now - self._due:.2f} s after its observation, at {1 / dt:g} Hz; "
                "slow the rate, speed up the policy, or raise max_overrun_s"
            )
        return end if end - now >= dt / 2 else now + dt

    def _observe(self, state: RobotState) -> Observation:
        self._state = state
        objects = {name: self.trackers[name].read() for name in self._observer.trackers}
        max_age = self.config.max_frame_age_s
        images = {name: self.cameras[name].read(max_age).image for name in self._observer.cameras}
        self._frame_guard.check(images, state)
        return self._observer.observe(state, objects, images)

    def _faulted(self, action: np.ndarray, fault: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Stop and return the last observation as the end of a truncated episode."""
        self.stop()
        obs = {key: value.copy() for key, value in self._obs.items()}
        return obs, 0.0, False, True, self._info(action, fault=fault, exertion=self._exerted())

    def _exerted(self) -> Exertion | None:
        return None if self._meter is None else self._meter.take()

    def _info(
        self,
        action: np.ndarray,
        executed: np.ndarray | None = None,
        *,
        clamped: bool = False,
        success: bool = False,
        fault: str = "",
        exertion: Exertion | None = None,
    ) -> dict[str, Any]:
        return {
            "action": action if executed is None else executed,
            "policy_action": action,
            "is_intervention": False,
            "clamped": clamped,
            "success": success,
            "true_success": success,
            "stamp": round(self._stamp(self._state) - self._start_stamp, 6),  # us: equal times compare equal
            "fault": fault,
            "exertion": exertion,
        }

    def _stamp(self, state: RobotState) -> float:
        return state[self.config.action.part].stamp


def _nothing() -> None:
    """Nobody wants anything."""


def _meanings(config: RobotEnvConfig) -> dict[str, str]:
    """Return what the numbers of actions and observations mean, as far as names and shapes do not tell."""
    action, observation = config.action, config.observation
    return {
        ACTION_FRAME: action.frame,
        "action/position_scale_m": f"{action.position_scale_m:g}",
        "action/rotation_scale_rad": f"{action.rotation_scale_rad:g}",
        "action/reference": action.reference,
        "observation/relative": str(observation.relative),
        "observation/min_opening": f"{observation.min_opening:g}",
        "observation/frames": " ".join(f"{name}:{frame}" for name, frame in sorted(observation.objects.items())),
    }


def _space(spec: ArraySpec) -> gym.spaces.Box:
    if spec.dtype == "uint8":
        return gym.spaces.Box(0, 255, spec.shape, np.uint8)
    return gym.spaces.Box(-np.inf, np.inf, spec.shape, np.float32)
