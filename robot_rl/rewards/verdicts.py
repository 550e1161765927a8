"""What is true of the episodes in a folder where their own success flags are only a classifier's opinion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from robot_rl.atomic_file import write_json
from robot_rl.data.episode import Episode
from robot_rl.errors import DatasetError

VERDICTS = "verdicts.json"
"""Beside the episodes: maps an episode's name to its truly successful steps, `[]` if a person rejects all of it."""


def read_verdicts(folder: str | Path) -> dict[str, list[int]]:
    """Return the truly successful steps by episode name; empty if nobody has judged the folder.

    Raises:
        DatasetError: If the file is damaged.
    """
    path = Path(folder) / VERDICTS
    if not path.exists():
        return {}
    try:
        verdicts = json.loads(path.read_text())
        return {str(name): [int(step) for step in steps] for name, steps in verdicts.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f'{path} must map episode names to lists of steps, {{"NAME": [57, 58]}}: {error}') from error


def add_verdicts(folder: str | Path, success_by_name: Mapping[str, np.ndarray]) -> None:
    """Keep whether each step [T] of the named episodes of `folder` truly was a success; earlier verdicts on them go."""
    added = {name: np.flatnonzero(success).tolist() for name, success in success_by_name.items()}
    write_json(Path(folder) / VERDICTS, {**read_verdicts(folder), **added})


def true_success(name: str, episode: Episode, verdicts: Mapping[str, list[int]]) -> np.ndarray:
    """Return whether each step truly was a success, [T] bool: by its verdict, or else by its own flags.

    Raises:
        DatasetError: If the verdict names a step that the episode does not have.
    """
    if name not in verdicts:
        return episode.successes
    success = np.zeros(episode.length, bool)
    wrong = [step for step in verdicts[name] if not 0 <= step < episode.length]
    if wrong:
        raise DatasetError(f"the verdict on episode {name} names step {wrong[0]}; it has steps 0 to {episode.length - 1}")
    success[verdicts[name]] = True
    return success
