"""A classifier against whole episodes whose truth is known: figures, reward hacking, hard negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.rewards.classifier import SuccessClassifier
from robot_rl.rewards.frames import LabelledEpisode
from robot_rl.rewards.reward import called_success
from robot_rl.rewards.scores import Scores, score
from robot_rl.training.statistics import wilson_interval


@dataclass(frozen=True, slots=True)
class HackingReport:
    """How often an agent was paid for nothing."""

    episodes: int
    called: int
    """episodes that the classifier calls a success"""
    hacked: int
    """those of them without a true success by the step of the call"""

    @property
    def rate(self) -> float | None:
        """Share of the called episodes that are hacked; None if none was called."""
        return self.hacked / self.called if self.called else None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with Wilson's 95% interval of the rate."""
        return {**asdict(self), "rate": self.rate, "interval": wilson_interval(self.hacked, self.called)}


def reward_hacking(classifier: SuccessClassifier, episodes: Sequence[LabelledEpisode]) -> HackingReport:
    """Return how often the classifier, as a reward, pays where the labels, the truth, do not."""
    judged = []
    for item in episodes:
        after = {key: item.obs[key][1:] for key in classifier.entries}
        judged.append((classifier.probabilities(after), item.labels[1:]))
    return count_hacked(judged, classifier.threshold, classifier.consecutive)


def count_hacked(judged: Sequence[tuple[np.ndarray, np.ndarray]], threshold: float, consecutive: int) -> HackingReport:
    """Return the reward hacking in episodes.

    An episode under a classifier ends with its call, so a true success that comes later does not count.

    Args:
        judged: Of each episode, probability [T] and truth [T] of what was seen after its steps.
        threshold: Probability from which a frame is a success.
        consecutive: Frames in a row that must reach it.
    """
    called = hacked = 0
    for probability, truth in judged:
        called_at = np.flatnonzero(called_success(probability, threshold, consecutive))
        if len(called_at):
            called += 1
            hacked += not truth[: called_at[0] + 1].any()
    return HackingReport(len(judged), called, hacked)


def hard_negatives(classifier: SuccessClassifier, episodes: Sequence[LabelledEpisode]) -> list[np.ndarray]:
    """Return of every episode which frames [T+1] the classifier calls a success and the labels, the truth, do not."""
    return [(classifier.probabilities(item.obs) >= classifier.threshold) & ~item.labels & item.is_usable for item in episodes]


def measure(classifier: SuccessClassifier, episodes: Sequence[LabelledEpisode]) -> Scores:
    """Return the figures of all usable frames of episodes."""
    probability = np.concatenate([classifier.probabilities(item.obs)[item.is_usable] for item in episodes])
    labels = np.concatenate([item.labels[item.is_usable] for item in episodes])
    return score(probability, labels, classifier.threshold)


def calls(classifier: SuccessClassifier, episode: Episode) -> np.ndarray:
    """Return at which steps [T] the classifier, as a reward, says success of what was seen after them."""
    after = {key: episode.obs[key][1:] for key in classifier.entries}
    return called_success(classifier.probabilities(after), classifier.threshold, classifier.consecutive)
