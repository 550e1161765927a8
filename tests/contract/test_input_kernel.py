"""The same contract on devices that the kernel delivers, where it lets us make some (/dev/uinput, /dev/uhid)."""

from __future__ import annotations

import os
import time
from typing import ClassVar

import pytest
from contract.input_device_contract import InputDeviceContract
from contract.test_input_devices import KEY_BY_CONTROL
from toy_input import DUALSENSE, KEYBOARD, axes_report, buttons_report
from toy_kernel_input import SPACEMOUSE_DESCRIPTOR, UHID, UINPUT, KernelHid, KernelInput

from hardware.input_event import EV_ABS, EV_KEY, EventStream, InputEvent
from hardware.teleop import open_device
from hardware.teleop_gamepad import SOUTH, is_gamepad
from hardware.teleop_keyboard import CODE_BY_KEY
from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput

needs_uinput = pytest.mark.skipif(not os.access(UINPUT, os.W_OK), reason="/dev/uinput is not there or may not be written")
needs_uhid = pytest.mark.skipif(not os.access(UHID, os.W_OK), reason="/dev/uhid is not there or may not be written")


class Kernel(InputDeviceContract):
    """Plugs a device in for each test, and out after it."""

    @pytest.fixture(autouse=True)
    def plugged(self):
        self.source = None
        yield
        if self.source is not None:
            self.source.unplug()

    def plug(self, source):
        if self.source is not None:
            self.source.unplug()
        self.source = source
        return source

    def unplug(self):
        self.source.unplug()


@needs_uinput
class TestKernelKeyboard(Kernel):
    def make(self):
        return open_device(f"keyboard:{self.plug(KernelInput(KEYBOARD, repeats=True)).path}")

    def move(self):
        self.source.press(CODE_BY_KEY["w"])

    def rest(self):
        self.source.release(CODE_BY_KEY["w"])

    def tap(self, control):
        self.source.tap(CODE_BY_KEY[KEY_BY_CONTROL[control]])


@needs_uinput
class TestKernelGamepad(Kernel):
    codes: ClassVar = {"success": 0x133, "failure": 0x134, "discard": 0x13A, "stop": 0x131, "pause": 0x13B, "take over": 0x137}

    def make(self):
        self.plug(KernelInput(DUALSENSE))
        return open_device("gamepad")

    def move(self):
        self.source.turn(1, 0)

    def rest(self):
        self.source.turn(1, 127)

    def tap(self, control):
        self.source.tap(self.codes[control])

    def test_the_kernel_says_what_it_is(self):
        self.make()
        stream = EventStream.open(self.source.path)
        info = stream.info
        stream.close()
        assert (info.name, info.vendor, info.product) == (DUALSENSE.name, DUALSENSE.vendor, DUALSENSE.product)
        assert info.keys == DUALSENSE.keys
        assert {axis: (span.low, span.high) for axis, span in info.axes.items()} == {
            axis: (span.low, span.high) for axis, span in DUALSENSE.axes.items()
        }
        assert is_gamepad(info)

    def test_two_of_them_ask_for_a_choice(self):
        self.make()
        second = KernelInput(DUALSENSE)
        try:
            with pytest.raises(DeviceError) as raised:
                open_device("gamepad").connect()
            assert self.source.path in str(raised.value)
            assert second.path in str(raised.value)
            chosen = open_device(f"gamepad:{second.path}")
            chosen.connect()
            second.tap(0x133)
            assert chosen.read().success
            chosen.close()
        finally:
            second.unplug()

    def test_more_than_the_kernels_queue_holds_leaves_nothing_held(self):
        stream = EventStream.open(self.plug(KernelInput(DUALSENSE)).path)
        self.source.press(SOUTH)
        for step in range(3000):  # nobody reads meanwhile
            self.source.turn(0, step % 255)
        self.source.release(SOUTH)
        self.source.turn(0, 200)
        state = {}
        events = list(stream.drain())
        for event in events:
            state[event.type, event.code] = event.value
        stream.close()
        assert len(events) < 3000  # it did overflow
        assert state[EV_KEY, SOUTH] == 0
        assert state[EV_ABS, 0] == 200
        assert InputEvent(EV_ABS, 0, 200) in events


@needs_uhid
class TestKernelSpaceMouse(Kernel):
    events = ()

    def make(self):
        self.plug(KernelHid("3Dconnexion SpaceMouse Compact", 0x256F, 0xC635, SPACEMOUSE_DESCRIPTOR))
        return open_device("spacemouse")

    def move(self):
        self.source.send(axes_report(1, 0, -350, 0), axes_report(2, 0, 0, 0))

    def rest(self):
        self.source.send(axes_report(1, 0, 0, 0), axes_report(2, 0, 0, 0))

    def tap(self, control):
        self.source.send(buttons_report(0), buttons_report(0, 1), buttons_report(1), buttons_report())

    def test_two_of_them_ask_for_a_choice(self):
        self.make()
        second = KernelHid("3Dconnexion SpaceNavigator", 0x046D, 0xC626, SPACEMOUSE_DESCRIPTOR)
        try:
            with pytest.raises(
                DeviceError, match=r"2 devices are a spacemouse: /dev/hidraw.*choose one as spacemouse:/dev/hidraw"
            ):
                open_device("spacemouse").connect()
        finally:
            second.unplug()

    def test_more_reports_than_the_kernel_keeps_lose_no_tap(self):
        device = self.make()
        device.connect()
        self.source.send(buttons_report(0), buttons_report())
        for _ in range(40):  # 64 reports is what the kernel keeps
            self.source.send(*[axes_report(1, 0, -350, 0)] * 8)
            time.sleep(0.03)
        self.rest()
        assert device.read().gripper == -1.0
        assert device.read() == DeviceInput()
        device.close()
