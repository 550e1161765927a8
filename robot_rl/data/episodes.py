"""A dataset on disk, read: a folder of episodes, each a zarr group that was renamed from `.open-...` when complete."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robot_rl.data.episode import Episode, step_columns
from robot_rl.data.episode_writer import DISCARDED_PREFIX, FORMAT, FORMAT_VERSION, OPEN_PREFIX
from robot_rl.data.image_array import read_rows
from robot_rl.data.spec_json import check_same_spec, spec_from_json
from robot_rl.data.zarr_array import METADATA, read_array, read_attributes, shorten, write_array
from robot_rl.errors import DatasetError
from robot_rl.specs import EnvSpec
from robot_rl.types import EpisodeInfo

ROWS_AT_ONCE = 64

_logger = logging.getLogger(__name__)


def list_episodes(folder: str | Path) -> list[Path]:
    """Return the complete episodes of a folder, oldest first; none if the folder does not exist."""
    return sorted(path for path in _subfolders(folder) if not path.name.startswith("."))


def list_open(folder: str | Path) -> list[Path]:
    """Return the episodes of a folder that are being written, or whose writer died, oldest first."""
    return sorted(path for path in _subfolders(folder) if path.name.startswith(OPEN_PREFIX))


def list_discarded(folder: str | Path) -> list[Path]:
    """Return the episodes of a folder that a person rejected, oldest first."""
    return sorted(path for path in _subfolders(folder) if path.name.startswith(DISCARDED_PREFIX))


def read_description(path: str | Path) -> tuple[EnvSpec, EpisodeInfo, int]:
    """Return an episode's spec, info and number of steps, without reading what was seen and done.

    Raises:
        DatasetError: If they are damaged; the message names the file and the cause.
    """
    path = Path(path)
    with damage_named(path):
        return _parse(read_attributes(path))


def read_episode(path: str | Path) -> Episode:
    """Return an episode; of one that is still open, the steps that were flushed.

    Raises:
        DatasetError: If it is damaged; the message names the file and the cause.
    """
    path = Path(path)
    with damage_named(path):
        spec, info, num_steps = _parse(read_attributes(path))
        columns = {name: read_array(path / name, row, num_steps) for name, row in step_columns(spec).items()}
        obs = {key: read_rows(path / "obs" / key, row, num_steps + 1) for key, row in spec.obs.items()}
    return Episode(spec=spec, info=info, obs=obs, successes=columns.pop("success"), **columns)


def load_dataset(
    folder: str | Path,
    spec: EnvSpec | None = None,
    *,
    on_damage: Callable[[Path, DatasetError], None] | None = None,
) -> list[Episode]:
    """Return the complete episodes of a folder, oldest first.

    Args:
        folder: Of the dataset; empty or missing gives an empty list.
        spec: What every episode must fit; None takes all.
        on_damage: Called with each episode that cannot be read, and why, while the rest loads; None logs a warning.

    Raises:
        SpecMismatch: If an episode was recorded with other observations, actions or timing.
    """
    episodes: list[Episode] = []
    on_damage = on_damage or _warn
    for path in list_episodes(folder):
        try:
            episode = read_episode(path)
        except DatasetError as error:
            on_damage(path, error)
            continue
        if spec is not None:
            check_same_spec(episode.spec, spec, f"episode {path.name} in {path.parent}")
        episodes.append(episode)
    for path in list_open(folder):
        on_damage(path, DatasetError(f"episode {path.name} in {path.parent}: half-written; `recover` closes it"))
    return episodes


def recover(folder: str | Path) -> list[Path]:
    """Close the episodes whose writer died: they end, truncated, with the last step that was flushed.

    Only for folders that nobody is writing to. One without a step is removed and one that cannot be read is left, each
    with a warning.

    Returns:
        The recovered episodes.
    """
    recovered: list[Path] = []
    for path in list_open(folder):
        name = path.name.removeprefix(OPEN_PREFIX)
        if not (path / METADATA).exists():
            _logger.warning("removed %s: its writer died before a step was flushed", path)
            shutil.rmtree(path)
            continue
        try:
            with damage_named(path):
                _close(path)
        except DatasetError as error:
            _warn(path, error)
            continue
        recovered.append(path.rename(path.with_name(name)))
    return recovered


def _close(path: Path) -> None:
    """Let a half-written episode end, truncated, with the last step that was flushed. One that dies here can be repeated."""
    spec, _, num_steps = _parse(read_attributes(path))
    columns = {name: read_array(path / name, row, num_steps) for name, row in step_columns(spec).items()}
    for key, row in spec.obs.items():
        for start in range(0, num_steps + 1, ROWS_AT_ONCE):  # an hour of pictures does not fit into memory
            read_rows(path / "obs" / key, row, min(start + ROWS_AT_ONCE, num_steps + 1), start)
    for name in columns:
        shorten(path / name, num_steps)
    for key in spec.obs:
        shorten(path / "obs" / key, num_steps + 1)
    truncated = columns["truncated"].copy()
    truncated[-1] |= not columns["terminated"][-1]
    write_array(path / "truncated", step_columns(spec)["truncated"], truncated)


def _subfolders(folder: str | Path) -> list[Path]:
    folder = Path(folder)
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _parse(attributes: Mapping[str, Any]) -> tuple[EnvSpec, EpisodeInfo, int]:
    if attributes.get("format") != FORMAT:
        raise DatasetError(f"not an episode: its format is {attributes.get('format')!r}, expected {FORMAT!r}")
    version = attributes.get("format_version")
    if version != FORMAT_VERSION:
        raise DatasetError(f"its format version is {version}; this release reads {FORMAT_VERSION}")
    num_steps = int(attributes["num_steps"])
    if num_steps < 1:
        raise DatasetError(f"it has {num_steps} steps")
    return spec_from_json(attributes["spec"]), EpisodeInfo(**attributes["info"]), num_steps


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Around reading the episode `path`: whatever goes wrong comes out as a DatasetError that names it and the cause."""
    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        cause = str(error) if isinstance(error, DatasetError) else repr(error)
        raise DatasetError(f"episode {path.name} in {path.parent}: {cause}") from error


def _warn(path: Path, error: DatasetError) -> None:
    _logger.warning("skipped %s: %s", path, error)
