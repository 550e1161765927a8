"""What a dataset holds, episode by episode, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from demos.defects import Defect, DefectLimits, find_defects
from robot_rl.data.episodes import list_discarded, list_episodes, list_open
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import ConfigError, DatasetError

MAX_DIGITS = 5
"""What has more is no number of an episode but a part of its name."""


@dataclass(frozen=True, slots=True)
class EpisodeReport:
    """One episode of a dataset. One that cannot be read has a name, a size and a defect, and zeros elsewhere."""

    name: str
    task: str = ""
    source: str = ""
    recorded: str = ""
    """date and time, UTC; empty where the name does not tell"""
    seed: int | None = None
    steps: int = 0
    seconds: float = 0.0
    """from the first stamp to the last, plus a control period"""
    success: bool = False
    success_steps: int = 0
    """steps that are a success"""
    return_: float = 0.0
    intervention_rate: float = 0.0
    """share of the steps on which a person acted"""
    clamped_rate: float = 0.0
    """share of the steps that the safety limit changed"""
    num_bytes: int = 0
    """on the disk"""
    cameras: tuple[str, ...] = ()
    jpeg_cameras: tuple[str, ...] = ()
    """those whose pictures are not to the bit what they saw"""
    notes: Mapping[str, str | int | float | bool] | None = None
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What lies in a dataset's folder and is no episode of it."""

    half_written: tuple[str, ...]
    """being written, or their writer died"""
    discarded: tuple[str, ...]
    """rejected by a person"""


def inspect_episode(path: str | Path, *, with_defects: bool = True, limits: DefectLimits | None = None) -> EpisodeReport:
    """Return what an episode is, and what is wrong with it; its pictures are looked at for that, one after the other."""
    path = Path(path)
    try:
        episode = StoredEpisode(path)
        success, stamp = episode.steps("success"), episode.steps("stamp")
        report = EpisodeReport(
            name=episode.name,
            task=episode.info.task,
            source=episode.info.source,
            recorded=_moment(episode.name),
            seed=episode.info.seed,
            steps=episode.length,
            seconds=float(stamp[-1] - stamp[0]) + episode.spec.control_dt,
            success=bool(success.any()),
            success_steps=int(success.sum()),
            return_=float(np.sum(episode.steps("reward"), dtype=float)),
            intervention_rate=float(episode.steps("is_intervention").mean()),
            clamped_rate=float(episode.steps("clamped").mean()),
            num_bytes=episode.num_bytes,
            cameras=episode.cameras,
            jpeg_cameras=tuple(camera for camera in episode.cameras if episode.is_jpeg(camera)),
            notes=dict(episode.info.extra),
            defects=tuple(find_defects(episode, limits)) if with_defects else (),
        )
    except DatasetError as error:
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return EpisodeReport(name=path.name, num_bytes=size, defects=(Defect("damaged", str(error)),))
    return report


def inspect_dataset(
    folder: str | Path, *, with_defects: bool = True, limits: DefectLimits | None = None
) -> Iterator[EpisodeReport]:
    """Yield what each episode of a folder is, oldest first.

    Raises:
        ConfigError: If there is no such folder.
    """
    if not Path(folder).is_dir():
        raise ConfigError(f"no episodes at {folder}: there is no such folder")
    for path in list_episodes(folder):
        yield inspect_episode(path, with_defects=with_defects, limits=limits)


def leftovers(folder: str | Path) -> Leftovers:
    """Return what lies in a dataset's folder besides its episodes."""
    return Leftovers(
        tuple(path.name for path in list_open(folder)),
        tuple(path.name for path in list_discarded(folder)),
    )


def find_episode(folder: str | Path, which: str) -> Path:
    """Return the episode of a folder that is meant by its number, counted from 0 in the order of time, or a part of its name.

    Raises:
        ConfigError: If there is none, or more than one.
    """
    paths = list_episodes(folder)
    if which.lstrip("-").isdigit() and len(which) <= MAX_DIGITS:
        found = [paths[int(which)]] if -len(paths) <= int(which) < len(paths) else []
    else:
        found = [path for path in paths if which in path.name]
    if len(found) != 1:
        count = "no episode" if not found else f"{len(found)} episodes"
        raise ConfigError(f"{count} of the {len(paths)} in {folder} is called {which!r}; give a number, or more of the name")
    return found[0]


def _moment(name: str) -> str:
    """Return when an episode of this name was begun."""
    try:
        moment = datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return moment.strftime("%Y-%m-%d %H:%M:%S")
