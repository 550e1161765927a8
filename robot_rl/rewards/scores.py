"""How good a classifier is on frames whose truth is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robot_rl.rewards.calibration import false_positive_bound, reliability


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures at one threshold. Rates without a case are None."""

    frames: int
    positives: int
    threshold: float
    accuracy: float
    precision: float | None
    """share of true successes among those called"""
    recall: float | None
    """share of successes that were called"""
    auc: float | None
    """probability that a success scores above a failure"""
    false_positives: int
    false_positive_rate: float | None
    false_positive_bound: float
    """upper end of the rate's one-sided 95% interval, as if frames were independent"""
    calibration_error: float
    """mean distance between probability and share of successes over ten bins, weighted by frames"""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def score(probability: np.ndarray, labels: np.ndarray, threshold: float) -> Scores:
    """Return the figures of frames.

    Args:
        probability: [N], of success.
        labels: [N], bool: the truth.
        threshold: Probability from which a frame is called a success.
    """
    called = probability >= threshold
    hits, false_positives = int((called & labels).sum()), int((called & ~labels).sum())
    negatives = int((~labels).sum())
    bins = reliability(probability, labels)
    return Scores(
        frames=len(labels),
        positives=int(labels.sum()),
        threshold=threshold,
        accuracy=float((called == labels).mean()),
        precision=_share(hits, int(called.sum())),
        recall=_share(hits, int(labels.sum())),
        auc=area_under_curve(probability, labels),
        false_positives=false_positives,
        false_positive_rate=_share(false_positives, negatives),
        false_positive_bound=false_positive_bound(false_positives, negatives),
        calibration_error=sum(abs(p - share) * count for p, share, count in bins) / len(labels),
    )


def area_under_curve(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Return the probability that a success scores above a failure, ties counting half; None if a class is missing."""
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2  # of tied scores, counted from 1
    rank_sum = float(mean_rank[inverse][labels].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
