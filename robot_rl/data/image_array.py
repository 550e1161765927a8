"""Zarr v3 arrays of JPEG files, one a row: for pictures that are too big to be kept to the bit.

A row is a variable number of bytes (data type `bytes`, codec `vlen-bytes`, both in the zarr extensions' registry), so any
zarr library that knows these hands out files that any image library opens.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from robot_rl.data.zarr_array import (
    RowWriter,
    array_metadata,
    chunk_name,
    read_array,
    read_chunk,
    read_metadata,
)
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.specs import ArraySpec

CODECS: list[dict[str, Any]] = [{"name": "vlen-bytes"}, {"name": "crc32c"}]
DATA_TYPES = ("bytes", "variable_length_bytes")
"""What the zarr library calls such rows; the second is its own name for them."""
SMALL_PIXELS = 256 * 256
"""Pictures up to this are what policies see, and cost little: they stay as they are unless told otherwise."""


@dataclass(frozen=True, slots=True)
class ImageCompression:
    """Which images are stored as JPEG, which changes their pixels a little; all others come back to the bit."""

    jpeg_above: int | None = None
    """pixels above which an image is; None: none is"""
    jpeg_quality: int = 90
    """1 to 95; colour has half the resolution of brightness (4:2:0)"""

    def __post_init__(self) -> None:
        if not 1 <= self.jpeg_quality <= 95:
            raise ConfigError(f"jpeg_quality {self.jpeg_quality} is not in 1..95")
        if self.jpeg_above is not None and self.jpeg_above < 0:
            raise ConfigError(f"jpeg_above {self.jpeg_above} pixels is negative")

    def applies_to(self, row: ArraySpec) -> bool:
        """Return whether rows like this are stored as JPEG: single RGB images that are big enough."""
        is_image = row.dtype == "uint8" and row.variants == 1 and len(row.shape) == 3 and row.shape[-1] == 3
        return is_image and self.jpeg_above is not None and row.shape[0] * row.shape[1] > self.jpeg_above


LOSSLESS = ImageCompression()
COMPACT = ImageCompression(jpeg_above=SMALL_PIXELS)


class JpegArrayWriter(RowWriter):
    """Rows of images: each is encoded when it comes, so a flush has nothing to do but to write."""

    def __init__(self, path: Path, row: ArraySpec, chunk_rows: int, quality: int) -> None:
        """As `RowWriter`, for uint8 images [H, W, 3]."""
        super().__init__(path, row, chunk_rows, ndim=1)
        self._chunk: list[bytes] = []
        self._quality = quality

    def _put(self, index: int, value: np.ndarray) -> None:
        if index == 0:
            self._chunk = []
        self._chunk.append(encode(value, self._quality))

    def _encoded(self) -> bytes:
        return _pack([*self._chunk, *[b""] * (self._chunk_rows - len(self._chunk))])

    def _metadata(self) -> dict[str, Any]:
        about = {"encoding": "jpeg", "quality": self._quality, "shape": list(self._row.shape)}
        return array_metadata(
            shape=[self._length], chunk_shape=[self._chunk_rows], data_type="bytes", fill_value="",
            codecs=CODECS, attributes={"image": about},
        )  # fmt: skip


def read_rows(path: Path, row: ArraySpec, stop: int, start: int = 0) -> np.ndarray:
    """Return rows of an array, [stop - start, ...], whether they are stored as JPEG or as they were.

    Takes what `read_array` takes, and raises what it raises.
    """
    metadata = read_metadata(path)
    if metadata.get("data_type") not in DATA_TYPES:
        return read_array(path, row, stop, start)
    shape = tuple(metadata.get("attributes", {}).get("image", {}).get("shape", ()))
    length = metadata["shape"][0]
    if length < stop or shape != row.shape or row.dtype != "uint8" or metadata.get("codecs") != CODECS:
        raise DatasetError(f"{path}: is {length} images {list(shape)}, expected {row.dtype} {[stop, *row.shape]}")
    chunk_rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
    images = np.empty((stop - start, *row.shape), np.uint8)
    for index in range(start // chunk_rows, math.ceil(stop / chunk_rows)):
        file = path / chunk_name(index, 1)
        for place, data in enumerate(_unpack(read_chunk(file)), index * chunk_rows):
            if start <= place < stop:
                images[place - start] = decode(data, row.shape, f"{file}, row {place}")
    return images


def is_jpeg(path: Path) -> bool:
    """Return whether the array `path` holds JPEG files. Raises OSError or DatasetError."""
    return read_metadata(path).get("data_type") in DATA_TYPES


def encode(image: np.ndarray, quality: int) -> bytes:
    """Return an image, uint8 [H, W, 3] RGB, as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def decode(data: bytes, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Return the image of a JPEG file, uint8 `shape`, RGB. Raises DatasetError, naming `where`, if it is none of that shape."""
    try:
        image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DatasetError(f"{where}: not a readable JPEG file ({error})") from error
    if image.shape != shape:
        raise DatasetError(f"{where}: its image is {list(image.shape)}, expected {list(shape)}")
    return image


def _pack(items: Sequence[bytes]) -> bytes:
    """Return what the codec `vlen-bytes` makes of a chunk: the count, then each item after its length, little endian."""
    parts = [struct.pack("<I", len(items))]
    for item in items:
        parts += [struct.pack("<I", len(item)), item]
    return b"".join(parts)


def _unpack(data: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("<I", data)
    items, place = [], 4
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, place)
        items.append(data[place + 4 : place + 4 + length])
        place += 4 + length
    return items
