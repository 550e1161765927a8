"""The kernel's records become events whatever way they arrive, gaps are mended, and several devices ask for a choice."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from toy_input import DUALSENSE, KEYBOARD, EventPipe

from hardware import input_event
from hardware.input_event import EV_ABS, EV_KEY, EV_SYN, SYN_DROPPED, EventStream, InputEvent, find_device
from hardware.teleop_gamepad import PadDecoder, is_gamepad
from hardware.teleop_keyboard import is_keyboard
from hardware.teleop_pump import PumpedDevice
from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput


def test_records_are_whole_however_they_are_cut():
    pipe, events = EventPipe(KEYBOARD), [InputEvent(EV_KEY, 17, 1), InputEvent(EV_SYN, 0, 0), InputEvent(EV_ABS, 3, -5)]
    data = b"".join(struct.pack("@llHHi", 1, 2, *event) for event in events)
    arrived = []
    for begin in range(0, len(data), 7):
        pipe.write_bytes(data[begin : begin + 7])
        arrived += pipe.stream.drain()
    assert arrived == events


def test_a_record_is_as_long_as_the_kernels():
    assert input_event.EVENT.size == 2 * struct.calcsize("@l") + 8


def test_the_end_of_the_stream_is_an_error_and_silence_is_none():
    pipe = EventPipe(KEYBOARD)
    assert list(pipe.stream.drain()) == []
    pipe.unplug()
    with pytest.raises(OSError, match="end of file"):
        list(pipe.stream.drain())


def test_after_lost_events_nothing_stays_held_that_was_let_go():
    pipe = EventPipe(DUALSENSE)
    pad = PumpedDevice("gamepad", lambda: (pipe.stream, PadDecoder(DUALSENSE)))
    pad.connect()
    pipe.turn(1, 0)
    pipe.press(0x137)
    assert (pad.read().is_held, pad.read().motion) == (True, {"x": 1.0})
    pipe.stream.down = {0x133}  # in the gap the stick and the bumper were let go, and the upper button pressed
    pipe.write_bytes(struct.pack("@llHHi", 1, 2, EV_SYN, SYN_DROPPED, 0) + struct.pack("@llHHi", 1, 2, EV_KEY, 0x131, 1))
    assert not pad.read().stop  # a report that was cut off is not believed
    pipe.write()
    told = pad.read()
    assert (told.is_held, told.motion, told.success) == (False, {}, True)
    assert pad.read() == DeviceInput()
    pipe.tap(0x131)
    assert pad.read().stop
    pad.close()


class Plugged:
    """Stands for the devices in a folder."""

    def __init__(self, monkeypatch, folder, *infos):
        self.opened = []
        self.infos = {str(folder / info.path): info for info in infos}
        for path in self.infos:
            open(path, "w").close()
        monkeypatch.setattr(EventStream, "open", self.open)

    def open(self, path):
        info = replace(self.infos[path], path=path)
        if "secret" in info.name:
            raise DeviceError(f"{path} may not be read")
        stream = EventPipe(info).stream
        self.opened.append(stream)
        return stream

    def still_open(self):
        return [stream.info.name for stream in self.opened if not stream.is_closed]


def test_the_only_gamepad_is_found_among_other_devices(monkeypatch, tmp_path):
    plugged = Plugged(monkeypatch, tmp_path, replace(KEYBOARD, path="event2"), replace(DUALSENSE, path="event10"))
    found = find_device(None, is_gamepad, "gamepad", tmp_path)
    assert found.info.path == str(tmp_path / "event10")
    assert plugged.still_open() == [DUALSENSE.name]
    found.close()


def test_two_gamepads_ask_for_a_choice_which_then_opens_that_one(monkeypatch, tmp_path):
    second = replace(DUALSENSE, path="event10", name="Xbox Wireless Controller", vendor=0x045E, product=0x02EA)
    plugged = Plugged(monkeypatch, tmp_path, replace(DUALSENSE, path="event9"), second)
    with pytest.raises(DeviceError) as raised:
        find_device(None, is_gamepad, "gamepad", tmp_path)
    message = str(raised.value)
    assert f"{tmp_path}/event9 (Sony Interactive Entertainment DualSense, 054c:0ce6)" in message
    assert f"{tmp_path}/event10 (Xbox Wireless Controller, 045e:02ea)" in message
    assert message.endswith(f"choose one as gamepad:{tmp_path}/event9")
    assert plugged.still_open() == []
    chosen = find_device(f"{tmp_path}/event10", is_gamepad, "gamepad", tmp_path)
    assert chosen.info.name == second.name
    chosen.close()


def test_devices_that_may_not_be_read_are_told_with_the_remedy(monkeypatch, tmp_path):
    Plugged(monkeypatch, tmp_path, replace(DUALSENSE, path="event4", name="secret"))
    with pytest.raises(DeviceError, match=r"no gamepad in .*1 devices may not be read \(.*event4.*usermod -aG input"):
        find_device(None, is_gamepad, "gamepad", tmp_path)


def test_what_is_no_input_device_is_named(tmp_path):
    (tmp_path / "event0").touch()
    with pytest.raises(DeviceError, match=r"event0 is no input device"):
        EventStream.open(str(tmp_path / "event0"))
    with pytest.raises(DeviceError, match=r"event1 cannot be opened: No such file"):
        EventStream.open(str(tmp_path / "event1"))


def test_keyboards_and_gamepads_are_told_apart():
    mouse = replace(KEYBOARD, keys=frozenset({0x110, 0x111}))
    sensors = replace(DUALSENSE, keys=frozenset())
    assert [is_keyboard(each) for each in (KEYBOARD, DUALSENSE, mouse)] == [True, False, False]
    assert [is_gamepad(each) for each in (KEYBOARD, DUALSENSE, mouse, sensors)] == [False, True, False, False]
