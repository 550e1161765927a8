"""The episode that was just recorded, until a person has said what becomes of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np

from robot_rl.data.episode_writer import DISCARDED_PREFIX
from robot_rl.data.labels import write_steps
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.types import EpisodeInfo, Transition


class Verdict(Enum):
    """What a person says of an episode."""

    SUCCESS = "success"
    FAILURE = "failure"
    DISCARD = "discard"


class Writer(Protocol):
    """What episodes are written with: an `EpisodeWriter`, in the background or not."""

    @property
    def folder(self) -> Path: ...  # noqa: D102
    @property
    def last_path(self) -> Path | None: ...  # noqa: D102
    @property
    def last_discarded(self) -> Path | None: ...  # noqa: D102
    def begin_episode(self, info: EpisodeInfo) -> None: ...  # noqa: D102
    def add(self, transition: Transition) -> None: ...  # noqa: D102
    def end_episode(self) -> None: ...  # noqa: D102
    def discard_episode(self) -> None: ...  # noqa: D102


class PendingEpisode:
    """An ExperienceSink that writes an episode as it happens, all but its last step, and ends it by a person's verdict.

    So what is asked about is on the disk, but no reader of the dataset sees it: not even if the process dies over the question.
    """

    def __init__(self, writer: Writer, failures: Path, on_step: Callable[[Transition], None] = lambda _: None) -> None:
        """Write successes where `writer` does.

        Args:
            writer: Of the dataset.
            failures: Folder of the dataset of failures; may be the same.
            on_step: Called with every step.

        Raises:
            ConfigError: If episodes cannot be moved to `failures`.
        """
        if _device(failures) != _device(writer.folder):
            raise ConfigError(
                f"failures {failures} must be on the same file system as {writer.folder}: episodes are moved there"
            )
        self._writer, self._failures, self._on_step = writer, failures, on_step
        self._last: Transition | None = None
        self._has_success = False  # before the last step

    @property
    def has_steps(self) -> bool:
        """Whether there is anything to ask about."""
        return self._last is not None

    @property
    def is_success(self) -> bool:
        """Whether a step was a success."""
        return self._has_success or (self._last is not None and self._last.success)

    def begin_episode(self, info: EpisodeInfo) -> None:
        """Start an episode; one that nobody has judged is put aside."""
        self.close(Verdict.DISCARD)
        self._writer.begin_episode(info)

    def add(self, transition: Transition) -> None:
        """Append one step."""
        if self._last is not None:
            self._writer.add(self._last)
            self._has_success |= self._last.success
        self._last = transition
        self._on_step(transition)

    def end_episode(self) -> None:
        """Wait for `close`: the end of the motion is not the end of the episode."""

    def discard_episode(self) -> None:
        """Put the episode aside."""
        self.close(Verdict.DISCARD)

    def close(self, verdict: Verdict) -> Path | None:
        """End the episode, and return where it is; None if it has no steps.

        A success that no step of it was yet is its last step. A failure has no step of success; an episode that is discarded is
        put where no reader of a dataset sees it.
        """
        last, had_success = self._last, self._has_success
        self._last, self._has_success = None, False
        if last is None:
            return None
        if verdict is Verdict.SUCCESS:
            if not (had_success or last.success):
                last = replace(last, success=True, reward=1.0, terminated=True, truncated=False)
            self._writer.add(last)
            self._writer.end_episode()
            return self._writer.last_path
        if verdict is Verdict.DISCARD:
            self._writer.add(last)
            self._writer.discard_episode()
            return self._writer.last_discarded
        reward = 0.0 if last.success else last.reward
        self._writer.add(replace(last, success=False, reward=reward, terminated=False, truncated=False))
        self._writer.discard_episode()  # closes it as truncated, out of sight until it says everywhere that it failed
        aside = self._writer.last_discarded
        return None if aside is None else self._publish_failure(aside, had_success)

    def _publish_failure(self, aside: Path, had_success: bool) -> Path:
        try:
            if had_success:
                stored = StoredEpisode(aside)
                success = stored.steps("success")
                reward = np.where(success, np.float32(0.0), stored.steps("reward"))
                write_steps(aside, stored, {"success": np.zeros_like(success), "reward": reward})
            self._failures.mkdir(parents=True, exist_ok=True)
            return aside.rename(self._failures / aside.name.removeprefix(DISCARDED_PREFIX))
        except OSError as error:
            raise DatasetError(
                f"cannot move failure {aside} to {self._failures}: {error.strerror or error}; it is where it was, and intact"
            ) from error


def _device(folder: Path) -> int:
    """Return the number of the file system that `folder` is on, or will be."""
    for existing in (folder.absolute(), *folder.absolute().parents):
        if existing.exists():
            return os.stat(existing).st_dev
    raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))
