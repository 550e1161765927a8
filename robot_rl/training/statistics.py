"""How sure a success rate or a mean over seeds is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from robot_rl.wilson import Z_95 as Z_95
from robot_rl.wilson import wilson_interval as wilson_interval


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """Return the mean of the middle half of `values` (Agarwal et al. 2021), partial weights at the quartiles.

    Raises:
        ValueError: If there are no values.
    """
    ordered = np.sort(np.asarray(values, dtype=float).ravel())
    if ordered.size == 0:
        raise ValueError("the interquartile mean of no values is undefined")
    edges = np.arange(ordered.size + 1) / ordered.size
    # Value i covers [i/n, (i+1)/n] of the distribution; weigh it by its overlap with [1/4, 3/4].
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    return float(weights @ ordered / weights.sum())


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    statistic: Callable[[np.ndarray], float] = interquartile_mean,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic over seeds.

    Args:
        values: One number a seed.
        statistic: Maps a resample to a number.
        confidence: Coverage of the interval.
        num_resamples: Resamples drawn; the answer is a function of `seed`.
        seed: Of the resampling.
    """
    return stratified_interval([values], statistic, confidence=confidence, num_resamples=num_resamples, seed=seed)


def stratified_interval(
    strata: Sequence[Sequence[float] | np.ndarray],
    statistic: Callable[[np.ndarray], float] = interquartile_mean,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic of all strata together (Agarwal et al. 2021).

    Seeds are drawn anew within each stratum: which tasks there are is not up to chance.

    Args:
        strata: For each task, one number a seed.
        statistic: Maps a resample of all to a number.
        confidence: Coverage of the interval.
        num_resamples: Resamples drawn; the answer is a function of `seed`.
        seed: Of the resampling.
    """
    samples = [np.asarray(stratum, dtype=float) for stratum in strata]
    if not samples or any(stratum.size == 0 for stratum in samples):
        raise ValueError("a bootstrap interval needs at least one value, and one of each task")
    rng = np.random.default_rng(seed)
    drawn = [stratum[rng.integers(0, stratum.size, (num_resamples, stratum.size))] for stratum in samples]
    results = np.array([statistic(resample) for resample in np.concatenate(drawn, axis=1)])
    tail = (1 - confidence) / 2
    low, high = np.quantile(results, [tail, 1 - tail])
    return float(low), float(high)
