"""How fast the simulated `pick_lift` runs in one process: control steps, with a reset every 100 of them included."""

from __future__ import annotations

import numpy as np
from bench_row import Row, median_seconds

from robot_rl.envs.factory import Env, make_env
from robot_rl.envs.options import EnvOptions

REPEATS = 5
ACTION_SCALE = 0.3
"""Actions are uniform in +-0.3: the arm moves about without leaning on its limits."""


def rows() -> list[Row]:
    """Return steps/s from state and with two 128x128 cameras."""
    return [
        Row(name="sim/state", value=_steps_per_s(EnvOptions(), 300), unit="steps/s"),
        Row(name="sim/two_cameras", value=_steps_per_s(EnvOptions(cameras=("front", "wrist")), 100), unit="steps/s"),
    ]


def _steps_per_s(options: EnvOptions, num_steps: int) -> float:
    env = make_env("pick_lift", options)
    rng = np.random.default_rng(0)
    try:
        return num_steps / median_seconds(lambda: _run(env, rng, num_steps), REPEATS)
    finally:
        env.close()


def _run(env: Env, rng: np.random.Generator, num_steps: int) -> None:
    for step in range(num_steps):
        if step % 100 == 0:
            env.reset(seed=step)
        action = rng.uniform(-ACTION_SCALE, ACTION_SCALE, env.env_spec.action.dim)
        _, _, terminated, truncated, _ = env.step(action.astype(np.float32))
        if terminated or truncated:
            env.reset(seed=step)
