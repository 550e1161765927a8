"""A dataset of ours as the source of an export: described as a whole, read an episode at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from demos.formats.origin import Origin
from robot_rl.data.episode import Episode
from robot_rl.data.episodes import list_episodes, list_open, read_description, read_episode
from robot_rl.data.spec_json import check_same_spec
from robot_rl.errors import ConfigError, DatasetError


class OwnDataset:
    """Complete episodes of one folder, all of the same observations, actions and timing."""

    def __init__(self, folder: Path) -> None:
        """Read what the episodes say of themselves.

        Raises:
            ConfigError: If there is no episode.
            DatasetError: If one is damaged or half-written.
            SpecMismatch: If they differ in what is observed or done.
        """
        self.folder, self.paths = folder, list_episodes(folder)
        if not self.paths:
            raise ConfigError(f"no episodes of robot-rl in {folder}" + ("" if folder.is_dir() else ": there is no such folder"))
        half_written = list_open(folder)
        if half_written:
            raise DatasetError(f"episode {half_written[0].name} in {folder} is half-written; recover or remove it first")
        self.origin, self.lengths = Origin(), list[int]()
        for path in self.paths:
            spec, info, num_steps = read_description(path)
            if not self.lengths:
                self.spec = spec
            check_same_spec(spec, self.spec, f"episode {path.name} in {folder}")
            self.origin.add(spec, info)
            self.lengths.append(num_steps)

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Episode]:
        """Yield the episodes one by one, oldest first."""
        for path in self.paths:
            yield read_episode(path)
