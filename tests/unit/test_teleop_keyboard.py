"""What a terminal's bytes and a keyboard's events mean, and that the terminal is left as it was found."""

from __future__ import annotations

import os
import select
import termios

import pytest
from toy_input import KEYBOARD, Clock, EventPipe, Terminal

from hardware.input_event import EV_KEY
from hardware.teleop_keyboard import (
    CODE_BY_KEY,
    CONTROL_BY_KEY,
    HELD_S,
    KEY_BY_SEQUENCE,
    REPEAT_DELAY_S,
    KeyDecoder,
    TerminalDecoder,
    TerminalStream,
    open_keyboard,
    open_terminal,
)
from hardware.teleop_pump import PumpedDevice
from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput

REST = DeviceInput()


class Typist:
    """A terminal's decoder, and what is typed into it, byte by byte or in one go."""

    def __init__(self):
        self.decoder, self.now = TerminalDecoder(), 50.0

    def type(self, data, *, split=False):
        for chunk in [data[i : i + 1] for i in range(len(data))] if split else [data]:
            self.decoder.feed(chunk, self.now)

    def after(self, duration):
        self.now += duration
        return self.decoder.take(self.now)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(
    ("data", "motion"),
    [
        (b"w", {"x": 1}),
        (b"S", {"x": -1}),
        (b"a", {"y": 1}),
        (b"\x1b[A", {"z": 1}),
        (b"\x1bOB", {"z": -1}),
        (b"\x1b[1;2D", {"yaw": 1}),
        (b"\x1b[1;5C", {"yaw": -1}),
        (b"\x1b[A\x1b[D", {"z": 1, "yaw": 1}),
        (b"wq", {"x": 1, "yaw": 1}),
        (b"ws", {"x": 0}),
    ],
)
def test_letters_and_arrows_move_however_their_bytes_arrive(data, motion, split):
    typist = Typist()
    typist.type(data, split=split)
    assert typist.after(0).motion == motion


@pytest.mark.parametrize(
    "data", [b"\x1b[15~", b"\x1b[5~", b"\x1b[<0;10;5M", b"\x1b[200~", "éß€".encode(), b"\x00\x01z0", b"\x1bOP"]
)
def test_what_no_key_of_ours_sends_does_nothing(data):
    typist = Typist()
    typist.type(data)
    assert typist.after(0.01) == typist.after(1.0) == REST


def test_escape_alone_stops_and_the_begin_of_an_arrow_does_not():
    typist = Typist()
    typist.type(b"\x1b")
    assert not typist.after(0.04).stop
    typist.type(b"[A")
    assert typist.after(0).motion == {"z": 1}
    assert not typist.after(1.0).stop
    typist.type(b"\x1b")
    assert [typist.after(0.06).stop, typist.after(0.1).stop] == [True, False]
    typist.type(b"\x1b\x1bw")
    told = typist.after(1.0)
    assert told.stop


def test_a_held_key_moves_until_shortly_after_its_last_repeat():
    typist = Typist()
    typist.type(b"w")
    assert typist.after(HELD_S - 0.01).motion == {"x": 1}
    assert typist.after(0.02).motion == {}
    for _ in range(30):
        typist.type(b"w")
        assert typist.after(0.033).motion == {"x": 1}
    assert typist.after(HELD_S).motion == {}


def test_a_key_that_is_held_down_is_one_press():
    typist = Typist()
    told = []
    for pause in (0.0, 0.5, *[0.033] * 60):  # as a terminal repeats: once half a second passed, then 30 times a second
        typist.now += pause
        typist.type(b"\r p")
        told.append(typist.after(0))
    assert [each.success for each in told] == [each.is_tapped for each in told] == [each.pause for each in told]
    assert sum(each.success for each in told) == 1
    typist.after(REPEAT_DELAY_S + 0.01)
    typist.type(b"\r")
    assert typist.after(0).success


