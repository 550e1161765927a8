"""An episode as a foreign dataset has it, before anything is assumed about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from robot_rl.errors import DatasetError, RobotRLError
from robot_rl.specs import EnvSpec
from robot_rl.types import EpisodeInfo


@dataclass(frozen=True, slots=True)
class Recording:
    """T steps of a dataset. What it does not say is None or not there."""

    where: str
    """The episode's place, for messages: `demos.hdf5, demo_3`."""
    obs: Mapping[str, np.ndarray]
    """By the source's names, [T, ...] or, with what was seen after the last action, [T + 1, ...]."""
    action: np.ndarray
    """[T, A], or [T]."""
    steps: Mapping[str, np.ndarray] = field(default_factory=dict)
    """[T, ...] by the names of `step_columns`; and `done`, where the source does not tell its two meanings apart."""
    env: str | None = None
    task: str | None = None
    control_dt: float | None = None
    """s"""
    action_names: tuple[str, ...] = ()
    action_range: tuple[np.ndarray, np.ndarray] | None = None
    """What becomes -1 and 1, [A] or []."""
    is_cut: bool = False
    """Whether it stops in the midst of an episode: then it is truncated, however whole ones end."""
    seed: int | None = None
    extra: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """What else is known, kept with the episode."""
    spec: EnvSpec | None = None
    """Where robot-rl exported it: the episode's own; keys and types of everything above are then ours."""
    info: EpisodeInfo | None = None

    @property
    def length(self) -> int:
        """T."""
        return len(self.action)


class Reader(Protocol):
    """A dataset of another format, opened."""

    num_episodes: int
    longest: int
    """Steps of the longest episode."""

    def __iter__(self) -> Iterator[Recording]:
        """Yield the episodes one by one, in the order of the source; only one is in memory."""
        ...


@contextmanager
def reading(file: Path | str, *, part: str = "") -> Iterator[None]:
    """Around reading of `file`: make what a library raises about a damaged or foreign one a DatasetError that names it."""
    try:
        yield
    except (RobotRLError, MemoryError):
        raise
    except Exception as error:
        where = f"{file}{', ' if part else ''}{part}"
        raise DatasetError(f"{where}: cannot be read: {type(error).__name__}: {error}") from error
