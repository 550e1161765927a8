"""Linux's input devices: their events, what they are, and how they are found, by the kernel's own interface."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hardware.teleop_pump import wait_for
from robot_rl.errors import DeviceError

FOLDER = Path("/dev/input")
EVENT = struct.Struct("@llHHi")
"""struct input_event: s, us, type, code, value."""
EV_SYN, EV_KEY, EV_ABS = 0x00, 0x01, 0x03
SYN_REPORT, SYN_DROPPED = 0, 3
KEY_BYTES, ABS_BYTES = 96, 8
"""Bytes that hold a bit for each key, and for each absolute axis."""
EVENTS_AT_ONCE = 64
REMEDY = "join the group that may (sudo usermod -aG input $USER, then log in anew) or add a udev rule (docs/teleop.md)"


class InputEvent(NamedTuple):
    """One event of a device; codes are those of linux/input-event-codes.h."""

    type: int
    code: int
    value: int


@dataclass(frozen=True, slots=True)
class AxisRange:
    """What an absolute axis delivers."""

    value: int
    """where it is now"""
    low: int
    high: int
    flat: int = 0
    """what the kernel considers rest, around the middle"""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What a device says of itself."""

    path: str
    name: str
    vendor: int = 0
    product: int = 0
    keys: frozenset[int] = frozenset()
    """Codes of its keys and buttons."""
    axes: Mapping[int, AxisRange] = field(default_factory=dict)
    """By code of the absolute axis."""

    def __str__(self) -> str:
        return f"{self.path} ({self.name}, {self.vendor:04x}:{self.product:04x})"


def describe(descriptor: int, path: str) -> DeviceInfo:
    """Ask the kernel what an open device is. Raises OSError if that is no input device."""
    _, vendor, product, _ = struct.unpack("@4H", _ask(descriptor, 0x02, 8))
    name = _ask(descriptor, 0x06, 256).split(b"\0")[0].decode(errors="replace")
    keys = _bits(_ask(descriptor, 0x20 + EV_KEY, KEY_BYTES))
    axes = _bits(_ask(descriptor, 0x20 + EV_ABS, ABS_BYTES))
    return DeviceInfo(path, name, vendor, product, keys, {axis: _axis_range(descriptor, axis) for axis in axes})


def keys_down(descriptor: int) -> frozenset[int]:
    """Return which keys of an open device are down now. Raises OSError if the device is gone."""
    return _bits(_ask(descriptor, 0x18, KEY_BYTES))


class EventStream:
    """An open input device. Where the kernel lost events it tells the state of all controls: none seems held for ever."""

    def __init__(self, descriptor: int, info: DeviceInfo) -> None:
        """Read events from `descriptor`, which does not block and is closed with the stream."""
        self._descriptor, self.info = descriptor, info
        self._rest = b""
        self._is_lost = False

    @classmethod
    def open(cls, path: str) -> EventStream:
        """Open the device at `path`. Raises DeviceError with the remedy."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError as error:
            raise DeviceError(f"{path} may not be read; {REMEDY}") from error
        except OSError as error:
            raise DeviceError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            return cls(descriptor, describe(descriptor, path))
        except OSError as error:
            os.close(descriptor)
            raise DeviceError(f"{path} is no input device: {error.strerror}") from error

    def state(self) -> list[InputEvent]:
        """Return the keys that are down and where the axes are, as events."""
        down = keys_down(self._descriptor)
        keys = [InputEvent(EV_KEY, key, int(key in down)) for key in sorted(self.info.keys)]
        return keys + [InputEvent(EV_ABS, axis, _axis_range(self._descriptor, axis).value) for axis in self.info.axes]

    def wait(self, timeout_s: float) -> None:
        """Return when there is an event, or after `timeout_s`."""
        wait_for(self._descriptor, timeout_s)

    def drain(self) -> Iterator[InputEvent]:
        """Yield all events that have come. Raises OSError when the device is gone."""
        while True:
            try:
                chunk = os.read(self._descriptor, EVENTS_AT_ONCE * EVENT.size)
            except BlockingIOError:
                return
            if not chunk:
                raise OSError("end of file")
            data = self._rest + chunk
            whole = len(data) - len(data) % EVENT.size
            self._rest = data[whole:]
            for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]):
                yield from self._checked(InputEvent(kind, code, value))

    def close(self) -> None:
        """Give the device back."""
        os.close(self._descriptor)

    def _checked(self, event: InputEvent) -> Iterator[InputEvent]:
        """Yield the event; from a gap up to the end of the broken report yield the state instead."""
        if (event.type, event.code) == (EV_SYN, SYN_DROPPED):
            self._is_lost = True
        elif not self._is_lost:
            yield event
        elif (event.type, event.code) == (EV_SYN, SYN_REPORT):
            self._is_lost = False
            yield from self.state()


def find_device(selected: str | None, fits: Callable[[DeviceInfo], bool], kind: str, folder: Path = FOLDER) -> EventStream:
    """Open the selected device, or the only one that fits.

    Args:
        selected: Path of the device, or None.
        fits: Whether a device is of this kind.
        kind: For messages: "gamepad".
        folder: Where devices are.

    Raises:
        DeviceError: If none fits, or several do: the message lists them with their paths.
    """
    if selected is not None:
        return EventStream.open(selected)
    found: list[EventStream] = []
    refused: list[str] = []
    for path in sorted(folder.glob("event*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0)):
        try:
            stream = EventStream.open(str(path))
        except DeviceError:
            refused.append(str(path))
            continue
        if fits(stream.info):
            found.append(stream)
        else:
            stream.close()
    if len(found) == 1:
        return found[0]
    for stream in found:
        stream.close()
    if found:
        known = "; ".join(str(stream.info) for stream in found)
        raise DeviceError(f"{len(found)} devices are a {kind}: {known}; choose one as {kind}:{found[0].info.path}")
    hidden = f"; {len(refused)} devices may not be read ({refused[0]}, ...): {REMEDY}" if refused else ""
    raise DeviceError(f"no {kind} in {folder}; plug one in{hidden}")


def _ask(descriptor: int, number: int, size: int) -> bytes:
    """Return what the ioctl `number` of the input interface tells: EVIOCG..., read, `size` bytes."""
    buffer = bytearray(size)
    fcntl.ioctl(descriptor, 2 << 30 | size << 16 | ord("E") << 8 | number, buffer)
    return bytes(buffer)


def _bits(data: bytes) -> frozenset[int]:
    return frozenset(8 * index + bit for index, byte in enumerate(data) for bit in range(8) if byte >> bit & 1)


def _axis_range(descriptor: int, axis: int) -> AxisRange:
    value, low, high, _, flat, _ = struct.unpack("@6i", _ask(descriptor, 0x40 + axis, 24))
    return AxisRange(value, low, high, flat)
