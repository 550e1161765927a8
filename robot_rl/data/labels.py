"""What an episode says of success, step by step, and copies of episodes that say something else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from robot_rl.data.episode import Episode, step_columns
from robot_rl.data.episode_writer import OPEN_PREFIX, attributes_of
from robot_rl.data.episodes import list_episodes
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.data.zarr_array import shorten, write_array, write_group
from robot_rl.errors import ConfigError, DatasetError


@dataclass(frozen=True, slots=True)
class Labels:
    """Of an episode of T steps; field names are those of the `step_columns`."""

    success: np.ndarray
    """[T], bool."""
    reward: np.ndarray
    """[T], float32."""
    terminated: np.ndarray
    """[T], bool; at most the last is true."""
    truncated: np.ndarray
    """[T], bool."""

    @classmethod
    def of(cls, episode: Episode | StoredEpisode) -> Labels:
        """Return the labels of an episode."""
        if isinstance(episode, StoredEpisode):
            return cls(*(episode.steps(name) for name in ("success", "reward", "terminated", "truncated")))
        return cls(episode.successes, episode.reward, episode.terminated, episode.truncated)

    @property
    def length(self) -> int:
        """T."""
        return len(self.success)

    def judged(self, success: np.ndarray, *, end_at_success: bool) -> Labels:
        """Return the labels by another opinion on each step, [T] bool; where they end at the first success they are shorter.

        A step of success is paid 1 and any other 0. A termination that came without a success stays; one that came with a
        success goes the way of the success.
        """
        if len(success) != self.length:
            raise DatasetError(f"{len(success)} labels for {self.length} steps")
        terminated = self.terminated & ~self.success
        end = self.length
        if end_at_success and success.any():
            end = int(success.argmax()) + 1
            terminated[end - 1] = True
        truncated = self.truncated[:end] & ~terminated[:end]
        truncated[-1] |= not terminated[end - 1]
        return Labels(success[:end].copy(), success[:end].astype(np.float32), terminated[:end], truncated)


def relabel_dataset(
    folder: str | Path,
    out: str | Path,
    opinion: Callable[[StoredEpisode], np.ndarray | None],
    *,
    end_at_success: bool,
    notes: Mapping[str, str | int | float | bool],
) -> list[Path]:
    """Write copies of the episodes of `folder` into `out` that say something else of success, and return their paths.

    Args:
        folder: Of a dataset; it is not touched.
        out: A folder without episodes.
        opinion: Asked of each episode which of its steps are a success, [T] bool; None: it is copied as it is.
        end_at_success: Whether an episode ends at its first success, and is cut there.
        notes: Added to `info.extra` of those that are judged.

    Raises:
        ConfigError: If there are no episodes in `folder`, or some in `out`.
        DatasetError: If an episode is damaged, or the disk refuses.
    """
    if not (paths := list_episodes(folder)):
        raise ConfigError(f"no episodes in {folder}")
    if list_episodes(out):
        raise ConfigError(f"{out} holds episodes already; relabelled ones go into a folder of their own")
    written: list[Path] = []
    for path in paths:
        episode = StoredEpisode(path)
        labels, success = Labels.of(episode), opinion(episode)
        if success is None:
            written.append(copy_relabelled(episode, Path(out), labels, {}))
        else:
            judged = labels.judged(success, end_at_success=end_at_success)
            written.append(copy_relabelled(episode, Path(out), judged, notes))
    return written


def copy_relabelled(source: StoredEpisode, folder: Path, labels: Labels, notes: Mapping[str, str | int | float | bool]) -> Path:
    """Write a copy of an episode, under its name, that says something else of success, and return its path.

    Pictures are copied as the files they are: nothing is decoded or encoded again.

    Args:
        source: Is not touched.
        folder: Of another dataset, or one that is made.
        labels: As many as the copy shall have steps, at most those of `source`.
        notes: Added to `info.extra`.

    Raises:
        DatasetError: If the disk refuses, or `folder` has an episode of that name.
    """
    path = folder / source.name
    if path.exists():
        raise DatasetError(f"{folder} has an episode {source.name} already")
    copy = folder / f"{OPEN_PREFIX}{source.name}"
    try:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source.path, copy)
        if labels.length < source.length:
            _shorten(copy, source, labels.length)
        write_steps(copy, source, asdict(labels))
        info = replace(source.info, extra={**source.info.extra, **notes})
        write_group(copy, attributes_of(info, source.spec, labels.length))
        return copy.rename(path)
    except OSError as error:
        raise DatasetError(f"cannot copy episode {source.name} to {folder}: {error.strerror or error}") from error


def write_steps(path: Path, like: StoredEpisode, columns: Mapping[str, np.ndarray]) -> None:
    """Replace some of the `step_columns`, [T, ...] by name, of an episode's folder that nobody reads yet."""
    specs = step_columns(like.spec)
    for name, rows in columns.items():
        write_array(path / name, specs[name], rows)


def _shorten(copy: Path, source: StoredEpisode, length: int) -> None:
    for name in step_columns(source.spec):
        shorten(copy / name, length)
    for key in source.spec.obs:
        shorten(copy / "obs" / key, length + 1)
