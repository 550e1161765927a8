"""The newest pictures, in memory that the control process writes and the cockpit's reads: frames are what is dropped first."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robot_rl.cockpit.shared import map_shared

NUM_SLOTS = 3
"""slots of each camera: a reader has two frame periods for its copy before the writer comes round again"""
COUNTER = struct.Struct("<Q")
ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Region:
    """Where a camera's slots lie."""

    offset: int
    """bytes from the start of the memory; there, the number of pictures written, then the slots"""
    height: int
    """pixels"""
    width: int
    """pixels"""

    @property
    def slot_nbytes(self) -> int:
        """Bytes of a slot: the number of its picture, which is 0 while it is written, then the picture."""
        return _aligned(ALIGNMENT + self.height * self.width * 3)

    @property
    def nbytes(self) -> int:
        """Bytes of all."""
        return ALIGNMENT + NUM_SLOTS * self.slot_nbytes

    def slot(self, number: int) -> int:
        """Return where picture `number`, from 1, lies."""
        return self.offset + ALIGNMENT + number % NUM_SLOTS * self.slot_nbytes

    def pixels(self, memory: mmap.mmap, number: int) -> np.ndarray:
        """Return a view of picture `number`, uint8 [H, W, 3]."""
        shape = (self.height, self.width, 3)
        return np.ndarray(shape, np.uint8, memory, self.slot(number) + ALIGNMENT)


class FrameWriter:
    """Writes pictures over the oldest ones. It waits for nobody; a camera costs one copy of its picture."""

    def __init__(self, fd: int) -> None:
        """Write to the shared memory behind `fd`, which grows with the cameras."""
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._memory: mmap.mmap | None = None
        self._regions: dict[tuple[str, int, int], Region] = {}
        self._written: dict[Region, int] = {}

    def write(self, images: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
        """Write the newest pictures.

        Args:
            images: By camera, uint8 [H, W, 3], RGB, or [H, W, 3k] of which the last three channels are the newest.

        Returns:
            The layout by camera, for `FrameReader`: it changes only when a camera comes, or its pictures' size.
        """
        if not images:
            return {}
        regions = {name: self._region(name, *image.shape[:2]) for name, image in images.items()}
        if self._memory is None:
            self._memory = map_shared(self._fd)
        for name, image in images.items():
            self._write(self._memory, regions[name], image[..., -3:])
        return {name: [region.offset, region.height, region.width] for name, region in regions.items()}

    def close(self) -> None:
        """Let go of the memory; idempotent."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _region(self, name: str, height: int, width: int) -> Region:
        key = (name, height, width)
        if key not in self._regions:
            region = Region(_aligned(self._size), height, width)
            self._size = region.offset + region.nbytes
            os.ftruncate(self._fd, self._size)
            self.close()
            self._regions[key] = region
        return self._regions[key]

    def _write(self, memory: mmap.mmap, region: Region, image: np.ndarray) -> None:
        number = self._written.get(region, 0) + 1
        COUNTER.pack_into(memory, region.slot(number), 0)
        region.pixels(memory, number)[...] = image
        COUNTER.pack_into(memory, region.slot(number), number)
        COUNTER.pack_into(memory, region.offset, number)
        self._written[region] = number


class FrameReader:
    """Reads the newest picture of each camera."""

    def __init__(self, fd: int) -> None:
        """Read the memory behind `fd`; nothing is there before `lay_out`."""
        self._fd = fd
        self._memory: mmap.mmap | None = None
        self._regions: dict[str, Region] = {}

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names, in the order of the layout."""
        return tuple(self._regions)

    def lay_out(self, layout: Mapping[str, Sequence[int]]) -> None:
        """Take the layout that `FrameWriter.write` returned."""
        self._regions = {name: Region(*place) for name, place in layout.items()}
        self._memory = map_shared(self._fd)

    def newest(self, camera: str) -> int:
        """Return the number of a camera's newest picture; 0: none yet, or no such camera."""
        region = self._regions.get(camera)
        return 0 if region is None or self._memory is None else COUNTER.unpack_from(self._memory, region.offset)[0]

    def read(self, camera: str, number: int) -> np.ndarray | None:
        """Return a copy of a camera's picture `number`, uint8 [H, W, 3], or None if it has been overwritten meanwhile."""
        region = self._regions.get(camera)
        if region is None or self._memory is None or not number:
            return None
        image = region.pixels(self._memory, number).copy()
        is_whole = COUNTER.unpack_from(self._memory, region.slot(number))[0] == number
        return image if is_whole else None


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
