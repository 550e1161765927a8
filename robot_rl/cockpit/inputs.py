"""The newest input of the people at the page, in memory that the cockpit's process writes and the control process reads."""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from robot_rl.cockpit.shared import map_shared

PAGE_NBYTES = 16384
NUM_SLOTS = 2
HEADER = struct.Struct("<II")
"""Length and checksum of what follows."""
COUNTER = struct.Struct("<Q")
NUM_TRIES = 3

EVENTS: tuple[str, ...] = ("takeover", "success", "failure", "discard", "pause", "stop")
"""What is tapped. They are counted and never reset, so that a tap between two reads is not lost."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What hands do at the page now, and how often they have tapped what."""

    alive: float = 0.0
    """when the cockpit's process wrote this; s, `time.monotonic`, which the processes of a machine share"""
    heard: float = 0.0
    """when it last heard of the driver's page, s"""
    is_driven: bool = False
    """whether somebody has taken over"""
    motion: Mapping[str, float] = field(default_factory=dict)
    """axis to -1..1"""
    gripper: float | None = None
    """opening that is asked for now, -1 closed .. 1 open"""
    grip: float = 0.0
    """opening that was asked for last"""
    num_grips: int = 0
    """how often one was asked for"""
    taps: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(EVENTS, 0))
    num_viewers: int = 0


class InputWriter:
    """Writes inputs by turns into two slots: a reader finds one that is whole."""

    def __init__(self, fd: int) -> None:
        """Write to the shared memory of `PAGE_NBYTES` behind `fd`."""
        self._memory = map_shared(fd)
        self._number = 0

    def write(self, inputs: Inputs) -> None:
        """Make `inputs` the newest."""
        body = json.dumps(asdict(inputs), separators=(",", ":")).encode()
        start = _slot(self._number + 1)
        if len(body) > _room():
            raise ValueError(f"inputs of {len(body)} bytes do not fit into a page's {_room()}")
        self._memory[start : start + HEADER.size + len(body)] = HEADER.pack(len(body), zlib.crc32(body)) + body
        self._number += 1
        COUNTER.pack_into(self._memory, 0, self._number)


class InputReader:
    """Reads the newest inputs. It waits for nobody."""

    def __init__(self, fd: int) -> None:
        """Read the shared memory of `PAGE_NBYTES` behind `fd`."""
        self._memory: mmap.mmap | None = map_shared(fd)
        self._last = Inputs()

    def read(self) -> Inputs:
        """Return the newest inputs; the last ones again if the writer comes between each time."""
        for _ in range(NUM_TRIES):
            body = self._newest()
            if body is not None:
                self._last = Inputs(**json.loads(body))
                break
        return self._last

    def close(self) -> None:
        """Let go of the memory; the last inputs stay. Idempotent."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _newest(self) -> bytes | None:
        if self._memory is None or not (number := COUNTER.unpack_from(self._memory, 0)[0]):
            return None
        start = _slot(number)
        length, checksum = HEADER.unpack_from(self._memory, start)
        body = self._memory[start + HEADER.size : start + HEADER.size + min(length, _room())]
        return body if zlib.crc32(body) == checksum else None


def _slot(number: int) -> int:
    return COUNTER.size + number % NUM_SLOTS * (HEADER.size + _room())


def _room() -> int:
    return (PAGE_NBYTES - COUNTER.size) // NUM_SLOTS - HEADER.size
