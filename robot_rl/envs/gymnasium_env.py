"""Any Gymnasium environment with Box actions as an environment of the house."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from robot_rl.envs.flat_observation import FlatObservation, square
from robot_rl.envs.gymnasium_ids import build, rendering_remedy
from robot_rl.envs.options import EnvOptions, StepInfo
from robot_rl.envs.success_rule import choose_rule
from robot_rl.errors import ConfigError, DeviceError, SpecMismatch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import Observation

Renderer = Callable[[], Any]
"""Returns an image uint8 [H, W, 3], RGB. Gymnasium's own type for it is wider, hence `Any`."""


def make(env_id: str, options: EnvOptions) -> GymnasiumEnv:
    """Return the Gymnasium environment `env_id`. Its only camera is called `render`.

    Raises:
        ConfigError: If the environment is unknown, cannot be built, or does not fit the house.
    """
    env = build(env_id, max_episode_steps=options.max_steps and options.max_steps * options.action_repeat)
    return GymnasiumEnv(env, options, name=f"gymnasium:{env_id}", cameras={"render": env.render})


class GymnasiumEnv(gym.Env[Observation, np.ndarray]):
    """Gives a foreign environment the house's observations, actions, reward and `info`.

    Actions in [-1, 1] are stretched to the foreign bounds. With the sparse reward an episode terminates at success
    (unless `end_at_success` is off), with the dense one where the foreign environment says so; either way its own
    terminations stay.
    """

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box
    action_repeat: int
    """the foreign environment's steps that an action lasts"""

    def __init__(
        self,
        env: gym.Env,
        options: EnvOptions,
        *,
        name: str,
        max_steps: int | None = None,
        cameras: Mapping[str, Renderer] | None = None,
    ) -> None:
        """Wrap `env`, and reset and step it once to learn what it tells.

        Args:
            env: Box or (nested) Dict-of-Box observations, bounded Box actions.
            options: What the user asked for; `object_state=False` leaves only images.
            name: As given to `make_env`.
            max_steps: The foreign environment's steps of an episode, unless `options` has a length; None: those of its
                registration.
            cameras: Cameras to choose `options.cameras` from.

        Raises:
            ConfigError: If a space is unsupported, an option cannot be met or success cannot be read. `env` is closed.
        """
        self._env = env
        self._name = name
        try:
            self._configure(options, max_steps, cameras or {})
        except BaseException:
            env.close()
            raise

    def _configure(self, options: EnvOptions, max_steps: int | None, cameras: Mapping[str, Renderer]) -> None:
        """Set everything that depends on the foreign environment."""
        _refuse_options_of_others(options, self._name)
        self._low, self._high = _action_bounds(self._env.action_space, self._name)
        self._cameras = _choose_cameras(options.cameras, cameras, self._name)
        self._image_size = options.image_size
        self._flatten = FlatObservation(
            self._env.observation_space,
            image_size=options.image_size,
            has_state=options.object_state,
            owner=self._name,
        )
        self._is_sparse = options.reward == "sparse"
        self.ends_at_success = self._is_sparse and options.end_at_success
        rule = choose_rule(options.success_rule, _probe(self._env), self._name, is_required=self._is_sparse)
        self._is_success = rule
        self.action_repeat = options.action_repeat
        self._steps = 0
        self._return = 0.0
        length = options.max_steps or math.ceil(
            (max_steps or _registered_max_steps(self._env, self._name)) / self.action_repeat
        )
        self.env_spec = EnvSpec(
            name=self._name,
            obs=self._observed(),
            action=ActionSpec(tuple(f"action/{index}" for index in range(self._low.size))),
            control_dt=_control_dt(self._env) * self.action_repeat,
            max_steps=length,
            extra={"success_rule": str(rule), "reward": options.reward, "action_repeat": str(self.action_repeat)},
        )
        self.observation_space = gym.spaces.Dict({key: _space(spec) for key, spec in self.env_spec.obs.items()})
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self._low.size,), np.float32)
        self.render_mode = "rgb_array"
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": max(1, round(1.0 / self.env_spec.control_dt))}

    @property
    def foreign(self) -> gym.Env:
        """The foreign environment itself, for demonstrators that know it."""
        return self._env

    def _observed(self) -> dict[str, ArraySpec]:
        """Return what is observed. Raises ConfigError if that is nothing."""
        image = ArraySpec((self._image_size, self._image_size, 3), "uint8")
        observed = {**self._flatten.specs, **{f"image/{camera}": image for camera in self._cameras}}
        if not observed:
            raise ConfigError(
                f"{self._name}: object_state is off and there is no camera, so nothing is left to observe; "
                "an environment that is not ours cannot tell the robot's state from the objects'"
            )
        return observed

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        obs, info = self._env.reset(seed=seed, options=options)
        self._steps = 0
        self._return = 0.0
        return self._observe(obs), {**info, "stamp": 0.0}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Advance one control step.

        Args:
            action: [A] in [-1, 1].

        Raises:
            SpecMismatch: If the action has another shape, is not finite or leaves [-1, 1].
        """
        action = _checked(action, self._low.size, self._name)
        native_action, earned, success = self._stretch(action), 0.0, False
        for _ in range(self.action_repeat):
            obs, reward, terminated, truncated, info = self._env.step(native_action)
            earned += float(reward)
            self._return += float(reward)
            success = self._is_success(info, float(reward), self._return) or success
            if terminated or truncated or (self.ends_at_success and success):
                break
        self._steps += 1
        terminated = bool(terminated) or (self.ends_at_success and success)
        truncated = bool(truncated) or self._steps >= self.env_spec.max_steps
        paid = float(success) if self._is_sparse else earned
        return self._observe(obs), paid, terminated, truncated, {**info, **self._step_info(action, success)}

    def render(self) -> np.ndarray:
        """Return an image uint8 [H, W, 3], RGB, at the foreign environment's own size."""
        return self._picture(self._env.render)

    def close(self) -> None:
        """Close the foreign environment."""
        self._env.close()

    def _observe(self, obs: Any) -> Observation:
        """Return the house's observation for the foreign one."""
        flat = self._flatten(obs)
        for name, camera in self._cameras.items():
            flat[f"image/{name}"] = square(self._picture(camera), self._image_size)
        return flat

    def _stretch(self, action: np.ndarray) -> np.ndarray:
        """Return `action` [A] in [-1, 1] as the foreign environment wants it."""
        space = self._env.action_space
        native = self._low + 0.5 * (action.astype(np.float64) + 1.0) * (self._high - self._low)
        return np.clip(native, self._low, self._high).reshape(space.shape).astype(space.dtype)

    def _step_info(self, action: np.ndarray, success: bool) -> StepInfo:
        """Return what every environment of the house tells after a step."""
        return StepInfo(
            action=action.copy(),
            policy_action=action.copy(),
            is_intervention=False,
            clamped=False,
            success=success,
            true_success=success,
            stamp=self._steps * self.env_spec.control_dt,
            fault="",
            exertion=None,
        )

    def _picture(self, render: Renderer) -> np.ndarray:
        """Return what `render` shows. Raises DeviceError with the remedy if it cannot."""
        try:
            picture = render()
        except Exception as error:  # OpenGL, pygame and the foreign environment each raise their own
            cause = f"{type(error).__name__}: {error}".rstrip(": ")
            raise DeviceError(f"{self._name} cannot render ({cause}); {rendering_remedy(error)}") from error
        if picture is None:
            raise ConfigError(f"{self._name} has no 'rgb_array' rendering")
        return np.asarray(picture, dtype=np.uint8)


