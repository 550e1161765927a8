"""The ten statistics that LeRobot keeps of each feature, of an episode and of all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
MAX_IMAGES = 100
"""Images of an episode that are looked at, evenly spaced, as pixels by pixels no closer than these many a side:"""
PIXELS_A_SIDE = 150

Stats = dict[str, np.ndarray]


def number_stats(rows: np.ndarray) -> Stats:
    """Return the statistics [D] of numbers [T, D] or [T]."""
    return _stats(np.asarray(rows, np.float64).reshape(len(rows), -1), len(rows))


def image_stats(images: np.ndarray) -> Stats:
    """Return the statistics [3, 1, 1], in 0..1, of images uint8 [T, H, W, 3]; of some images and pixels."""
    chosen = np.unique(np.linspace(0, len(images) - 1, min(MAX_IMAGES, len(images))).round().astype(int))
    step = max(1, max(images.shape[1:3]) // PIXELS_A_SIDE)
    # Counted by value: a picture of numbers would take 24 times its memory.
    counts = np.zeros((3, 256), np.int64)
    for image in (images[index] for index in chosen):
        for channel in range(3):
            counts[channel] += np.bincount(image[::step, ::step, channel].reshape(-1), minlength=256)
    by_channel = [_counted(count) for count in counts]
    stats = {name: np.array([stats[name] for stats in by_channel]).reshape(3, 1, 1) for name in by_channel[0]}
    return stats | {"count": np.array([len(chosen)])}


class DatasetStats:
    """Statistics of all episodes, kept up as they come.

    Quantiles are means of those of the episodes, weighted by steps, as LeRobot has them: exact ones would need all the
    data at once.
    """

    def __init__(self) -> None:
        self._stats: dict[str, Stats] = {}

    def add(self, episode: Mapping[str, Stats]) -> None:
        """Take in the statistics of an episode."""
        for name, stats in episode.items():
            self._stats[name] = _merged(self._stats[name], stats) if name in self._stats else stats

    def to_json(self) -> dict[str, dict[str, list]]:
        """Return plain lists by feature and statistic."""
        return {name: {stat: value.tolist() for stat, value in stats.items()} for name, stats in self._stats.items()}


def _stats(rows: np.ndarray, count: int) -> Stats:
    stats = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0), "count": np.array([count])}
    return stats | dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=0), strict=True))


def _counted(count: np.ndarray) -> dict[str, float]:
    """Return the statistics of pixels of which `count` [256] have each value."""
    values, total = np.arange(256) / 255, count.sum()
    mean = count @ values / total
    present = values[count > 0]
    stats = {"min": present[0], "max": present[-1], "mean": mean, "std": np.sqrt(count @ (values - mean) ** 2 / total)}
    reached = np.cumsum(count) / total
    return stats | {name: values[np.searchsorted(reached, share)] for name, share in QUANTILES.items()}


def _merged(a: Stats, b: Stats) -> Stats:
    total = a["count"] + b["count"]
    share = b["count"][0] / total[0]
    mean = a["mean"] + share * (b["mean"] - a["mean"])
    variance = (1 - share) * (a["std"] ** 2 + (a["mean"] - mean) ** 2) + share * (b["std"] ** 2 + (b["mean"] - mean) ** 2)
    merged = {"min": np.minimum(a["min"], b["min"]), "max": np.maximum(a["max"], b["max"]), "mean": mean}
    merged |= {"std": np.sqrt(variance), "count": total}
    return merged | {name: (1 - share) * a[name] + share * b[name] for name in QUANTILES}
