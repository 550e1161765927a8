"""Diffusion policy's replay buffer: zarr version 2, a folder or a zip file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from demos.formats.options import ExportOptions, ImportOptions
from demos.formats.origin import Origin, final_rows, flat_names
from demos.formats.own import OwnDataset
from demos.formats.recording import Recording
from demos.formats.zarr_buffer import ORIGIN, Buffer, BufferWriter
from robot_rl.data.episode import Episode, step_columns
from robot_rl.errors import DatasetError
from robot_rl.specs import ArraySpec

NAMES = {"stamp": "timestamp"}
"""Ours to diffusion policy's; the other columns keep their names."""
ARRAYS = "robot_rl_arrays"
"""Attribute: which array each of our observation keys is in."""


class DiffusionPolicyReader:
    """A replay buffer."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        """Open it. Raises DatasetError if it is something else."""
        self._buffer = Buffer(path)
        self.num_episodes, self.longest = len(self._buffer.ends), int(self._buffer.lengths.max(initial=0))
        self._origin = self._buffer.origin(options)
        if "action" not in self._buffer.data:
            found = ", ".join(sorted(self._buffer.data))
            raise DatasetError(f"{path}: no data/action; it has {found} (poses without actions are read by --from umi)")

    def __iter__(self) -> Iterator[Recording]:
        """Yield the episodes in order."""
        for index, (where, rows) in enumerate(self._buffer.episodes()):
            yield self._foreign(where, rows) if self._origin is None else own(self._buffer, self._origin, index, where, rows)

    def _foreign(self, where: str, rows: dict[str, np.ndarray]) -> Recording:
        steps = {"stamp": rows.pop("timestamp")} if "timestamp" in rows else {}
        for name in ("reward", "success", "terminated", "truncated", "is_intervention"):
            if name in rows:
                steps[name] = rows.pop(name)
        return Recording(where, rows, rows.pop("action"), steps)


class Writer:
    """Writes a replay buffer; what was seen after the last actions is in `meta/final_<name>`."""

    def __init__(self, path: Path, dataset: OwnDataset, options: ExportOptions) -> None:
        self._dataset = dataset
        self._arrays = self.arrays(dataset)
        spec = dataset.spec
        columns = {NAMES.get(name, name): row for name, row in step_columns(spec).items()}
        obs = {name: spec.obs[key] for key, name in self._arrays.items()}
        self._buffer = BufferWriter(path, {**columns, **obs, **self.more()}, obs, dataset.lengths)

    def __enter__(self) -> Writer:
        return self

    def arrays(self, dataset: OwnDataset) -> dict[str, str]:
        """Return by observation key the array it goes to."""
        return flat_names(tuple(dataset.spec.obs), "_")

    def more(self) -> Mapping[str, ArraySpec]:
        """Return further arrays, that `more_rows` fills."""
        return {}

    def more_rows(self, episode: Episode) -> Mapping[str, np.ndarray]:
        """Return the rows of an episode in the further arrays, [T, ...]."""
        return {}

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        rows = {self._arrays[key]: values[:-1] for key, values in episode.obs.items()}
        for column in step_columns(episode.spec):
            rows[NAMES.get(column, column)] = episode.successes if column == "success" else getattr(episode, column)
        final = {self._arrays[key]: value for key, value in final_rows(episode).items()}
        self._buffer.add({**rows, **self.more_rows(episode)}, final)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._buffer.close({ORIGIN: self._dataset.origin.to_json(), ARRAYS: self._arrays})


def own(buffer: Buffer, origin: Origin, index: int, where: str, rows: Mapping[str, np.ndarray]) -> Recording:
    """Return an episode that robot-rl exported. Raises DatasetError if an array is missing."""
    spec, info = origin.episode(index)
    arrays = buffer.attributes.get(ARRAYS, {})
    columns = {name: NAMES.get(name, name) for name in step_columns(spec)}
    wanted = [*columns.values(), *(arrays.get(key, key) for key in spec.obs)]
    missing = [name for name in wanted if name not in rows]
    missing += [f"final_{arrays[key]}" for key in spec.obs if f"final_{arrays.get(key)}" not in buffer.meta]
    if missing:
        raise DatasetError(f"{where}: {', '.join(missing)} is missing, which robot-rl exported; give --ignore-origin")
    obs: dict[str, np.ndarray] = {}
    for key in spec.obs:
        final = np.asarray(buffer.meta[f"final_{arrays[key]}"][index])
        obs[key] = np.concatenate([rows[arrays[key]], final[None]])
    steps = {name: rows[theirs] for name, theirs in columns.items()}
    return Recording(where, obs, steps.pop("action"), steps, spec=spec, info=info)


def open_dataset(path: Path, options: ImportOptions) -> DiffusionPolicyReader:
    """Return a reader of the folder or zip file `path`."""
    return DiffusionPolicyReader(path, options)
