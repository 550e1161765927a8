"""Devices by name, several devices in one hand, and the thread that empties them."""

from __future__ import annotations

import sys
import threading
import types

import pytest
from toy_input import KEYBOARD, EventPipe

from hardware.teleop import DEVICES, CombinedDevice, open_device
from hardware.teleop_controls import CONTROLS, Controls
from hardware.teleop_keyboard import CODE_BY_KEY, KeyDecoder
from hardware.teleop_pump import PumpedDevice
from hardware.teleop_scripted import ScriptedDevice
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.types import DeviceInput


@pytest.mark.parametrize("name", ["keyboard", "keyboard:evdev", "gamepad", "gamepad:/dev/input/event7", "spacemouse"])
def test_known_names_give_a_device_that_nothing_is_asked_of(name):
    assert open_device(name).name.startswith(name.partition(":")[0])


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown input device 'gamepd' \(did you mean 'gamepad'\?\); known: ") as raised:
        open_device("gamepd")
    assert all(name in str(raised.value) for name in DEVICES)


def test_a_device_of_ones_own_is_named_by_its_class():
    assert isinstance(open_device("hardware.teleop_scripted:ScriptedDevice"), ScriptedDevice)
    with pytest.raises(ConfigError, match="is a Controls, without connect"):
        open_device("hardware.teleop_controls:Controls")


def test_a_leader_is_named_behind_the_colon(monkeypatch):
    lab = types.ModuleType("my_lab")
    lab.make = ScriptedDevice
    monkeypatch.setitem(sys.modules, "my_lab", lab)
    assert isinstance(open_device("leader:my_lab:make"), ScriptedDevice)


def test_several_devices_in_one_hand():
    puck = ScriptedDevice([DeviceInput({"x": 0.7, "y": 1.0}, is_touched=True), DeviceInput(is_held=True)], "puck")
    keys = ScriptedDevice([DeviceInput({"x": 0.7, "z": -1.0}, 1.0, success=True), DeviceInput(stop=True)], "keys")
    device = CombinedDevice([puck, keys])
    device.connect()
    assert device.name == "puck+keys"
    assert device.read() == DeviceInput({"x": 1.0, "y": 1.0, "z": -1.0}, 1.0, is_touched=True, success=True)
    assert device.read() == DeviceInput(is_held=True, stop=True)


def test_if_one_cannot_be_opened_none_stays_open():
    class Absent(ScriptedDevice):
        def connect(self):
            raise DeviceError("no SpaceMouse")

    first = ScriptedDevice()
    with pytest.raises(DeviceError, match="no SpaceMouse"):
        CombinedDevice([first, Absent()]).connect()
    with pytest.raises(DeviceError, match="not connected"):
        first.read()


def test_plus_joins_names():
    assert open_device("gamepad + keyboard").name == "gamepad+keyboard (terminal)"


class Waiting:
    """A stream that tells when its device is being waited for."""

    def __init__(self):
        self.items, self.is_waited_for, self.may_go_on = [], threading.Event(), threading.Event()

    def wait(self, timeout_s):
        self.is_waited_for.set()
        self.may_go_on.wait(5)
        self.may_go_on.clear()

    def drain(self):
        items, self.items = self.items, []
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self):
        raise OSError("already gone")


class Taps:
    """A decoder that counts."""

    def __init__(self):
        self.fed = []

    def feed(self, item, now):
        self.fed.append(item)

    def take(self, now):
        fed, self.fed = self.fed, []
        return DeviceInput(success="success" in fed, motion={"x": float(len(fed))})


def test_the_thread_empties_the_device_while_nobody_reads():
    stream, decoder = Waiting(), Taps()
    device = PumpedDevice("button", lambda: (stream, decoder))
    device.connect()
    for _ in range(3):
        assert stream.is_waited_for.wait(5)
        stream.is_waited_for.clear()
        stream.items = ["success", "other"]
        stream.may_go_on.set()
    assert stream.is_waited_for.wait(5)
    assert len(decoder.fed) == 6
    assert device.read().success
    stream.may_go_on.set()
    device.close()


@pytest.mark.parametrize(
    ("error", "cause"), [(OSError(19, "No such device"), "No such device"), (KeyError("nonsense"), "KeyError: 'nonsense'")]
)
def test_what_fails_in_the_thread_is_told_by_read_until_it_is_opened_anew(error, cause):
    stream = Waiting()
    device = PumpedDevice("button", lambda: (stream, Taps()))
    device.connect()
    stream.items = ["success", error]
    stream.may_go_on.set()
    for _ in range(2):
        with pytest.raises(DeviceError, match=rf"button is gone \({cause}\); plug it in"):
            device.read()
    stream.may_go_on.set()
    device.connect()
    assert device.read() == DeviceInput(motion={"x": 0.0})
    stream.may_go_on.set()
    device.close()


def test_a_device_has_one_thread_while_it_is_open():
    pipe = EventPipe(KEYBOARD)
    device = PumpedDevice("keyboard", lambda: (pipe.stream, KeyDecoder()))
    before = threading.active_count()
    device.connect()
    device.connect()
    assert threading.active_count() == before + 1
    pipe.tap(CODE_BY_KEY["enter"])
    assert device.read().success
    device.close()
    assert threading.active_count() == before


def test_controls_that_do_not_exist_are_named():
    with pytest.raises(ConfigError, match=r"unknown control 'jump'; known: \+x"):
        Controls().press("jump")
    assert len(set(CONTROLS)) == len(CONTROLS)


def test_keys_against_each_other_cancel_and_keys_with_a_stick_stay_in_range():
    controls = Controls()
    controls.move("x", 0.8)
    controls.press("+x")
    controls.press("+y")
    controls.press("-y")
    assert controls.take().motion == {"x": 1.0, "y": 0.0}
