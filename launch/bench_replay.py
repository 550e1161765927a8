"""How long replay takes to draw a batch of 256 single steps, observation and next observation."""

from __future__ import annotations

import numpy as np
from bench_row import Row, median_seconds

from robot_rl.data.batch import BatchSpec
from robot_rl.data.replay import ReplayBuffer
from robot_rl.data.rows import RowLayout
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import Transition

REPEATS = 30
NUM_STEPS = 2000
"""Steps stored: 200 MB of images, far beyond every cache."""
NUM_DISTINCT = 16
"""Different observations among them: copying does not care, and making random images is slow."""
EPISODE_STEPS = 100
STATE_DIM = 24
ACTION_DIM = 7
IMAGE = ArraySpec((128, 128, 3), "uint8")
FEATURE = ArraySpec((32, 8, 8), "float16", variants=2)
"""Of a 128x128 frame, as VisionConfig's defaults make it."""


def rows() -> list[Row]:
    """Return ms a batch from state, with two 128x128 cameras and with their features, and bytes a step of the latter."""
    state = {"state/all": ArraySpec((STATE_DIM,))}
    cameras = {"image/front": IMAGE, "image/wrist": IMAGE}
    features = {"feature/front": FEATURE, "feature/wrist": FEATURE}
    return [
        Row(name="replay/state_256", value=_milliseconds(state), unit="ms"),
        Row(name="replay/two_cameras_256", value=_milliseconds({**state, **cameras}), unit="ms"),
        Row(name="replay/features_256", value=_milliseconds({**state, **features}), unit="ms"),
        Row(name="replay/feature_bytes_per_step", value=RowLayout(_spec({**state, **features})).nbytes, unit="bytes"),
    ]


def _spec(obs: dict[str, ArraySpec]) -> EnvSpec:
    actions = ActionSpec(tuple(f"action/{index}" for index in range(ACTION_DIM)))
    return EnvSpec("benchmark", obs, actions, control_dt=0.1, max_steps=EPISODE_STEPS)


def _milliseconds(obs: dict[str, ArraySpec]) -> float:
    buffer = _filled(_spec(obs))
    batch = BatchSpec(batch_size=256)
    return 1000.0 * median_seconds(lambda: buffer.sample(batch), REPEATS)


def _filled(spec: EnvSpec) -> ReplayBuffer:
    """Return a buffer of `NUM_STEPS` steps."""
    rng = np.random.default_rng(0)
    obs = [_random_obs(spec, rng) for _ in range(NUM_DISTINCT)]
    action = np.zeros(ACTION_DIM, np.float32)
    buffer = ReplayBuffer(spec, NUM_STEPS, seed=0)
    for step in range(NUM_STEPS):
        if step % EPISODE_STEPS == 0:
            buffer.begin_episode()
        now, later = obs[step % NUM_DISTINCT], obs[(step + 1) % NUM_DISTINCT]
        is_last = (step + 1) % EPISODE_STEPS == 0
        buffer.add(Transition(now, action, 0.0, later, terminated=False, truncated=is_last))
    return buffer


def _random_obs(spec: EnvSpec, rng: np.random.Generator) -> dict[str, np.ndarray]:
    def random(array: ArraySpec) -> np.ndarray:
        shape = array.shape if array.variants == 1 else (array.variants, *array.shape)
        if array.dtype == "uint8":
            return rng.integers(0, 256, shape, np.uint8)
        return rng.standard_normal(shape, np.float32).astype(array.dtype)

    return {key: random(array) for key, array in spec.obs.items()}
