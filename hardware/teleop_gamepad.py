"""Gamepads by the kernel's events, with a map for each make and a generic one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hardware.input_event import EV_ABS, EV_KEY, AxisRange, DeviceInfo, InputEvent, find_device
from hardware.teleop_controls import TAKE_OVER, Controls, beyond
from hardware.teleop_pump import PumpedDevice
from robot_rl.types import DeviceInput

SOUTH, EAST, NORTH, WEST = 0x130, 0x131, 0x133, 0x134
LEFT_BUMPER, RIGHT_BUMPER, LEFT_TRIGGER, RIGHT_TRIGGER = 0x136, 0x137, 0x138, 0x139
SELECT, START = 0x13A, 0x13B
PAD_UP, PAD_DOWN, PAD_LEFT, PAD_RIGHT = 0x220, 0x221, 0x222, 0x223
ABS_X, ABS_Y, ABS_Z, ABS_RX, ABS_RY, ABS_RZ, ABS_GAS, ABS_BRAKE, HAT_X, HAT_Y = 0, 1, 2, 3, 4, 5, 9, 10, 16, 17
JOYSTICK_BUTTON = 0x120
"""First button of pads that the kernel knows nothing of."""

DEAD_BAND = 0.12
"""Share of a stick's way that is rest: worn sticks of the common makes stay within 0.1 when let go."""
TRIGGER_DOWN, TRIGGER_UP = 0.5, 0.3
"""Shares of an analogue trigger's way at which it counts as pressed, and as let go."""


@dataclass(frozen=True, slots=True)
class PadMap:
    """Where a make of gamepad has its sticks and buttons. Directions are the person's: a stick pushed away gives +."""

    name: str
    buttons: Mapping[int, str]
    """Code of a button to the control it stands for."""
    sticks: Mapping[int, tuple[str, float]]
    """Code of an axis to the axis of the tool and its direction."""
    triggers: Mapping[int, str]
    """Code of an axis that rests at its low end to the control it stands for."""


def _buttons(north: int = NORTH, west: int = WEST, *, first: int | None = None) -> dict[int, str]:
    """Return controls by button. `first` of a plain joystick: west, south, east, north, bumpers, triggers, select, start."""
    codes = (west, SOUTH, EAST, north, LEFT_BUMPER, RIGHT_BUMPER, LEFT_TRIGGER, RIGHT_TRIGGER, SELECT, START)
    if first is not None:
        codes = tuple(range(first, first + 10))
    meanings = ("failure", TAKE_OVER, "stop", "success", TAKE_OVER, TAKE_OVER, "open", "close", "discard", "pause")
    pad = {PAD_UP: "+pitch", PAD_DOWN: "-pitch", PAD_LEFT: "-roll", PAD_RIGHT: "+roll"}
    return {**dict(zip(codes, meanings, strict=True)), **pad}


def _sticks(right_x: int = ABS_RX, right_y: int = ABS_RY) -> dict[int, tuple[str, float]]:
    """Return axes by stick. All makes count to the right and towards the person."""
    left = {ABS_Y: ("x", -1.0), ABS_X: ("y", -1.0)}
    return {**left, right_y: ("z", -1.0), right_x: ("yaw", -1.0), HAT_Y: ("pitch", -1.0), HAT_X: ("roll", 1.0)}


_ANALOGUE = {ABS_Z: "open", ABS_RZ: "close"}
XBOX = PadMap("Xbox", _buttons(north=WEST, west=NORTH), _sticks(), _ANALOGUE)
"""The driver xpad calls the upper button Y, whose code is that of west, and the left one X, whose code is that of north."""
XBOX_BLUETOOTH = PadMap("Xbox, Bluetooth", XBOX.buttons, _sticks(ABS_Z, ABS_RZ), {ABS_BRAKE: "open", ABS_GAS: "close"})
PLAYSTATION = PadMap("PlayStation", _buttons(), _sticks(), _ANALOGUE)
SWITCH = PadMap("Nintendo Switch", _buttons(), _sticks(), {})
PLAIN = PadMap("plain joystick", _buttons(first=JOYSTICK_BUTTON), _sticks(ABS_Z, ABS_RZ), {})
"""Logitech's and others' in DirectInput mode."""
MAP_BY_ID = {
    **{(0x054C, product): PLAYSTATION for product in (0x05C4, 0x09CC, 0x0BA0, 0x0CE6, 0x0DF2)},
    **{(0x057E, product): SWITCH for product in (0x2009, 0x200E, 0x2017)},
    **{(0x046D, product): PLAIN for product in (0xC216, 0xC218, 0xC219)},
}
"""By vendor and product. Pads that are not listed are told by what they have."""


def map_of(info: DeviceInfo) -> PadMap:
    """Return the map of a device: that of its make, or else the one that fits its axes and buttons."""
    if (info.vendor, info.product) in MAP_BY_ID:
        return MAP_BY_ID[info.vendor, info.product]
    if SOUTH not in info.keys:
        return PLAIN
    return XBOX_BLUETOOTH if {ABS_GAS, ABS_BRAKE} <= info.axes.keys() else XBOX


def is_gamepad(info: DeviceInfo) -> bool:
    """Return whether a device has the buttons and the stick of a gamepad; joysticks count, motion sensors do not."""
    return bool({SOUTH, JOYSTICK_BUTTON} & info.keys) and {ABS_X, ABS_Y} <= info.axes.keys()


class PadDecoder:
    """Understands the events of a gamepad."""

    def __init__(self, info: DeviceInfo) -> None:
        self._map, self._ranges = map_of(info), info.axes
        self._controls = Controls()
        self._buttons_down: set[int] = set()

    def feed(self, item: InputEvent, now: float) -> None:
        """Take one event."""
        if item.type == EV_KEY:
            self._button(item.code, is_down=bool(item.value))
        elif item.type == EV_ABS and item.code in self._ranges:
            if item.code in self._map.sticks:
                axis, direction = self._map.sticks[item.code]
                self._controls.move(axis, direction * beyond(centred(item.value, self._ranges[item.code]), DEAD_BAND))
            elif item.code in self._map.triggers:
                self._trigger(self._map.triggers[item.code], item.value, self._ranges[item.code])

    def take(self, now: float) -> DeviceInput:
        """Return what was done since the last `take`."""
        return self._controls.take()

    def _button(self, code: int, *, is_down: bool) -> None:
        control = self._map.buttons.get(code)
        is_analogue = control in self._map.triggers.values()  # such a pad says both how far and that
        if control is None or is_analogue:
            return
        (self._buttons_down.add if is_down else self._buttons_down.discard)(code)
        self._controls.set(control, is_down=any(self._map.buttons[other] == control for other in self._buttons_down))

    def _trigger(self, control: str, value: int, axis: AxisRange) -> None:
        way = (value - axis.low) / (axis.high - axis.low)
        if way >= TRIGGER_DOWN:
            self._controls.press(control)
        elif way <= TRIGGER_UP:
            self._controls.release(control)


def centred(value: int, axis: AxisRange) -> float:
    """Return how far an axis is from its middle, -1..1."""
    half = (axis.high - axis.low) / 2
    return min(max((value - axis.low - half) / half, -1.0), 1.0) if half > 0 else 0.0


def open_gamepad(selected: str | None = None) -> PumpedDevice[InputEvent]:
    """Return the gamepad whose device is `selected`, or the only one there is."""

    def opened():
        stream = find_device(selected, is_gamepad, "gamepad")
        return stream, PadDecoder(stream.info)

    return PumpedDevice("gamepad", opened)
