"""Stored episodes with a classifier's opinion in place of the one they were recorded with."""

from __future__ import annotations

from pathlib import Path

from robot_rl.data.episodes import list_episodes, read_episode
from robot_rl.data.labels import Labels, copy_relabelled
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import ConfigError
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
        ConfigError: If `out` holds episodes.
        SpecMismatch: If the classifier was made for other cameras.
    """
    if list_episodes(out):
        raise ConfigError(f"{out} holds episodes already; relabelled ones go into a folder of their own")
    written: list[Path] = []
    for path in list_episodes(folder):
        episode = read_episode(path)
        classifier.check(episode.spec)
        labels = Labels.of(episode).judged(calls(classifier, episode), end_at_success=end_at_success)
        notes = {"reward_classifier": classifier.version}
        written.append(copy_relabelled(StoredEpisode(path), Path(out), labels, notes))
    return written
