"""From scores to probabilities that mean what they say, and to a threshold for a stated false-positive rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from robot_rl.training.statistics import wilson_interval

Z_ONE_SIDED_95 = 1.644854
"""One-sided 95% quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a head's score into a probability: sigmoid(score / temperature + offset)."""

    temperature: float = 1.0
    offset: float = 0.0
    """corrects that training saw both classes equally often"""
    threshold: float = 0.5
    """probability from which a frame is a success"""

    def logits(self, scores: np.ndarray) -> np.ndarray:
        """Return calibrated logits [N] of scores [N]."""
        return scores / self.temperature + self.offset

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities [N] of scores [N]."""
        return 1.0 / (1.0 + np.exp(-np.clip(self.logits(scores), -60.0, 60.0)))


def calibrate(scores: np.ndarray, labels: np.ndarray, max_false_positive_rate: float) -> Calibration:
    """Return temperature, offset and threshold from held-out frames.

    Args:
        scores: [N], of frames that were not trained on.
        labels: [N], bool; both classes occur.
        max_false_positive_rate: Share of failure frames that may pass.
    """
    temperature, offset = _fit(scores.astype(np.float64), labels)
    calibration = Calibration(temperature, offset)
    logit = choose_threshold(calibration.logits(scores), labels, max_false_positive_rate)
    return Calibration(temperature, offset, float(1.0 / (1.0 + np.exp(-logit))))


def choose_threshold(logits: np.ndarray, labels: np.ndarray, max_false_positive_rate: float) -> float:
    """Return the logit from which a frame is a success, never below 0 (probability one half).

    As many failures may pass as leave the upper 95% bound of the rate within `max_false_positive_rate`: none where there
    are too few to show such a rate. The threshold lies half way between the first failure that must not pass and the next
    success above it, so that it has a margin to both.

    Args:
        logits: [N], of held-out frames.
        labels: [N], bool; both classes occur.
        max_false_positive_rate: Share of failure frames that may pass.
    """
    failures, successes = np.sort(logits[~labels])[::-1], logits[labels]
    rejected = float(failures[allowed_false_positives(len(failures), max_false_positive_rate)])
    above = successes[successes > rejected]
    accepted = float(above.min()) if len(above) else rejected + 1.0
    return max(0.0, (rejected + accepted) / 2)


def allowed_false_positives(negatives: int, max_rate: float) -> int:
    """Return how many of `negatives` failures may pass for the rate to be at most `max_rate` with 95% confidence."""
    allowed = 0
    while allowed + 1 < negatives and false_positive_bound(allowed + 1, negatives) <= max_rate:
        allowed += 1
    return allowed


def false_positive_bound(false_positives: int, negatives: int) -> float:
    """Return the upper end of the one-sided 95% interval of the false-positive rate (Wilson)."""
    return wilson_interval(false_positives, negatives, Z_ONE_SIDED_95)[1]


def reliability(probability: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return (mean probability, share of successes, frames) of every bin of probability that has frames."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    found = [(probability[index == i], labels[index == i]) for i in range(bins) if (index == i).any()]
    return [(float(p.mean()), float(y.mean()), len(p)) for p, y in found]


def _fit(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return temperature and offset of least cross-entropy.

    Targets are drawn in as in Platt (1999), section 2.2, so that perfectly separated frames do not ask for infinite
    confidence.
    """
    positives, negatives = int(labels.sum()), int((~labels).sum())
    target = torch.from_numpy(np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2)))
    score = torch.from_numpy(scores)
    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    offset = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_scale, offset], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(score * log_scale.exp() + offset, target)
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType] (the stub wants a float)
    return float((-log_scale.detach()).exp()), float(offset.detach())
