"""Seeds of episodes: streams that never overlap, so that evaluation starts are unseen in training."""

from __future__ import annotations

from typing import Literal

import numpy as np

from robot_rl.errors import ConfigError

Stream = Literal["train", "evaluate", "final", "demo", "test"]
_STREAMS: tuple[Stream, ...] = ("train", "evaluate", "final", "demo", "test")


def episode_seed(seed: int, stream: Stream, index: int) -> int:
    """Return the environment seed of episode `index` of a stream; it depends on nothing else, so that runs resume exactly.

    Raises:
        ConfigError: If `seed` is negative.
    """
    if seed < 0:
        raise ConfigError(f"seed {seed} is negative")
    return int(np.random.SeedSequence([seed, _STREAMS.index(stream), index]).generate_state(1)[0])
