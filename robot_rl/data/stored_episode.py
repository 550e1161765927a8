"""An episode on disk that is read piece by piece: pictures of an hour need no memory of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robot_rl.data.episode import step_columns
from robot_rl.data.episodes import damage_named, read_description
from robot_rl.data.image_array import is_jpeg, read_rows
from robot_rl.data.zarr_array import read_array

IMAGES_AT_ONCE = 16


class StoredEpisode:
    """An episode of T steps. Everything raises DatasetError, naming file and cause, where the episode is damaged."""

    def __init__(self, path: str | Path) -> None:
        """Read what the episode says of itself, and nothing else."""
        self.path = Path(path)
        self.spec, self.info, self.length = read_description(path)

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.path.name

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras whose images were stored."""
        return tuple(key.removeprefix("image/") for key in self.spec.obs if key.startswith("image/"))

    @property
    def num_bytes(self) -> int:
        """What its files take on the disk."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def steps(self, name: str) -> np.ndarray:
        """Return one of the `step_columns`, [T, ...]."""
        with damage_named(self.path):
            return read_array(self.path / name, step_columns(self.spec)[name], self.length)

    def obs(self, key: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return what was seen, [stop - start, ...] of T+1 rows."""
        stop = self.length + 1 if stop is None else stop
        with damage_named(self.path):
            return read_rows(self.path / "obs" / key, self.spec.obs[key], stop, start)

    def states(self) -> dict[str, np.ndarray]:
        """Return everything that was seen but images, [T+1, ...] by key."""
        return {key: self.obs(key) for key in self.spec.obs if not key.startswith("image/")}

    def images(self, camera: str) -> Iterator[np.ndarray]:
        """Yield a camera's images in order, some at once, uint8 [n, H, W, C]."""
        for start in range(0, self.length + 1, IMAGES_AT_ONCE):
            yield self.obs(f"image/{camera}", start, min(start + IMAGES_AT_ONCE, self.length + 1))

    def is_jpeg(self, camera: str) -> bool:
        """Return whether a camera's images were stored as JPEG, and differ from what it saw."""
        with damage_named(self.path):
            return is_jpeg(self.path / "obs" / f"image/{camera}")
