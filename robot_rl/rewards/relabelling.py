"""Stored episodes with a classifier's opinion in place of the one they were recorded with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robot_rl.data.episodes import read_episode
from robot_rl.data.labels import relabel_dataset
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.rewards.classifier import SuccessClassifier
from robot_rl.rewards.judging import calls


def relabel(folder: str | Path, classifier: SuccessClassifier, out: str | Path, *, end_at_success: bool = True) -> list[Path]:
    """Write copies of the episodes of `folder` into `out` with `success`, `reward` and `terminated` by the classifier.

    Args:
        folder: Of a dataset; it is not touched.
        classifier: Who judges.
        out: A folder without episodes.
        end_at_success: Whether an episode ends at its first success, and is cut there.

    Raises:
        ConfigError: If `folder` holds no episodes, or `out` some.
        SpecMismatch: If the classifier was made for other cameras.
    """

    def opinion(stored: StoredEpisode) -> np.ndarray:
        classifier.check(stored.spec)
        return calls(classifier, read_episode(stored.path))

    notes = {"reward_classifier": classifier.version}
    return relabel_dataset(folder, out, opinion, end_at_success=end_at_success, notes=notes)
