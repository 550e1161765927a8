"""Filming evaluation episodes of a policy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.errors import DeviceError
from robot_rl.protocols import Policy
from robot_rl.training.evaluate import evaluate
from robot_rl.training.seeds import Stream
from robot_rl.training.video import tile, write_video

MAX_FRAMES = 250
"""Pictures kept of an episode: 4 episodes in 480x480 pixels then fit in 0.7 GB of memory."""


class FilmedEnv:
    """An environment that keeps a picture of every `stride`-th step, and of the last."""

    def __init__(self, env: Env, stride: int = 1) -> None:
        self._env, self._stride = env, stride
        self.env_spec, self.observation_space, self.action_space = env.env_spec, env.observation_space, env.action_space
        self.frames: list[np.ndarray] = []
        """uint8 [H, W, 3] each, RGB, since the last reset."""
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode and a new film."""
        out = self._env.reset(seed=seed, options=options)
        self.frames, self._steps = [self.render()], 0
        return out

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance one control step and film it."""
        obs, reward, terminated, truncated, info = self._env.step(action)
        self._steps += 1
        if terminated or truncated or self._steps % self._stride == 0:
            self.frames.append(self.render())
        return obs, reward, terminated, truncated, info

    def render(self) -> np.ndarray:
        """Return an image uint8 [H, W, 3], RGB.

        Raises:
            DeviceError: If the environment cannot be drawn for whatever reason: no OpenGL, a package missing, no camera.
        """
        try:
            picture = self._env.render()
        except Exception as error:  # foreign renderers raise anything
            raise DeviceError(f"{self.env_spec.name} cannot be drawn: {error or type(error).__name__}") from error
        if picture is None:
            raise DeviceError(f"{self.env_spec.name} draws no picture")
        return picture

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


def film(env: Env, policy: Policy, path: Path, episodes: int, seed: int, *, stream: Stream = "final") -> None:
    """Write an MP4 of the first evaluation episodes of a stream, tiled, at the speed at which they happened.

    Args:
        env: Where to act.
        policy: Who acts.
        path: Of the film.
        episodes: How many.
        seed: The run's seed.
        stream: Which set of starts.

    Raises:
        DeviceError: If the environment cannot be drawn or the film not be written.
    """
    stride = math.ceil(env.env_spec.max_steps / MAX_FRAMES)
    filmed = FilmedEnv(env, stride)
    films: list[list[np.ndarray]] = []
    evaluation = evaluate(filmed, policy, episodes, seed, stream=stream, on_episode=lambda *_: films.append(filmed.frames))
    frames = tile(films, [result.success for result in evaluation.results])
    try:
        write_video(path, frames, 1.0 / (env.env_spec.control_dt * stride))
    except (OSError, RuntimeError, ValueError) as error:
        raise DeviceError(f"the film {path} cannot be written: {error}") from error
