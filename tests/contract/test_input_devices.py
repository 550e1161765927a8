"""Keyboard, gamepad, SpaceMouse, leader arm and script keep the contract of every input device."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from contract.input_device_contract import InputDeviceContract
from toy_input import (
    DUALSENSE,
    KEYBOARD,
    Clock,
    EventPipe,
    FakeHid,
    Terminal,
    axes_report,
    buttons_report,
    hid_entry,
)

from hardware.teleop import CombinedDevice
from hardware.teleop_gamepad import PadDecoder
from hardware.teleop_keyboard import CODE_BY_KEY, CONTROL_BY_KEY, KeyDecoder, open_terminal
from hardware.teleop_leader import JointReading, LeaderArm, LeaderConfig
from hardware.teleop_pump import PumpedDevice
from hardware.teleop_scripted import ScriptedDevice
from hardware.teleop_spacemouse import open_spacemouse
from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput

KEY_BY_CONTROL = {control: key for key, control in reversed(CONTROL_BY_KEY.items())}
BYTES_BY_KEY = {
    "space": b" ",
    "enter": b"\r",
    "backspace": b"\x7f",
    "delete": b"\x1b[3~",
    "escape": b"\x1bz",
}  # z means nothing, and nothing that begins with escape goes on with it


class TestTerminal(InputDeviceContract):
    def make(self):
        self.terminal, self.clock = Terminal(), Clock()
        return open_terminal(self.terminal.path, self.clock)

    def move(self):
        self.terminal.type("w")

    def rest(self):
        self.clock.time += 1.0

    def tap(self, control):
        self.clock.time += 1.0
        key = KEY_BY_CONTROL[control]
        self.terminal.type(BYTES_BY_KEY.get(key, key.encode()))

    def unplug(self):
        self.terminal.unplug()

    def connected(self):
        return self._remember(super().connected())

    def _remember(self, context):
        from contextlib import contextmanager

        @contextmanager
        def remembered():
            with context as device:
                self.device = device
                yield device

        return remembered()


class PipedContract(InputDeviceContract):
    def unplug(self):
        self.pipe.unplug()

    def tap(self, control):
        self.pipe.tap(self.codes[control])


class TestEventKeyboard(PipedContract):
    codes: ClassVar = {control: CODE_BY_KEY[key] for control, key in KEY_BY_CONTROL.items()}

    def make(self):
        self.pipe = EventPipe(KEYBOARD)
        return PumpedDevice("keyboard", lambda: (self.pipe.stream, KeyDecoder()))

    def move(self):
        self.pipe.press(CODE_BY_KEY["w"])

    def rest(self):
        self.pipe.release(CODE_BY_KEY["w"])


class TestGamepad(PipedContract):
    codes: ClassVar = {"success": 0x133, "failure": 0x134, "discard": 0x13A, "stop": 0x131, "pause": 0x13B, "take over": 0x137}

    def make(self):
        self.pipe = EventPipe(DUALSENSE)
        return PumpedDevice("gamepad", lambda: (self.pipe.stream, PadDecoder(DUALSENSE)))

    def move(self):
        self.pipe.turn(1, 0)

    def rest(self):
        self.pipe.turn(1, 127)


class TestSpaceMousePro(InputDeviceContract):
    product, name = 0xC631, "SpaceMouse Pro Wireless"
    bits: ClassVar = {"success": 12, "failure": 13, "discard": 14, "pause": 15, "stop": 22, "take over": 25}

    def make(self):
        self.hid = FakeHid(hid_entry(product=self.product, name=self.name))
        return open_spacemouse(hid=self.hid)

    def send(self, *reports):
        self.hid.opened["/dev/hidraw0"].reports.extend(reports)

    def move(self):
        self.send(axes_report(1, 0, -350, 0, 0, 0, 0))

    def rest(self):
        self.send(axes_report(1, 0, 0, 0, 0, 0, 0))

    def tap(self, control):
        self.send(buttons_report(self.bits[control], size=4), buttons_report(size=4))

    def unplug(self):
        self.hid.opened["/dev/hidraw0"].is_gone = True


class TestSpaceMouseCompact(TestSpaceMousePro):
    product, name, events = 0xC635, "SpaceMouse Compact", ()

    def move(self):
        self.send(axes_report(1, 0, -350, 0), axes_report(2, 0, 0, 0))

    def rest(self):
        self.send(axes_report(1, 0, 0, 0), axes_report(2, 0, 0, 0))

    def tap(self, control):
        self.send(buttons_report(0), buttons_report(0, 1), buttons_report(1), buttons_report())


class HandOnJoints:
    """A leader arm of two joints whose hand is the test's."""

    def __init__(self):
        self.qpos, self.error, self.taps = np.zeros(2), None, 0

    def connect(self):
        pass

    def read(self):
        if self.error:
            raise self.error
        is_held, self.taps = self.taps > 0, max(self.taps - 1, 0)
        return JointReading(self.qpos.copy(), is_held=is_held)

    def close(self):
        pass


class TestLeader(InputDeviceContract):
    events, axis = (), "arm/shoulder"

    def make(self):
        self.reader = HandOnJoints()
        return LeaderArm(self.reader, LeaderConfig(joint_names=("arm/shoulder", ""), joint_scale_rad=0.1))

    def move(self):
        self.reader.qpos[0] += 0.1

    def rest(self):
        pass

    def tap(self, control):
        self.reader.taps = 1

    def unplug(self):
        self.reader.error = OSError("no answer from servo 3")


class TestScripted(InputDeviceContract):
    def make(self):
        self.device = ScriptedDevice()
        return self.device

    def move(self):
        self.device.then(DeviceInput(motion={"x": 1.0}, is_touched=True))

    def rest(self):
        pass

    def tap(self, control):
        name = "is_tapped" if control == self.take_over else control
        queue = self.device._inputs
        merged = queue.pop() if queue else DeviceInput()
        self.device.then(DeviceInput(**{flag: flag == name or getattr(merged, flag) for flag in (*self.events, "is_tapped")}))

    def unplug(self):
        self.device._inputs.clear()
        self.device.then(DeviceError("scripted: the script says it is unplugged"))


class TestCombined(TestGamepad):
    def make(self):
        return CombinedDevice([super().make(), ScriptedDevice()])
