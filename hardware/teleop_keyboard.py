"""Keyboards: a terminal, which works over SSH and on Wayland, or the kernel's device, which knows when a key is let go."""

from __future__ import annotations

import atexit
import os
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from hardware.input_event import EV_KEY, DeviceInfo, InputEvent, find_device
from hardware.teleop_controls import MOTIONS, TAKE_OVER, Controls
from hardware.teleop_pump import PumpedDevice, wait_for
from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput

CONTROL_BY_KEY = {
    **{"w": "+x", "s": "-x", "a": "+y", "d": "-y", "r": "+z", "f": "-z"},
    **{"q": "+yaw", "e": "-yaw", "up": "+z", "down": "-z", "left": "+yaw", "right": "-yaw"},
    **{"i": "+pitch", "k": "-pitch", "l": "+roll", "j": "-roll"},
    **{"o": "open", "c": "close", "space": TAKE_OVER},
    **{"enter": "success", "backspace": "failure", "delete": "discard", "p": "pause", "escape": "stop"},
}
CODE_BY_KEY = {
    **{"escape": 1, "backspace": 14, "enter": 28, "space": 57, "delete": 111},
    **{"up": 103, "left": 105, "right": 106, "down": 108},
    **dict(zip("qwertyuiop", range(16, 26), strict=True)),
    **dict(zip("asdfghjkl", range(30, 39), strict=True)),
    **dict(zip("zxcvbnm", range(44, 51), strict=True)),
}
"""linux/input-event-codes.h; keys are named after what a US keyboard has there."""
KEY_BY_BYTE = {ord("\r"): "enter", ord("\n"): "enter", 0x7F: "backspace", 0x08: "backspace", ord(" "): "space"}
KEY_BY_SEQUENCE = {"A": "up", "B": "down", "C": "right", "D": "left", "3~": "delete"}
ESCAPE = 0x1B
TERMINAL = "/dev/tty"

HELD_S = 0.2
"""s for which a byte counts as a key held down. Terminals repeat a held key every 25 to 50 ms, and SSH delays some."""
REPEAT_DELAY_S = 0.7
"""s within which the same byte again is the same press: terminals wait 0.2 to 0.66 s before they repeat a held key."""
ESCAPE_S = 0.05
"""s after which an escape byte that nothing followed was the key and not the begin of a sequence."""


class TerminalDecoder:
    """Understands the bytes of a terminal, which tells only that a key is down, and only of the one pressed last.

    A motion ends HELD_S after the last byte of its key. Events and the take-over key count once a press, stop always. Because
    a terminal forgets the take-over key as soon as another is pressed, every key that drives counts as holding it.
    """

    def __init__(self) -> None:
        self._controls = Controls()
        self._sequence = b""
        self._sequence_at = 0.0
        self._last: dict[str, float] = {}
        self._held_until: dict[str, float] = {}

    def feed(self, item: bytes, now: float) -> None:
        """Take bytes that came at `now`, s."""
        self._expire(now)
        for byte in item:
            self._feed_byte(byte, now)

    def take(self, now: float) -> DeviceInput:
        """Return what was done since the last `take`."""
        self._expire(now)
        taken = self._controls.take()
        return replace(taken, is_held=taken.is_held or taken.is_touched)

    def _feed_byte(self, byte: int, now: float) -> None:
        begun = self._sequence
        if not begun and byte != ESCAPE:
            self._key(KEY_BY_BYTE.get(byte, chr(byte).lower()), now)
        elif not begun:
            self._sequence, self._sequence_at = bytes([byte]), now
        elif begun == b"\x1b" and byte not in b"[O":  # the key itself, and then another
            self._sequence = b""
            self._key("escape", now)
            self._feed_byte(byte, now)
        else:
            self._sequence += bytes([byte])
            if len(begun) > 1 and 0x40 <= byte <= 0x7E:  # `ESC [ parameters letter`, or `ESC O letter`
                parameters, final = self._sequence[2:-1].decode(errors="replace"), chr(byte)
                number = parameters.partition(";")[0] if final == "~" else ""  # behind `;` are Shift and its like
                self._sequence = b""
                self._key(KEY_BY_SEQUENCE.get(number + final, ""), now)

    def _key(self, key: str, now: float) -> None:
        control = CONTROL_BY_KEY.get(key)
        if control is None:
            return
        is_repeat = now - self._last.get(control, -REPEAT_DELAY_S - 1) <= REPEAT_DELAY_S
        self._last[control] = now
        is_driving = control in MOTIONS
        if is_driving or control == TAKE_OVER:
            self._controls.press(control)
            self._held_until[control] = now + (HELD_S if is_driving or is_repeat else REPEAT_DELAY_S)
        elif not is_repeat or control == "stop":
            self._controls.tap(control)

    def _expire(self, now: float) -> None:
        if self._sequence and now - self._sequence_at > ESCAPE_S:
            if self._sequence == b"\x1b":
                self._key("escape", now)
            self._sequence = b""
        for control in [control for control, until in self._held_until.items() if now > until]:
            del self._held_until[control]
            self._controls.release(control)


