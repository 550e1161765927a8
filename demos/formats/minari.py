"""Minari's datasets: HDF5 and a description of the spaces, written as `minari.load_dataset` reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from demos.formats.library import need
from demos.formats.options import ExportOptions, ImportOptions
from demos.formats.origin import Origin
from demos.formats.own import OwnDataset
from demos.formats.png import decode_image
from demos.formats.recording import Recording, reading
from demos.formats.spaces import box, flat_space, is_image, nested_space
from robot_rl.data.episode import Episode, step_columns
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.specs import ArraySpec

FILE, METADATA, ORIGIN = "main_data.hdf5", "metadata.json", "robot_rl_origin.json"
MINARI_VERSION = "0.5.4"
"""The first that keeps images as they are; what an export calls itself."""
ID = re.compile(r"[-_\w]+-v\d+")
NAMES = {"reward": "rewards", "terminated": "terminations", "truncated": "truncations"}
"""Ours to Minari's; the other columns are under `infos`, by our names."""


class MinariReader:
    """A dataset of Minari: its folder, or the `data` folder in it."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        """Open it. Raises DatasetError if it is something else."""
        folder = path / "data" if (path / "data").is_dir() else path
        self._h5py, self._file, metadata = need("h5py", "minari"), folder / FILE, folder / METADATA
        with reading(metadata):
            described = json.loads(metadata.read_text())
            self.num_episodes = int(described["total_episodes"])
            if described.get("data_format", "hdf5") != "hdf5":
                raise DatasetError(f"{path}: kept as {described['data_format']!r}; only hdf5 is read")
            if "observation_space" not in described or "action_space" not in described:
                raise DatasetError(f"{metadata}: does not say its spaces, only its environment; nothing here can make that")
            self._spaces = flat_space(json.loads(described["observation_space"]))
            self._action = json.loads(described["action_space"])
            self._has_jpeg = bool(described.get("jpeg_encoding", True))
            self._env = json.loads(described.get("env_spec") or "{}").get("id")
        if self._action.get("type") != "Box":
            raise DatasetError(f"{path}: actions are of a {self._action.get('type')} space; ours are numbers in [-1, 1]")
        with reading(self._file), self._h5py.File(self._file, "r") as file:
            steps = [int(file[f"episode_{index}"].attrs["total_steps"]) for index in range(self.num_episodes)]
        self.longest = max(steps, default=0)
        self._origin = None
        if (folder / ORIGIN).exists() and not options.ignore_origin:
            with reading(folder / ORIGIN):
                self._origin = Origin.from_json(json.loads((folder / ORIGIN).read_text()), folder / ORIGIN, self.num_episodes)

    def __iter__(self) -> Iterator[Recording]:
        """Yield the episodes by their numbers."""
        with reading(self._file), self._h5py.File(self._file, "r") as file:
            for index in range(self.num_episodes):
                with reading(self._file, part=f"episode_{index}"):
                    yield self._recording(file[f"episode_{index}"], index, f"{self._file}, episode_{index}")

    def _recording(self, group: Any, index: int, where: str) -> Recording:
        root = group["observations"]
        obs = {name or "observation": self._rows(root[name] if name else root, space) for name, space in self._spaces.items()}
        action = group["actions"][:]
        infos = group.get("infos", {})
        if self._origin is not None:
            spec, info = self._origin.episode(index)
            columns = {name: row for name, row in step_columns(spec).items() if name != "action"}
            steps = {
                name: (group[NAMES[name]] if name in NAMES else infos[name])[:].astype(row.dtype)
                for name, row in columns.items()
            }
            return Recording(where, obs, action, steps, spec=spec, info=info)
        length = len(action)
        steps = {ours: group[theirs][:] for ours, theirs in NAMES.items()}
        for name in ("success", "is_success", "goal_achieved"):
            if name in infos and "success" not in steps:
                rows = infos[name][:]
                steps["success"] = rows[len(rows) - length :]  # of T + 1 rows the first is of the reset
        low, high = (np.array(self._action[bound], np.float64) for bound in ("low", "high"))
        seed = group.attrs.get("seed")
        return Recording(
            where,
            obs,
            action.reshape(length, -1),
            steps,
            env=self._env,
            action_range=(low.reshape(-1), high.reshape(-1)),
            seed=None if seed is None else int(seed),
        )

    def _rows(self, dataset: Any, space: Mapping[str, Any]) -> np.ndarray:
        rows = dataset[()]
        if not (self._has_jpeg and is_image(space)):
            return rows
        return np.stack([decode_image(np.asarray(row).tobytes()) for row in rows])


class Writer:
    """Writes a dataset of Minari. Its folder must be called as Minari calls datasets, such as `insert-v0`."""

    def __init__(self, path: Path, dataset: OwnDataset, options: ExportOptions) -> None:
        """Make the file.

        Raises:
            ConfigError: If the folder's name is none of Minari's.
        """
        if not ID.fullmatch(path.name):
            raise ConfigError(
                f"Minari cannot load a dataset called {path.name!r}; end its folder's name with -v0, say {path.name}-v0"
            )
        h5py = need("h5py", "minari")
        self._dataset, self._folder, self._count = dataset, path / "data", 0
        self._folder.mkdir(parents=True)
        self._file = h5py.File(self._folder / FILE, "w", track_order=True)

    def __enter__(self) -> Writer:
        return self

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        group = self._file.create_group(f"episode_{self._count}")
        group.attrs["id"], group.attrs["total_steps"] = self._count, episode.length
        if episode.info.seed is not None:
            group.attrs["seed"] = episode.info.seed
        for key, rows in episode.obs.items():
            is_picture = rows.dtype == np.uint8 and rows.ndim == 4
            packing = {"compression": "gzip", "compression_opts": 1} if is_picture else {}
            group.create_dataset(
                f"observations/{key}", data=rows, chunks=(1, *rows.shape[1:]) if is_picture else True, **packing
            )
        group.create_dataset("actions", data=episode.action)
        for column in step_columns(episode.spec):
            if column != "action":
                values = episode.successes if column == "success" else getattr(episode, column)
                group.create_dataset(NAMES.get(column, f"infos/{column}"), data=values)
        self._count += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        if kind is None:
            spec, file = self._dataset.spec, self._folder / FILE
            action = box(ArraySpec((spec.action.dim,)), (-1.0, 1.0))
            metadata = {
                "dataset_id": self._folder.parent.name,
                "minari_version": MINARI_VERSION,
                "data_format": "hdf5",
                "jpeg_encoding": False,
                "total_episodes": len(self._dataset),
                "total_steps": sum(self._dataset.lengths),
                "dataset_size": round(file.stat().st_size / 1e6, 1),
                "observation_space": json.dumps(nested_space(spec.obs)),
                "action_space": json.dumps(action),
                "description": f"{spec.name}, exported by robot-rl; {spec.control_dt:g} s from step to step",
            }
            (self._folder / METADATA).write_text(json.dumps(metadata))
            (self._folder / ORIGIN).write_text(json.dumps(self._dataset.origin.to_json()))


def open_dataset(path: Path, options: ImportOptions) -> MinariReader:
    """Return a reader of the folder `path`."""
    return MinariReader(path, options)
