"""Stored episodes with a classifier's opinion in place of the one they were recorded with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import list_episodes, read_episode
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
        judged = judge(episode, calls(classifier, episode), end_at_success=end_at_success)
        info = dataclasses.replace(judged.info, extra={**judged.info.extra, "reward_classifier": classifier.version})
        judged = dataclasses.replace(judged, info=info)
        written.append(EpisodeWriter(out, episode.spec).write(judged, name=path.name))
    return written


def judge(episode: Episode, success: np.ndarray, *, end_at_success: bool) -> Episode:
    """Return `episode` with another opinion on each of its steps, [T] bool.

    A termination that came without a success stays; one that came with a success goes the way of the success.
    """
    terminated = episode.terminated & ~episode.successes
    end = episode.length
    if end_at_success and success.any():
        end = int(success.argmax()) + 1
        terminated = terminated.copy()
        terminated[end - 1] = True
    steps = {
        field.name: getattr(episode, field.name)[:end]
        for field in dataclasses.fields(episode)
        if field.name not in ("spec", "info", "obs")
    }
    truncated = episode.truncated[:end] & ~terminated[:end]
    truncated[-1] |= not terminated[end - 1]
    steps |= {
        "reward": success[:end].astype(np.float32),
        "successes": success[:end],
        "terminated": terminated[:end],
        "truncated": truncated,
    }
    obs = {key: rows[: end + 1] for key, rows in episode.obs.items()}
    return dataclasses.replace(episode, obs=obs, **steps)
