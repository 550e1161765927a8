"""Loading demonstrations for learning, or saying exactly why that is not possible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robot_rl.data.episode import Episode
from robot_rl.data.episodes import load_dataset
from robot_rl.errors import ConfigError
from robot_rl.specs import EnvSpec


def load_demos(folders: str | Path | Sequence[str | Path], spec: EnvSpec) -> list[Episode]:
    """Return the episodes of one or more dataset folders, in the order of the folders and of time.

    Damaged episodes are skipped with a warning.

    Args:
        folders: Of datasets, as `record` writes them.
        spec: Of the environment that is going to learn from them.

    Raises:
        ConfigError: If a folder is missing or has no readable episode.
        SpecMismatch: If an episode does not fit `spec`.
    """
    single = isinstance(folders, str | Path)
    return [episode for folder in ([folders] if single else folders) for episode in _load(Path(folder), spec)]


def _load(folder: Path, spec: EnvSpec) -> list[Episode]:
    if not folder.is_dir():
        raise ConfigError(f"no demonstrations at {folder}: there is no such folder")
    episodes = load_dataset(folder, spec)
    if not episodes:
        raise ConfigError(f"no readable demonstration in {folder}; launch/record_demos.py records some")
    return episodes
