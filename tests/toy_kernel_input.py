"""Input devices that the kernel itself believes in: keyboards and gamepads by /dev/uinput, HID devices by /dev/uhid."""

import fcntl
import os
import struct
import time
from pathlib import Path

from hardware.input_event import EV_ABS, EV_KEY, EV_SYN, EVENT

UINPUT, UHID = Path("/dev/uinput"), Path("/dev/uhid")
EV_REP = 0x14
UHID_DESTROY, UHID_CREATE2, UHID_INPUT2 = 1, 11, 12
BUS_USB, BUS_BLUETOOTH = 3, 5

SPACEMOUSE_DESCRIPTOR = bytes.fromhex(
    "0501 0908 a101"  # multi-axis controller
    "a100 8501 16a2fe 265e01 0930 0931 0932 7510 9503 8106 c0"  # 1: x y z, -350..350
    "a100 8502 0933 0934 0935 7510 9503 8106 c0"  # 2: rx ry rz
    "a102 8503 0501 0509 1901 2902 1500 2501 7501 9502 8102 950e 8103 c0"  # 3: two buttons
    "c0"
)
"""As the SpaceMice with two reports describe themselves, without their light."""


def write_ioctl(number, size):
    return 1 << 30 | size << 16 | ord("U") << 8 | number


class KernelInput:
    """A device made by uinput, from a DeviceInfo."""

    def __init__(self, info, *, repeats=False):
        self._descriptor = os.open(UINPUT, os.O_WRONLY | os.O_NONBLOCK)
        for kind in (EV_KEY, EV_ABS) if info.axes else (EV_KEY, EV_REP) if repeats else (EV_KEY,):
            fcntl.ioctl(self._descriptor, write_ioctl(100, 4), kind)
        for key in info.keys:
            fcntl.ioctl(self._descriptor, write_ioctl(101, 4), key)
        for axis, span in info.axes.items():
            setup = struct.pack("@H2x6i", axis, span.value, span.low, span.high, 0, span.flat, 0)
            fcntl.ioctl(self._descriptor, write_ioctl(4, len(setup)), setup)
        identity = struct.pack("@4H80sI", BUS_USB, info.vendor, info.product, 1, info.name.encode(), 0)
        fcntl.ioctl(self._descriptor, write_ioctl(3, len(identity)), identity)
        fcntl.ioctl(self._descriptor, ord("U") << 8 | 1)
        name = bytearray(64)
        fcntl.ioctl(self._descriptor, 2 << 30 | 64 << 16 | ord("U") << 8 | 44, name)
        folder = Path("/sys/class/input") / name.split(b"\0")[0].decode()
        self.path = f"/dev/input/{next(folder.glob('event*')).name}"

    def write(self, *events):
        for event in (*events, (EV_SYN, 0, 0)):
            os.write(self._descriptor, EVENT.pack(0, 0, *event))

    def press(self, code):
        self.write((EV_KEY, code, 1))

    def release(self, code):
        self.write((EV_KEY, code, 0))

    def tap(self, code):
        self.press(code)
        self.release(code)

    def turn(self, axis, value):
        self.write((EV_ABS, axis, value))

    def unplug(self):
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class KernelHid:
    """A Bluetooth HID device made by uhid; hidapi asks those of USB for the plug that they are in."""

    def __init__(self, name, vendor, product, descriptor):
        before = set(Path("/dev").glob("hidraw*"))
        self._descriptor = os.open(UHID, os.O_RDWR | os.O_NONBLOCK)
        identity = (len(descriptor), BUS_BLUETOOTH, vendor, product, 0, 0)
        request = struct.pack("<128s64s64sHHIIII", name.encode(), b"", b"", *identity)
        self._write(UHID_CREATE2, request + descriptor.ljust(4096, b"\0"))
        deadline = time.monotonic() + 10
        while set(Path("/dev").glob("hidraw*")) <= before:
            assert time.monotonic() < deadline, "the kernel makes no device of it"
            time.sleep(0.001)

    def send(self, *reports):
        for report in reports:
            self._write(UHID_INPUT2, struct.pack("<H", len(report)) + report)

    def unplug(self):
        if self._descriptor >= 0:
            self._write(UHID_DESTROY, b"")
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, kind, payload):
        os.write(self._descriptor, struct.pack("<I", kind) + payload)
