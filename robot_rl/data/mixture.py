"""Batches drawn from several replay buffers in given shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.data.replay import ReplayBuffer
from robot_rl.data.rows import BatchFrame
from robot_rl.data.spec_json import check_same_spec
from robot_rl.errors import ConfigError, DatasetError

Weights = Sequence[float]


def split(total: int, weights: Weights) -> list[int]:
    """Return whole numbers that add up to `total`, each within 1 of its exact share.

    Raises:
        ConfigError: If a weight is negative or not finite, or all are zero.
    """
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or sum(weights) <= 0:
        raise ConfigError(f"weights {list(weights)} must be finite, not negative, and not all zero")
    exact = [total * (weight / sum(weights)) for weight in weights]
    counts = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: counts[index] - exact[index])
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    return counts


class Mixture:
    """Several buffers as one. A buffer without a fitting window leaves its share to the others."""

    def __init__(self, buffers: Sequence[ReplayBuffer], weights: Weights | Callable[[int], Weights] = (0.5, 0.5)) -> None:
        """Mix `buffers` (of one environment, on one device).

        Args:
            buffers: The order of their windows in a batch.
            weights: Share of each, of any sum; or a function of `env_steps` that returns them.
        """
        if not buffers:
            raise ConfigError("a mixture needs at least one replay buffer")
        for buffer in buffers[1:]:
            check_same_spec(buffer.spec, buffers[0].spec, "a replay buffer of the mixture")
        if not callable(weights) and len(weights) != len(buffers):
            raise ConfigError(f"{len(weights)} weights {list(weights)} for {len(buffers)} replay buffers")
        self.env_steps = 0
        """Environment steps so far, for a schedule; whoever steps the environment sets it."""
        self._buffers, self._weights = tuple(buffers), weights

    def sample(self, spec: BatchSpec) -> Batch:
        """Return exactly `spec.batch_size` windows, each buffer's uniform over its own.

        Raises:
            DatasetError: If no buffer has a window of that length.
        """
        first = self._buffers[0]
        frame, start = BatchFrame(first.layout, spec, first.device), 0
        for buffer, count in zip(self._buffers, self._counts(spec), strict=True):
            buffer.fill(frame, start, start + count, spec)
            start += count
        return frame.batch()

    def batches(self, spec: BatchSpec) -> Iterator[Batch]:
        """Yield batches for ever."""
        while True:
            yield self.sample(spec)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the sampling."""
        return {"env_steps": self.env_steps, "buffers": [buffer.state_dict() for buffer in self._buffers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.env_steps = state["env_steps"]
        for buffer, buffer_state in zip(self._buffers, state["buffers"], strict=True):
            buffer.load_state_dict(buffer_state)

    def _counts(self, spec: BatchSpec) -> list[int]:
        weights = self._weights(self.env_steps) if callable(self._weights) else self._weights
        if len(weights) != len(self._buffers):
            raise ConfigError(f"{len(weights)} weights {list(weights)} for {len(self._buffers)} replay buffers")
        has_windows = [buffer.num_starts(spec.min_steps) > 0 for buffer in self._buffers]
        if not any(has_windows):
            raise DatasetError(self._why_empty(spec))
        usable = [weight if has else 0.0 for weight, has in zip(weights, has_windows, strict=True)]
        if not any(usable):  # the buffers that were asked for are all empty
            usable = [float(has) for has in has_windows]
        return split(spec.batch_size, usable)

    def _why_empty(self, spec: BatchSpec) -> str:
        longest = max(buffer.longest_run() for buffer in self._buffers)
        return f"no stored episode has {spec.min_steps} steps; longest run is {longest}"