class TerminalStream:
    """A terminal that hands over keys as they are pressed, without echo; Ctrl-C still interrupts. Closing puts it back."""

    def __init__(self, path: str = TERMINAL) -> None:
        """Open the terminal at `path`. Raises DeviceError if there is none, or it belongs to somebody else."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(f"no terminal at {path} ({error.strerror}); {_ALTERNATIVES}") from error
        try:
            self._saved = termios.tcgetattr(self._descriptor)
            if _is_in_background(self._descriptor):
                raise DeviceError(f"a program in the background gets no keys from {path}; {_ALTERNATIVES}")
            mode = termios.tcgetattr(self._descriptor)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, mode)  # what was typed before was not meant
        except termios.error as error:
            os.close(self._descriptor)
            raise DeviceError(f"{path} is no terminal; {_ALTERNATIVES}") from error
        except DeviceError:
            os.close(self._descriptor)
            raise
        atexit.register(self.close)

    def wait(self, timeout_s: float) -> None:
        """Return when a key was pressed, or after `timeout_s`."""
        wait_for(self._descriptor, timeout_s)

    def drain(self) -> Iterator[bytes]:
        """Yield the bytes that have come. Raises OSError when the terminal is gone."""
        while True:
            try:
                data = os.read(self._descriptor, 1024)
            except BlockingIOError:
                return
            if not data:
                raise OSError("the terminal was closed")
            yield data

    def close(self) -> None:
        """Put the terminal back as it was; what was typed is not left for the shell. Idempotent."""
        atexit.unregister(self.close)
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, self._saved)
        except termios.error as error:
            raise OSError("the terminal is gone") from error
        finally:
            os.close(descriptor)


class KeyDecoder:
    """Understands the events of a keyboard, which tell when each key goes down and up."""

    def __init__(self) -> None:
        self._controls = Controls()
        self._down: set[int] = set()
        self._control_by_code = {CODE_BY_KEY[key]: control for key, control in CONTROL_BY_KEY.items()}

    def feed(self, item: InputEvent, now: float) -> None:
        """Take one event."""
        control = self._control_by_code.get(item.code)
        if item.type != EV_KEY or control is None:
            return
        (self._down.add if item.value else self._down.discard)(item.code)
        self._controls.set(control, is_down=any(self._control_by_code[code] == control for code in self._down))

    def take(self, now: float) -> DeviceInput:
        """Return what was done since the last `take`."""
        return self._controls.take()


def open_keyboard(selected: str | None = None) -> PumpedDevice[bytes] | PumpedDevice[InputEvent]:
    """Return the keyboard of this terminal, or with `evdev` or a path the kernel's."""
    if selected in (None, "terminal"):
        return open_terminal()
    return open_event_keyboard(None if selected == "evdev" else selected)


def open_terminal(path: str = TERMINAL, now: Callable[[], float] = time.monotonic) -> PumpedDevice[bytes]:
    """Return the keyboard of a terminal; its clock, s, tells how long a key is held."""
    return PumpedDevice("keyboard (terminal)", lambda: (TerminalStream(path), TerminalDecoder()), now)


def open_event_keyboard(selected: str | None = None) -> PumpedDevice[InputEvent]:
    """Return the keyboard whose device is `selected`, or the only one there is. It hears what is typed into any window."""
    return PumpedDevice("keyboard", lambda: (find_device(selected, is_keyboard, "keyboard"), KeyDecoder()))


def is_keyboard(info: DeviceInfo) -> bool:
    """Return whether a device has the keys that drive."""
    return {CODE_BY_KEY[key] for key in ("w", "s", "a", "d", "enter", "space", "escape")} <= info.keys


def _is_in_background(descriptor: int) -> bool:
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:  # not the terminal that controls this process: nobody else reads it
        return False


_ALTERNATIVES = "run in a terminal, or choose keyboard:evdev, a gamepad, or the browser"