def _refuse_options_of_others(options: EnvOptions, owner: str) -> None:
    """Raise ConfigError if an option was given that only other environments have."""
    for option in ("regrasp", "randomize", "viewer"):
        if getattr(options, option):
            raise ConfigError(f"{owner}: option {option} works with our simulated tasks only")
    if options.from_hand:
        raise ConfigError(
            f"{owner}: option from_hand works with Meta-World only; leave it out (in training: --env.no-from-hand)"
        )


def _action_bounds(space: gym.Space, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper bounds [A] of a foreign action space. Raises ConfigError if it has none."""
    if not isinstance(space, gym.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise ConfigError(f"{owner}: action space is {space}; supported: Box of floats")
    low, high = space.low.astype(np.float64).reshape(-1), space.high.astype(np.float64).reshape(-1)
    unbounded = np.flatnonzero(~np.isfinite(low) | ~np.isfinite(high))
    if unbounded.size:
        index = int(unbounded[0])
        raise ConfigError(
            f"{owner}: action {index} has bounds [{low[index]:g}, {high[index]:g}]; all bounds must be finite, "
            "for example through gymnasium.wrappers.RescaleAction"
        )
    return low, high


def _choose_cameras(names: tuple[str, ...], known: Mapping[str, Renderer], owner: str) -> dict[str, Renderer]:
    """Return the cameras called `names`. Raises ConfigError listing those that exist."""
    for name in names:
        if name not in known:
            raise ConfigError(f"{owner} has no camera {name!r}; known: {', '.join(known) or 'none'}")
    return {name: known[name] for name in names}


def _probe(env: gym.Env) -> dict[str, Any]:
    """Return the info of one step, with the middle action, of an episode that is thrown away."""
    space = env.action_space
    middle = (0.5 * (space.low + space.high)).astype(space.dtype)  # type: ignore[attr-defined]
    env.reset()
    return env.step(middle)[4]


def _control_dt(env: gym.Env) -> float:
    """Return s per step: what the environment calls `dt`, else its frame rate, else 1."""
    dt = getattr(env.unwrapped, "dt", None)
    if isinstance(dt, int | float) and dt > 0:
        return float(dt)
    rate_hz = env.metadata.get("render_fps")
    return 1.0 / rate_hz if rate_hz else 1.0


def _registered_max_steps(env: gym.Env, owner: str) -> int:
    """Return the episode length an environment was registered with. Raises ConfigError if there is none."""
    if env.spec is None or env.spec.max_episode_steps is None:
        raise ConfigError(f"{owner} sets no episode length; set option max_steps")
    return env.spec.max_episode_steps


def _space(spec: ArraySpec) -> gym.spaces.Box:
    """Return the Gymnasium space of an observation entry."""
    if spec.dtype == "uint8":
        return gym.spaces.Box(0, 255, spec.shape, np.uint8)
    return gym.spaces.Box(-np.inf, np.inf, spec.shape, np.float32)


def _checked(action: np.ndarray, dim: int, owner: str) -> np.ndarray:
    """Return `action` as float32 [A]. Raises SpecMismatch if it is not one."""
    action = np.asarray(action, dtype=np.float32)
    if action.shape != (dim,):
        raise SpecMismatch(f"{owner}: action has shape {action.shape}; expected ({dim},)")
    if not np.all(np.abs(action) <= 1.0 + 1e-6):
        raise SpecMismatch(f"{owner}: action {action} is not finite or leaves [-1, 1]")
    return np.clip(action, -1.0, 1.0)
