"""A trained classifier as the reward of an environment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.types import Observation


class Judge(Protocol):
    """Tells how probable it is that an observation shows a success."""

    @property
    def threshold(self) -> float:
        """Probability from which it counts as one."""
        ...

    @property
    def consecutive(self) -> int:
        """Frames in a row that must reach it."""
        ...

    def probability(self, obs: Observation) -> float:
        """Return the probability of success."""
        ...


class ClassifierReward:
    """A RewardModel: 1 at success and 0 elsewhere. A success is `consecutive` frames in a row above the threshold."""

    def __init__(self, classifier: Judge, *, consecutive: int | None = None, threshold: float | None = None) -> None:
        """Judge with `classifier`; what is None is as it was trained."""
        self.classifier = classifier
        self.threshold = classifier.threshold if threshold is None else threshold
        self.consecutive = classifier.consecutive if consecutive is None else consecutive
        if self.consecutive < 1:
            raise ConfigError(f"consecutive {self.consecutive} is below 1 frame")
        self.last_probability = 0.0
        """of the newest frame"""
        self._streak = 0

    def begin_episode(self) -> None:
        """Forget the frames of the last episode."""
        self._streak, self.last_probability = 0, 0.0

    def __call__(self, obs: Observation) -> tuple[float, bool]:
        """Return (reward, success) of the next frame."""
        self.last_probability = self.classifier.probability(obs)
        self._streak = self._streak + 1 if self.last_probability >= self.threshold else 0
        success = self._streak >= self.consecutive
        return float(success), success


def called_success(probability: Iterable[float], threshold: float, consecutive: int) -> np.ndarray:
    """Return what `ClassifierReward` says of each frame [T] of an episode, from their probabilities."""
    streak, called = 0, []
    for value in probability:
        streak = streak + 1 if value >= threshold else 0
        called.append(streak >= consecutive)
    return np.array(called, bool)
