"""What an exported dataset remembers of ours, so that importing it gives back the same episodes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.data.spec_json import spec_from_json, spec_to_json
from robot_rl.errors import DatasetError
from robot_rl.specs import EnvSpec
from robot_rl.types import EpisodeInfo

FORMAT = "robot-rl origin"
FORMAT_VERSION = 1


class Origin:
    """Spec and info of each episode, in order."""

    def __init__(self, episodes: Iterable[tuple[EnvSpec, EpisodeInfo]] = ()) -> None:
        self._specs: list[dict[str, Any]] = []
        self._episodes: list[dict[str, Any]] = []
        for spec, info in episodes:
            self.add(spec, info)

    def __len__(self) -> int:
        return len(self._episodes)

    def add(self, spec: EnvSpec, info: EpisodeInfo) -> None:
        """Append an episode."""
        data = json.loads(json.dumps(spec_to_json(spec)))  # tuples are lists, as they will be when read
        if data not in self._specs:
            self._specs.append(data)
        self._episodes.append({"spec": self._specs.index(data), "info": {**asdict(info), "extra": dict(info.extra)}})

    def episode(self, index: int) -> tuple[EnvSpec, EpisodeInfo]:
        """Return spec and info of an episode."""
        try:
            entry = self._episodes[index]
            return spec_from_json(self._specs[entry["spec"]]), EpisodeInfo(**entry["info"])
        except (KeyError, TypeError, IndexError) as error:
            raise DatasetError(f"what robot-rl wrote about episode {index} is damaged: {error!r}") from error

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` is the inverse."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, "specs": self._specs, "episodes": self._episodes}

    @classmethod
    def from_json(cls, data: Any, where: Path | str, num_episodes: int) -> Origin:
        """Return the origin of a dataset of so many episodes.

        Raises:
            DatasetError: If it is none, or tells of another number of episodes: the dataset was edited since.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("format_version") != FORMAT_VERSION:
            raise DatasetError(f"{where}: not what robot-rl writes about a dataset of version {FORMAT_VERSION}")
        origin = cls()
        origin._specs, origin._episodes = list(data.get("specs", [])), list(data.get("episodes", []))
        if len(origin) != num_episodes:
            raise DatasetError(
                f"{where}: robot-rl exported {len(origin)} episodes, now there are {num_episodes}: the dataset was "
                "edited since; give --ignore-origin to read it like any other"
            )
        return origin


def final_rows(episode: Episode) -> dict[str, np.ndarray]:
    """Return what was seen after the last action, by key."""
    return {key: rows[-1] for key, rows in episode.obs.items()}


def flat_names(keys: Sequence[str], separator: str) -> dict[str, str]:
    """Return by key its name for a format that knows no slashes.

    Raises:
        DatasetError: If two keys would get the same name.
    """
    names = {key: key.replace("/", separator) for key in keys}
    if len(set(names.values())) < len(names):
        raise DatasetError(f"of {', '.join(keys)}, two have the same name when / becomes {separator}")
    return names
