"""Labels that a person gives to recorded episodes afterwards, step by step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from demos.inspect import find_episode
from robot_rl.data.labels import relabel_dataset
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import ConfigError

Steps = list[tuple[int, int | None]]
"""First and last step of each run of successes, both included; None: to the end."""


def parse_label(text: str) -> tuple[str, Steps]:
    """Return which episode, and which of its steps are a success: of `3=57-60,62`, `ecf6a0=57-`, or `3=` (none).

    Raises:
        ConfigError: If it is not written like that.
    """
    which, equals, steps = text.rpartition("=")
    try:
        if not (which and equals):
            raise ValueError
        return which, [_parse_run(run) for run in steps.split(",") if run.strip()]
    except ValueError as error:
        raise ConfigError(f"label {text!r} is not EPISODE=STEPS, as in 3=57-60,62 or 3=57- or 3= (no success)") from error


def read_labels(path: Path) -> dict[str, Steps]:
    """Return which steps of which episodes are a success, from a JSON file `{"NAME": [57, 58], "OTHER": []}`.

    Raises:
        ConfigError: If the file is missing or says something else.
    """
    try:
        content = json.loads(path.read_text())
        return {str(which): [(int(step), int(step)) for step in steps] for which, steps in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f'{path} must map episode names to lists of steps, {{"NAME": [57, 58]}}: {error}') from error


def relabel_by_hand(
    folder: str | Path, out: str | Path, labels: Mapping[str, Steps], *, end_at_success: bool, by: str = "hand"
) -> list[Path]:
    """Write copies of all episodes of `folder` into `out`, those that are named with other labels.

    Args:
        folder: Of a dataset; it is not touched.
        out: A folder without episodes.
        labels: Successful steps by an episode's number or a part of its name.
        end_at_success: Whether a relabelled episode ends at its first success, and is cut there.
        by: Who says so, stored with the relabelled episodes.

    Raises:
        ConfigError: If an episode is named that is not there, twice, or with steps that it does not have; nothing is written.
        DatasetError: If an episode is damaged, or the disk refuses.
    """
    if not labels:
        raise ConfigError("no labels were given, so there is nothing to change")
    success_by_path: dict[Path, np.ndarray] = {}
    for which, steps in labels.items():
        path = find_episode(folder, which)
        if path in success_by_path:
            raise ConfigError(f"episode {path.name} is labelled twice, the second time as {which!r}")
        success_by_path[path] = _flags(steps, StoredEpisode(path))
    return relabel_dataset(
        folder,
        out,
        lambda episode: success_by_path.get(episode.path),
        end_at_success=end_at_success,
        notes={"relabelled_by": by},
    )


def _parse_run(text: str) -> tuple[int, int | None]:
    first, dash, last = text.strip().partition("-")
    return int(first), (int(last) if last else None) if dash else int(first)


def _flags(steps: Sequence[tuple[int, int | None]], episode: StoredEpisode) -> np.ndarray:
    """Return whether each step is a success, [T] bool."""
    success = np.zeros(episode.length, bool)
    for first, last in steps:
        end = episode.length - 1 if last is None else last
        if not 0 <= first <= end < episode.length:
            raise ConfigError(
                f"steps {first} to {end} are not in episode {episode.name}; it has steps 0 to {episode.length - 1}"
            )
        success[first : end + 1] = True
    return success
