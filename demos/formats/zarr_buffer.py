"""The zarr version 2 layout of diffusion policy and UMI: `data/<name>` [N, ...] of all episodes, `meta/episode_ends` [E]."""

from __future__ import annotations

import logging
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import Blosc

from demos.formats.image_codecs import register_image_codecs
from demos.formats.options import ImportOptions
from demos.formats.origin import Origin
from demos.formats.recording import reading
from robot_rl.errors import DatasetError
from robot_rl.specs import ArraySpec

CHUNK_BYTES = 1 << 18
"""Of numbers; a chunk of images is one image, as diffusion policy has them."""
ORIGIN = "robot_rl_origin"
"""Attribute of the root."""
COMPRESSOR = Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE)
"""What diffusion policy calls `disk`; loses nothing."""
_logger = logging.getLogger(__name__)


class Buffer:
    """A store opened for reading, a folder or a zip file."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises DatasetError if it is something else, or its arrays are shorter than its episodes."""
        self.path = path
        with reading(path):
            root = self._open()
            self.attributes: dict[str, Any] = dict(root.attrs)
            if "data" not in root or "meta" not in root or "episode_ends" not in root["meta"]:
                raise DatasetError(f"{path}: no data and meta/episode_ends, as diffusion policy and UMI keep them")
            self.data: dict[str, Any] = dict(sorted(root["data"].arrays()))  # by name: folders list as they like
            self.meta: dict[str, Any] = dict(root["meta"].arrays())
            self.ends = np.asarray(self.meta["episode_ends"][:], np.int64)
        self.lengths = np.diff(self.ends, prepend=0)
        if (self.lengths < 1).any():
            raise DatasetError(f"{path}: meta/episode_ends does not increase: {self.ends[:10]}")
        for name, array in self.data.items():
            if len(self.ends) and array.shape[0] < self.ends[-1]:
                raise DatasetError(f"{path}: data/{name} has {array.shape[0]} rows, the episodes have {self.ends[-1]}")

    def episodes(self) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """Yield the place of each episode, for messages, and its rows by name."""
        for index, (end, length) in enumerate(zip(self.ends, self.lengths, strict=True)):
            rows: dict[str, np.ndarray] = {}
            for name, array in self.data.items():
                with reading(self.path, part=f"data/{name}, episode {index}"):
                    rows[name] = np.asarray(array[int(end - length) : int(end)])
            yield f"{self.path}, episode {index}", rows

    def missing_chunks(self) -> list[str]:
        """Return what is not there of which array. Such parts read as the array's fill value, and nobody is told."""
        arrays = {f"data/{name}": array for name, array in self.data.items()}
        arrays |= {f"meta/{name}": array for name, array in self.meta.items()}
        with reading(self.path):
            counts = {name: (array.nchunks - array.nchunks_initialized, array.nchunks) for name, array in arrays.items()}
        return [f"{missing} of {chunks} chunks of {name}" for name, (missing, chunks) in counts.items() if missing]

    def origin(self, options: ImportOptions) -> Origin | None:
        """Return what robot-rl wrote about the episodes, if it exported the store.

        Raises:
            DatasetError: If it did, and parts are missing; of foreign stores that is a warning, as writers may leave out zeros.
        """
        missing = self.missing_chunks()
        if ORIGIN in self.attributes and not options.ignore_origin:
            if missing:
                raise DatasetError(f"{self.path}: {', '.join(missing)} are missing; the store is damaged")
            return Origin.from_json(self.attributes[ORIGIN], self.path, len(self.ends))
        if missing:
            _logger.warning("%s: %s are missing, and read as zeros", self.path, ", ".join(missing))
        return None

    def _open(self) -> Any:
        import zarr  # slow to import
        from zarr.storage import ZipStore

        register_image_codecs()
        store = ZipStore(self.path, mode="r") if self.path.is_file() else self.path
        return zarr.open_group(store, mode="r", zarr_format=2)


class BufferWriter:
    """Writes a store of known size, episode by episode. A path that ends with `.zip` becomes a zip file in `close`."""

    def __init__(self, path: Path, rows: Mapping[str, ArraySpec], final: Mapping[str, ArraySpec], lengths: list[int]) -> None:
        """Make the arrays.

        Args:
            path: Of the store.
            rows: Type of a row of each array under `data`.
            final: Type of what each episode has once, under `meta/final_<name>`.
            lengths: Steps of each episode.
        """
        import zarr

        self._path = path
        self._folder = path.with_name(path.name + ".folder") if path.suffix == ".zip" else path
        self._root = zarr.open_group(self._folder, mode="w", zarr_format=2)
        data, meta = self._root.create_group("data"), self._root.create_group("meta")
        self._ends = np.cumsum(lengths, dtype=np.int64)
        ends = meta.create_array("episode_ends", shape=self._ends.shape, dtype="int64", compressors=None)
        ends[:] = self._ends
        self._rows = {name: _array(data, name, int(self._ends[-1]), row) for name, row in rows.items()}
        self._final = {name: _array(meta, f"final_{name}", len(lengths), row) for name, row in final.items()}
        self._count = 0

    def add(self, rows: Mapping[str, np.ndarray], final: Mapping[str, np.ndarray]) -> None:
        """Append an episode: rows [T, ...] of every array, and what it has once."""
        end = int(self._ends[self._count])
        for name, array in self._rows.items():
            array[end - len(rows[name]) : end] = rows[name]
        for name, array in self._final.items():
            array[self._count] = final[name]
        self._count += 1

    def close(self, attributes: Mapping[str, Any]) -> None:
        """Write the attributes of the root, and pack what is to be packed."""
        self._root.attrs.update(dict(attributes))
        if self._folder == self._path:
            return
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(path for path in self._folder.rglob("*") if path.is_file()):
                archive.write(file, file.relative_to(self._folder).as_posix())
        shutil.rmtree(self._folder)


def _array(group: Any, name: str, count: int, row: ArraySpec) -> Any:
    is_image = row.dtype == "uint8" and len(row.shape) == 3
    length = 1 if is_image else max(1, min(count, CHUNK_BYTES // max(1, row.nbytes)))
    return group.create_array(
        name,
        shape=(count, *row.shape),
        chunks=(length, *row.shape),
        dtype=row.dtype,
        compressors=COMPRESSOR,
        fill_value=False if row.dtype == "bool" else 0,
        config={"write_empty_chunks": True},  # so that one that is missing is known to be lost
    )
