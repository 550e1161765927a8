"""SpaceMice by their raw HID reports: six axes in one report or two, and the buttons of each model."""

from __future__ import annotations

import importlib
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hardware.teleop_controls import TAKE_OVER, Controls, beyond
from hardware.teleop_pump import PumpedDevice
from robot_rl.errors import ConfigError, DeviceError, pip_line
from robot_rl.types import DeviceInput

TRANSLATION, ROTATION, BUTTONS = 1, 2, 3
"""Ids of reports. Models that send all six axes at once do so in the first."""
STALE_S = 0.5
"""s without a report after which a cap counts as let go: one that is moved reports 60 times a second or more, and a radio link
may be lost while it is."""
FULL_SCALE = 350.0
"""Reading of an axis at full deflection, all models."""
DEAD_BAND = 0.08
"""Share of full deflection that is rest: a cap that was let go may stay a few per cent off."""
AXES = (("y", -1.0), ("x", -1.0), ("z", -1.0), ("pitch", -1.0), ("roll", -1.0), ("yaw", -1.0))
"""Axis of the tool and direction for each of the six readings, which are to the right, towards the person and down, and the
rotations about these. As seen by the person x is away, y left, z up: half a turn about a diagonal, so all six signs turn."""
POLL_S = 0.02
"""s between two looks: the kernel keeps 64 reports, of which a moved cap sends up to 250 a second."""
REPORT_BYTES = 64
VENDOR = 0x256F
"""3Dconnexion; older models have Logitech's, 046d."""
MULTI_AXIS = (1, 8)
"""HID usage of a multi-axis controller; (0, 0) where a system does not tell."""
PIP_LINE = pip_line("teleop")

PAIR = {0: "close", 1: "open"}
"""Left and right button of the models that have no more."""
PRO = {
    **{12: "success", 13: "failure", 14: "discard", 15: "pause"},  # keys 1 2 3 4
    **{22: "stop", 23: "open", 24: "close", 25: TAKE_OVER},  # Esc Alt Shift Ctrl
}


@dataclass(frozen=True, slots=True)
class Model:
    """A SpaceMouse, and what the bits of its button report stand for."""

    name: str
    pair: Mapping[int, str] = field(default_factory=dict)
    """Of two buttons: each counts when it is let go, and both at once are the take-over button."""
    buttons: Mapping[int, str] = field(default_factory=dict)
    """Of all others."""


MODEL_BY_ID = {
    (0x046D, 0xC626): Model("SpaceNavigator", PAIR),
    (0x256F, 0xC635): Model("SpaceMouse Compact", PAIR),
    (0x256F, 0xC62E): Model("SpaceMouse Wireless, cable", PAIR),
    (0x256F, 0xC62F): Model("SpaceMouse Wireless, receiver", PAIR),
    (0x256F, 0xC63A): Model("SpaceMouse Wireless, Bluetooth", PAIR),
    (0x046D, 0xC62B): Model("SpaceMouse Pro", {}, PRO),
    (0x256F, 0xC631): Model("SpaceMouse Pro Wireless, cable", {}, PRO),
    (0x256F, 0xC632): Model("SpaceMouse Pro Wireless, receiver", {}, PRO),
    (0x256F, 0xC638): Model("SpaceMouse Pro Wireless, Bluetooth", {}, PRO),
    (0x256F, 0xC633): Model("SpaceMouse Enterprise", {}, PRO),
    (0x256F, 0xC652): Model("3Dconnexion Universal Receiver", PAIR, PRO),  # does not say which model is behind it
}
"""By vendor and product."""


