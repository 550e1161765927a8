"""Whole datasets converted: which formats there are, and destinations that appear complete or not at all."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demos.formats import diffusion_policy, lerobot, minari, robomimic, serl, umi
from demos.formats.assemble import episodes, source_name
from demos.formats.options import ExportOptions, ImportOptions
from demos.formats.own import OwnDataset
from demos.formats.recording import Reader
from robot_rl.data.episode import Episode
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.errors import ConfigError, DatasetError

FORMATS: Mapping[str, Any] = {
    "diffusion_policy": diffusion_policy,
    "lerobot": lerobot,
    "minari": minari,
    "robomimic": robomimic,
    "serl": serl,
    "umi": umi,
}
"""Modules with `open_dataset(path, options) -> Reader` and, but for serl, `Writer(path, dataset, options)`: see `export`."""

ROOM_BYTES = 1 << 20
"""Beside an episode: for what a format says of itself."""

OnEpisode = Callable[[int, int], None]
"""Called with (episodes converted, episodes in all) after each."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was converted."""

    num_episodes: int
    num_steps: int


def import_dataset(
    name: str, source: Path, destination: Path, options: ImportOptions, on_episode: OnEpisode | None = None
) -> Summary:
    """Write a dataset of another format as ours, one episode in memory at a time.

    Args:
        name: Of the format.
        source: The other dataset.
        destination: Folder of ours; must not exist.
        options: What the other dataset does not say.
        on_episode: Told of progress.

    Raises:
        ConfigError: If the destination exists, or something is not said.
        DatasetError: If the source is damaged; nothing is left of the destination.
    """
    _check_source(source)
    with building(destination) as folder:
        reader: Reader = FORMATS[name].open_dataset(source, options)
        writer, num_steps, index = None, 0, 0
        for index, episode in enumerate(episodes(reader, options, source_name(name, source)), start=1):
            if writer is None or writer.spec != episode.spec:  # names and lengths may differ
                writer = EpisodeWriter(folder, episode.spec)
            num_steps += _write(writer, episode, f"{source}, episode {index - 1}")
            if on_episode is not None:
                on_episode(index, reader.num_episodes)
        if index == 0:
            raise DatasetError(f"{source} holds no episode")
    return Summary(index, num_steps)


def export_dataset(
    name: str, source: Path, destination: Path, options: ExportOptions, on_episode: OnEpisode | None = None
) -> Summary:
    """Write a dataset of ours in another format, one episode in memory at a time.

    Raises as `import_dataset` does, and ConfigError if the format cannot be written.
    """
    if not hasattr(FORMATS[name], "Writer"):
        raise ConfigError(f"{name} can be read but not written; written are: {', '.join(writable())}")
    with building(destination) as path:
        dataset = OwnDataset(source)
        with FORMATS[name].Writer(path, dataset, options) as writer:
            for index, episode in enumerate(dataset, start=1):
                _check_room(destination, episode)
                writer.add(episode)
                if on_episode is not None:
                    on_episode(index, len(dataset))
    return Summary(len(dataset), sum(dataset.lengths))


def writable() -> list[str]:
    """Return the formats that can be written."""
    return sorted(name for name, module in FORMATS.items() if hasattr(module, "Writer"))


@contextmanager
def building(destination: Path) -> Iterator[Path]:
    """Yield a path in a hidden folder beside `destination` to write to; it is moved there when the block ends well.

    If the block raises, what was written is removed.

    Raises:
        ConfigError: If the destination exists or its folder cannot be written.
    """
    if destination.exists() or destination.is_symlink():
        raise ConfigError(f"{destination} exists; give another name, or remove it first")
    folder = destination.with_name(f".converting-{secrets.token_hex(4)}-{destination.name}")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"{destination} cannot be written: {error.strerror or error}") from error
    try:
        yield folder / destination.name
        (folder / destination.name).rename(destination)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DatasetError(f"{destination}: {error.strerror}; nothing is left of it") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_room(destination: Path, episode: Episode) -> None:
    """Raise DatasetError if the disk may not hold one more episode: HDF5's library ends the process where it is full."""
    arrays = (*episode.obs.values(), episode.action, episode.policy_action)
    needed = 2 * sum(array.nbytes for array in arrays) + ROOM_BYTES  # robomimic has every observation twice
    left = shutil.disk_usage(destination.parent).free
    if left < needed:
        raise DatasetError(
            f"{destination}: the disk has {left / 1e6:.1f} MB left, and the next episode may take {needed / 1e6:.1f} MB; "
            "nothing is left of it"
        )


def _check_source(source: Path) -> None:
    if not source.exists():
        raise ConfigError(f"there is nothing at {source}")


def _write(writer: EpisodeWriter, episode: Episode, where: str) -> int:
    try:
        writer.write(episode)
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from error
    return episode.length
