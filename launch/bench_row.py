"""What a benchmark reports, and how it is timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypedDict

import torch


class Row(TypedDict):
    """One measured figure."""

    name: str
    """`suite/case`, stable: figures of different days are compared by it"""
    value: float
    unit: str


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of `repeats` calls, s, after one that is not counted (caches, contexts, lazy imports)."""
    work()
    durations = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        durations.append(time.perf_counter() - started)
    return statistics.median(durations)


def seconds_per_call(call: Callable[[], object], calls: int, rounds: int = 5, device: str = "cpu") -> float:
    """Return the smallest of the rounds' median durations: what the machine does when nothing else runs on it.

    On a CUDA device a call ends when its work is done there.
    """

    def finished() -> None:
        call()
        if device != "cpu":
            torch.cuda.synchronize(device)

    return min(median_seconds(finished, calls) for _ in range(rounds))