class PuckDecoder:
    """Understands the reports of a SpaceMouse."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._controls = Controls()
        self._pair_down: set[int] = set()
        self._is_chord = False
        self._moved_at = -STALE_S

    def feed(self, item: bytes, now: float) -> None:
        """Take one report, its id in front."""
        kind, data = next(iter(item), 0), item[1:]
        if kind == TRANSLATION and len(data) >= 12:
            self._move(AXES, struct.unpack_from("<6h", data), now)
        elif kind == TRANSLATION and len(data) >= 6:
            self._move(AXES[:3], struct.unpack_from("<3h", data), now)
        elif kind == ROTATION and len(data) >= 6:
            self._move(AXES[3:], struct.unpack_from("<3h", data), now)
        elif kind == BUTTONS:
            bits = int.from_bytes(data, "little")
            self._press_pair({number for number in self._model.pair if bits >> number & 1})
            down = {control for number, control in self._model.buttons.items() if bits >> number & 1}
            down |= {TAKE_OVER} if self._is_chord else set()
            for control in {TAKE_OVER, *self._model.buttons.values()}:
                self._controls.set(control, is_down=control in down)

    def take(self, now: float) -> DeviceInput:
        """Return what was done since the last `take`."""
        if now - self._moved_at > STALE_S:
            for axis, _ in AXES:
                self._controls.move(axis, 0.0)
        return self._controls.take()

    def _move(self, axes: tuple[tuple[str, float], ...], readings: tuple[int, ...], now: float) -> None:
        self._moved_at = now
        for (axis, direction), reading in zip(axes, readings, strict=True):
            self._controls.move(axis, beyond(direction * reading / FULL_SCALE, DEAD_BAND))

    def _press_pair(self, down: set[int]) -> None:
        """Tell apart one button that was let go, and both at once, which last until both are."""
        released, self._pair_down = self._pair_down - down, down
        if len(down) == len(PAIR):
            self._is_chord = True
        elif self._is_chord:
            self._is_chord = bool(down)
        else:
            for number in released:
                self._controls.tap(self._model.pair[number])


class HidStream:
    """An open HID device."""

    def __init__(self, device: Any) -> None:
        self._device = device

    def wait(self, timeout_s: float) -> None:
        """Return after a short while."""
        time.sleep(min(timeout_s, POLL_S))

    def drain(self) -> Iterator[bytes]:
        """Yield the reports that have come. Raises OSError when the device is gone."""
        while report := self._device.read(REPORT_BYTES):
            yield bytes(report)

    def close(self) -> None:
        """Give the device back."""
        self._device.close()


def open_spacemouse(selected: str | None = None, hid: Any = None) -> PumpedDevice[bytes]:
    """Return the SpaceMouse whose device is `selected`, or the only one there is.

    Args:
        selected: Path of the device, or None.
        hid: Module that reads HID devices; None: the installed one.

    Raises:
        ConfigError: If the package that reads HID devices is missing.
    """
    hid = hid or import_hid()

    def opened() -> tuple[HidStream, PuckDecoder]:
        entry = choose(hid.enumerate(), selected)
        device = hid.device()
        try:
            device.open_path(entry["path"])
        except OSError as error:
            raise DeviceError(f"{_path(entry)} may not be opened; add the udev rule of docs/teleop.md and replug it") from error
        device.set_nonblocking(1)
        return HidStream(device), PuckDecoder(MODEL_BY_ID.get(_id(entry), Model("SpaceMouse", PAIR)))

    return PumpedDevice("spacemouse", opened)


def choose(entries: Iterable[Mapping[str, Any]], selected: str | None) -> Mapping[str, Any]:
    """Return the selected entry of hidapi's list, or the only SpaceMouse in it.

    Raises:
        DeviceError: If there is none, or several: the message lists them with their paths.
    """
    pucks = {_path(entry): entry for entry in entries if _is_puck(entry)}
    if selected is not None:
        pucks = {path: entry for path, entry in pucks.items() if path == selected}
    if not pucks:
        where = f"at {selected}" if selected else "(vendors 256f and 046d)"
        raise DeviceError(f"no SpaceMouse {where}; plug one in, and see docs/teleop.md for the udev rule")
    if len(pucks) > 1:
        known = "; ".join(f"{path} ({entry.get('product_string') or 'unnamed'})" for path, entry in sorted(pucks.items()))
        raise DeviceError(f"{len(pucks)} devices are a spacemouse: {known}; choose one as spacemouse:{min(pucks)}")
    return next(iter(pucks.values()))


def import_hid() -> Any:
    """Return the module that reads HID devices: on Linux by hidraw, which needs no root and leaves the kernel's driver alone.

    Raises:
        ConfigError: If it is missing, or another package of the same name is in its place.
    """
    try:
        hid = importlib.import_module("hidraw" if sys.platform == "linux" else "hid")
    except ImportError as error:
        raise ConfigError(f"a SpaceMouse needs the package hidapi ({error}): {PIP_LINE}") from error
    if not hasattr(hid, "device"):
        raise ConfigError(f"the installed package 'hid' is not hidapi: pip uninstall hid, then {PIP_LINE}")
    return hid


def _is_puck(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry is the moving part of a SpaceMouse; receivers have keyboard-like parts too."""
    is_known = _id(entry) in MODEL_BY_ID or entry["vendor_id"] == VENDOR
    usage = (entry.get("usage_page", 0), entry.get("usage", 0))
    return is_known and usage in (MULTI_AXIS, (0, 0))


def _id(entry: Mapping[str, Any]) -> tuple[int, int]:
    return entry["vendor_id"], entry["product_id"]


def _path(entry: Mapping[str, Any]) -> str:
    return entry["path"].decode()
