"""Input devices by name: what `--teleop` takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from robot_rl.errors import ConfigError
from robot_rl.protocols import InputDevice
from robot_rl.registry import resolve
from robot_rl.types import DeviceInput

DEVICES = {
    "keyboard": "hardware.teleop_keyboard:open_keyboard",
    "gamepad": "hardware.teleop_gamepad:open_gamepad",
    "spacemouse": "hardware.teleop_spacemouse:open_spacemouse",
    "leader": "hardware.teleop_leader:open_leader",
}
"""Called with what stands behind the colon, or None; each returns an InputDevice."""
FLAGS = ("is_touched", "is_held", "is_tapped", "success", "failure", "discard", "pause", "stop")
"""Of DeviceInput."""


def open_device(name: str) -> InputDevice:
    """Return an input device, not connected.

    Args:
        name: A key of DEVICES, with `:` and a path where there are several of a kind (`gamepad:/dev/input/event7`); or
            `package.module:Class`, called without arguments; or several, joined by `+` (`spacemouse+keyboard`).

    Raises:
        ConfigError: If there is no such device, or a package that it needs is missing.
    """
    if "+" in name:
        return CombinedDevice([open_device(part.strip()) for part in name.split("+")])
    kind, _, selected = name.partition(":")
    is_known = kind in DEVICES
    opener = resolve(kind if is_known else name, DEVICES, "input device")
    device = opener(selected or None) if is_known else opener()
    if not isinstance(device, InputDevice):
        raise ConfigError(f"input device {name!r} is a {type(device).__name__}, without connect(), read(), close() and a name")
    return device


class CombinedDevice:
    """Several devices in the hands of one person: motions add up, and any of them says events. One that is gone is all gone."""

    def __init__(self, devices: Sequence[InputDevice]) -> None:
        self._devices = tuple(devices)
        self.name = "+".join(device.name for device in devices)

    def connect(self) -> None:
        """Open all devices, or none. Raises DeviceError with the remedy."""
        with ExitStack() as opened:
            for device in self._devices:
                opened.callback(device.close)
                device.connect()
            opened.pop_all()

    def read(self) -> DeviceInput:
        """Return what was done on any of them since the last read. Raises DeviceError once one is gone."""
        inputs = [device.read() for device in self._devices]
        axes = {axis for each in inputs for axis in each.motion}
        summed = {axis: sum(each.motion.get(axis, 0.0) for each in inputs) for axis in axes}
        return DeviceInput(
            {axis: min(max(level, -1.0), 1.0) for axis, level in summed.items()},
            next((each.gripper for each in inputs if each.gripper is not None), None),
            **{flag: any(getattr(each, flag) for each in inputs) for flag in FLAGS},
        )

    def close(self) -> None:
        """Release all devices; idempotent, never raises."""
        for device in self._devices:
            device.close()
