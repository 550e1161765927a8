"""Labelled frames: every observation of recorded episodes, and whether it shows a success."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.data.episodes import list_episodes, read_episode
from robot_rl.data.frame_faults import FrameFault, find_faults
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.rewards.verdicts import read_verdicts, true_success

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabelledEpisode:
    """The observations of an episode of T steps, labelled."""

    name: str
    episode: Episode
    labels: np.ndarray
    """[T+1], bool: whether the observation shows a success."""
    is_usable: np.ndarray
    """[T+1], bool: false where a camera was faulty."""
    faults: tuple[FrameFault, ...] = ()

    @property
    def obs(self) -> Mapping[str, np.ndarray]:
        """[T+1, ...] a key."""
        return self.episode.obs

    @property
    def has_success(self) -> bool:
        """Whether a usable frame shows a success."""
        return bool(self.labels[self.is_usable].any())

    @property
    def has_failure(self) -> bool:
        """Whether a usable frame shows none."""
        return bool((~self.labels[self.is_usable]).any())


def label_episode(
    name: str,
    episode: Episode,
    cameras: Sequence[str],
    *,
    success: np.ndarray | None = None,
    starts_with_success: bool = False,
    max_identical: int = 5,
) -> LabelledEpisode:
    """Return an episode with its labels.

    Args:
        name: For reports.
        episode: With the entries `image/<camera>`.
        cameras: Whose frames are looked at for faults.
        success: [T], bool: whether each step was a success, which labels what was seen after it; None: its own flags.
        starts_with_success: Label of the first observation, which no step led to.
        max_identical: Repetitions of a frame that are borne while the robot moves.
    """
    after = episode.successes if success is None else np.asarray(success, bool)
    if len(after) != episode.length:
        raise DatasetError(f"episode {name} has {episode.length} steps and {len(after)} labels")
    faults = find_faults(name, episode.obs, cameras, max_identical)
    is_usable = np.ones(episode.length + 1, bool)
    for fault in faults:
        is_usable[fault.first : fault.last + 1] = False
    return LabelledEpisode(name, episode, np.concatenate(([starts_with_success], after)), is_usable, tuple(faults))


def load_labelled(
    folder: str | Path, cameras: Sequence[str] = (), *, starts_with_success: bool = False, max_identical: int = 5
) -> list[LabelledEpisode]:
    """Return the labelled episodes of a folder, oldest first; faulty frames and damaged episodes are logged.

    A verdict on an episode (`verdicts.json` in the folder) beats its own flags.

    Args:
        folder: Of the dataset.
        cameras: To look at; none: all that an episode has.
        starts_with_success: Label of the first observation of every episode.
        max_identical: Repetitions of a frame that are borne while the robot moves.

    Raises:
        ConfigError: If there is no readable episode, or one lacks a camera.
    """
    if not Path(folder).is_dir():
        raise ConfigError(f"no episodes at {folder}: there is no such folder")
    verdicts, labelled = read_verdicts(folder), []
    for path in list_episodes(folder):
        try:
            episode = read_episode(path)
        except DatasetError as error:
            _logger.warning("skipped %s: %s", path, error)
            continue
        chosen = choose_cameras(episode.obs, cameras, f"episode {path.name} in {folder}")
        success = true_success(path.name, episode, verdicts)
        labelled.append(
            label_episode(
                path.name,
                episode,
                chosen,
                success=success,
                starts_with_success=starts_with_success,
                max_identical=max_identical,
            )
        )
    if not labelled:
        raise ConfigError(f"no readable episode in {folder}; launch/record_demos.py records some")
    for fault in (fault for item in labelled for fault in item.faults):
        _logger.warning("left out: %s", fault)
    return labelled


def choose_cameras(obs: Mapping[str, object], wanted: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the cameras wanted, or all there are. Raises ConfigError if one is not observed."""
    known = tuple(sorted(key.removeprefix("image/") for key in obs if key.startswith("image/")))
    missing = [camera for camera in wanted if camera not in known]
    if missing or not known:
        what = f"camera {missing[0]!r}" if missing else "a camera"
        raise ConfigError(f"{where} was recorded without {what}; its cameras: {', '.join(known) or 'none'}")
    return tuple(wanted) or known


def check_classes(episodes: Sequence[LabelledEpisode]) -> None:
    """Raise ConfigError, saying how to get more, unless both classes occur in at least two episodes each."""
    if len(episodes) < 2:
        raise ConfigError(
            f"{len(episodes)} episode is too few: whole episodes are held out to measure the classifier; record 10 or more"
        )
    successes = sum(item.has_success for item in episodes)
    if successes < 2:
        raise ConfigError(
            f"only {successes} of {len(episodes)} episodes shows a success, and both training and measuring need one; record "
            "demonstrations that succeed and go on for some steps (launch/record_demos.py with --no-end-at-success)"
        )
    # The first observation is a failure by convention, so it does not make an all-success recording a mixed one.
    failures = sum(bool((~item.labels & item.is_usable)[1:].any()) for item in episodes)
    if failures < 2:
        raise ConfigError(
            f"only {failures} of {len(episodes)} episodes shows a failure after its first frame, so there is nothing to tell "
            "success from; record attempts that fail or stop half way (launch/record_demos.py with --keep all)"
        )


def deal_folds(episodes: Sequence[LabelledEpisode], folds: int, seed: int) -> np.ndarray:
    """Return which of `folds` parts each episode belongs to, [episodes], so that the parts are as alike as can be.

    Whole episodes, as neighbouring frames are all but equal and a split by frame would measure memory. Episodes are dealt
    by what they show: first those with failures only, then both, then successes only; so two or more of a class never end
    up in one part.

    Args:
        episodes: All.
        folds: Parts, at least 2.
        seed: Of the draw.
    """
    chance = np.random.default_rng(seed).permutation(len(episodes))
    order = sorted(range(len(episodes)), key=lambda i: (episodes[i].has_success, not episodes[i].has_failure, chance[i]))
    fold = np.empty(len(episodes), int)
    fold[order] = np.arange(len(episodes)) % folds
    return fold


def content_hash(episodes: Sequence[LabelledEpisode], keys: Sequence[str]) -> str:
    """Return 16 hexadecimal digits that change with any frame, state or label that is learned from."""
    digest = hashlib.sha256()
    for item in sorted(episodes, key=lambda item: item.name):
        digest.update(item.name.encode())
        for array in (item.labels, item.is_usable, *(item.obs[key] for key in sorted(keys))):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
