"""robomimic's HDF5: one file, a group `data/demo_<k>` an episode, lists of demos under `mask`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from demos.formats.library import need
from demos.formats.options import ExportOptions, ImportOptions
from demos.formats.origin import Origin, flat_names
from demos.formats.own import OwnDataset
from demos.formats.recording import Recording, reading
from robot_rl.data.episode import Episode, step_columns
from robot_rl.errors import DatasetError

GYM_TYPE = 2
"""What robomimic calls an environment that is no robosuite and no iG-MOMART."""
ORIGIN = "robot_rl_origin"
NAMES = {"action": "actions", "reward": "rewards"}
"""Ours to robomimic's; the other columns keep their names."""
MASKS = ("success", "failure", "intervention")
"""Filter keys that an export has."""


class RobomimicReader:
    """A file of robomimic."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        """Open it. Raises DatasetError if it is something else."""
        self._path, self._h5py = path, need("h5py", "robomimic")
        with reading(path), self._h5py.File(path, "r") as file:
            if "data" not in file:
                raise DatasetError(f"{path}: no group 'data'; robomimic keeps its demos there")
            data = file["data"]
            self._demos = sorted(data, key=lambda name: int(name.removeprefix("demo_")))
            self._env_args = json.loads(data.attrs.get("env_args", "{}"))
            counts = [int(data[name].attrs["num_samples"]) for name in self._demos]
            masks = {name: {bytes(demo).decode() for demo in demos[:]} for name, demos in file.get("mask", {}).items()}
            self._masks = {name: [mask for mask in masks if name in masks[mask]] for name in self._demos}
            has_origin = ORIGIN in file and not options.ignore_origin
            origin = json.loads(file[ORIGIN].asstr()[()]) if has_origin else None
        self.num_episodes, self.longest = len(counts), max(counts, default=0)
        self._origin = Origin.from_json(origin, path, self.num_episodes) if has_origin else None

    def __iter__(self) -> Iterator[Recording]:
        """Yield the demos by their numbers."""
        with reading(self._path), self._h5py.File(self._path, "r") as file:
            for index, name in enumerate(self._demos):
                with reading(self._path, part=name):
                    yield self._recording(file["data"][name], index, f"{self._path}, {name}")

    def _recording(self, demo: Any, index: int, where: str) -> Recording:
        count = int(demo.attrs["num_samples"])
        action = demo["actions"][:]
        if len(action) != count:
            raise DatasetError(f"{where}: num_samples is {count}, but there are {len(action)} actions")
        obs = {key: _with_final(demo, key, where) for key in demo.get("obs", {})}
        if self._origin is not None:
            spec, info = self._origin.episode(index)
            keys = flat_names(tuple(spec.obs), ".")
            steps = {name: row for name, row in step_columns(spec).items() if name != "action"}
            return Recording(
                where,
                {key: obs[flat] for key, flat in keys.items()},
                action.astype(np.float32),
                {name: demo[NAMES.get(name, name)][:].astype(row.dtype) for name, row in steps.items()},
                spec=spec,
                info=info,
            )
        steps = {"reward": "rewards", "done": "dones"}
        rate_hz = self._env_args.get("env_kwargs", {}).get("control_freq")
        return Recording(
            where,
            obs,
            action,
            {ours: demo[theirs][:] for ours, theirs in steps.items() if theirs in demo},
            env=self._env_args.get("env_name"),
            control_dt=1 / rate_hz if rate_hz else None,
            extra={"masks": " ".join(masks)} if (masks := self._masks[self._demos[index]]) else {},
            action_range=(np.array(-1.0), np.array(1.0)),
        )


class Writer:
    """Writes a file of robomimic, with lists of demos that succeeded, failed, or saw a person act."""

    def __init__(self, path: Path, dataset: OwnDataset, options: ExportOptions) -> None:
        h5py = need("h5py", "robomimic")
        self._file = h5py.File(path, "w")
        self._string = h5py.string_dtype()
        self._data, self._dataset = self._file.create_group("data"), dataset
        self._keys = flat_names(tuple(dataset.spec.obs), ".")
        self._masks: dict[str, list[str]] = {name: [] for name in MASKS}
        self._count = 0

    def __enter__(self) -> Writer:
        return self

    def add(self, episode: Episode) -> None:
        """Append a demo."""
        name = f"demo_{self._count}"
        demo = self._data.create_group(name)
        demo.attrs["num_samples"] = episode.length
        for key, rows in episode.obs.items():
            self._create(demo, f"obs/{self._keys[key]}", rows[:-1])
            self._create(demo, f"next_obs/{self._keys[key]}", rows[1:])
        columns: dict[str, np.ndarray] = {"success": episode.successes}
        for column in step_columns(episode.spec):
            values = columns[column] if column in columns else getattr(episode, column)
            # robomimic has actions in double precision, which keeps single precision exactly.
            self._create(demo, NAMES.get(column, column), values.astype(np.float64) if column == "action" else values)
        self._create(demo, "dones", (episode.terminated | episode.truncated).astype(np.int64))
        self._create(demo, "states", np.zeros((episode.length, 1)))
        self._masks["success" if episode.success else "failure"].append(name)
        if episode.is_intervention.any():
            self._masks["intervention"].append(name)
        self._count += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            spec = self._dataset.spec
            env_args = {"env_name": spec.name, "type": GYM_TYPE, "env_kwargs": {"control_freq": 1 / spec.control_dt}}
            self._data.attrs["env_args"] = json.dumps(env_args)
            self._data.attrs["total"] = sum(self._dataset.lengths)
            for mask, demos in self._masks.items():
                self._file.create_dataset(f"mask/{mask}", data=np.array(demos, dtype="S"))
            self._file.create_dataset(ORIGIN, data=json.dumps(self._dataset.origin.to_json()), dtype=self._string)
        self._file.close()

    def _create(self, demo: Any, name: str, rows: np.ndarray) -> None:
        is_image = rows.dtype == np.uint8 and rows.ndim == 4
        packing = {"compression": "gzip", "compression_opts": 1, "chunks": (1, *rows.shape[1:])} if is_image else {}
        demo.create_dataset(name, data=rows, **packing)


def open_dataset(path: Path, options: ImportOptions) -> RobomimicReader:
    """Return a reader of the file `path`."""
    return RobomimicReader(path, options)


def _with_final(demo: Any, key: str, where: str) -> np.ndarray:
    """Return an entry's rows, [T, ...] or, with `next_obs`, [T + 1, ...].

    Raises:
        DatasetError: If the next observation of a step is not the observation of the next.
    """
    rows = demo["obs"][key][:]
    if key not in demo.get("next_obs", {}):
        return rows
    following = demo["next_obs"][key][:]
    if following.shape != rows.shape or not np.array_equal(following[:-1], rows[1:], equal_nan=rows.dtype.kind == "f"):
        raise DatasetError(f"{where}: next_obs/{key} is not obs/{key} one step later; episodes cannot be taken apart here")
    return np.concatenate([rows, following[-1:]])