def test_the_take_over_key_is_held_over_the_pause_before_its_repeats():
    typist = Typist()
    typist.type(b" ")
    assert [typist.after(0.3).is_held, typist.after(0.3).is_held] == [True, True]
    for _ in range(5):
        typist.type(b" ")
        assert typist.after(0.033).is_held
    assert not typist.after(0.3).is_held


def test_driving_counts_as_holding_since_a_terminal_tells_of_one_key_only():
    typist = Typist()
    typist.type(b"w")
    told = typist.after(0)
    assert (told.is_held, told.is_tapped) == (True, False)
    typist.after(1.0)
    typist.type(b"p")
    assert not typist.after(0).is_held


def test_a_short_tap_moves_for_one_read_even_if_nobody_looked_in_time():
    typist = Typist()
    typist.type(b"wc")
    told = typist.after(5.0)
    assert (told.motion, told.gripper) == ({"x": 1}, -1.0)
    assert typist.after(0.0) == REST


def test_keys_of_the_table_reach_every_control_once_each_way():
    assert set(CONTROL_BY_KEY) == set(CONTROL_BY_KEY) & set(CODE_BY_KEY)
    assert set(KEY_BY_SEQUENCE.values()) <= set(CONTROL_BY_KEY)
    assert len(set(CODE_BY_KEY.values())) == len(CODE_BY_KEY)


def test_bytes_of_a_real_terminal_arrive_and_it_is_left_as_it_was():
    terminal, clock = Terminal(), Clock()
    before = termios.tcgetattr(terminal.slave)
    terminal.type("www\n")  # typed before anybody was listening
    assert select.select([terminal.slave], [], [], 5.0)[0]  # the kernel passes on what is typed in its own time
    device = open_terminal(terminal.path, clock)
    device.connect()
    during = termios.tcgetattr(terminal.slave)[3]
    assert not during & (termios.ECHO | termios.ICANON)
    assert during & termios.ISIG  # Ctrl-C interrupts
    assert device.read() == REST
    terminal.type("\x1b[D\r")
    told = device.read()
    assert (told.motion, told.success) == ({"yaw": 1}, True)
    terminal.type("sss")
    device.close()
    assert termios.tcgetattr(terminal.slave) == before
    os.set_blocking(terminal.slave, False)
    with pytest.raises(BlockingIOError):  # nothing typed is left for the shell
        os.read(terminal.slave, 10)


def test_no_terminal_is_a_device_error_with_the_remedy(tmp_path):
    with pytest.raises(DeviceError, match=r"no terminal at .*keyboard:evdev"):
        TerminalStream(str(tmp_path / "tty"))
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match="is no terminal; run in a terminal"):
        TerminalStream(str(tmp_path / "file"))


def test_the_kernels_keyboard_knows_what_is_held_and_let_go():
    pipe = EventPipe(KEYBOARD)
    keyboard = PumpedDevice("keyboard", lambda: (pipe.stream, KeyDecoder()))
    keyboard.connect()
    r, up, space = CODE_BY_KEY["r"], CODE_BY_KEY["up"], CODE_BY_KEY["space"]
    pipe.press(r)
    pipe.press(space)
    told = [keyboard.read(), keyboard.read()]
    assert [each.motion for each in told] == [{"z": 1}, {"z": 1}]
    assert [each.is_held for each in told] == [True, True]
    assert [each.is_tapped for each in told] == [True, False]
    pipe.write((EV_KEY, space, 2))  # the kernel's own repeat
    assert not keyboard.read().is_tapped
    pipe.press(up)
    pipe.release(r)
    assert keyboard.read().motion == {"z": 1}
    pipe.release(up)
    pipe.release(space)
    assert keyboard.read() == REST
    keyboard.close()


@pytest.mark.parametrize(("selected", "name"), [(None, "terminal"), ("terminal", "terminal"), ("evdev", "keyboard")])
def test_a_keyboard_is_the_terminals_unless_chosen_otherwise(selected, name):
    assert name in open_keyboard(selected).name
