"""Input devices that are not there: the bytes, events and reports that a kernel delivers, through file descriptors."""

import fcntl
import os
import pty
import struct

from hardware.input_event import EV_ABS, EV_KEY, EV_SYN, AxisRange, DeviceInfo, EventStream, InputEvent

STICK, XBOX_STICK, TRIGGER, HAT = AxisRange(128, 0, 255), AxisRange(0, -32768, 32767), AxisRange(0, 0, 255), AxisRange(0, -1, 1)
PAD_AXES = {0: STICK, 1: STICK, 2: TRIGGER, 3: STICK, 4: STICK, 5: TRIGGER, 16: HAT, 17: HAT}
PAD_KEYS = frozenset({0x130, 0x131, 0x133, 0x134, *range(0x136, 0x13F)})
DUALSENSE = DeviceInfo("/dev/input/event7", "Sony Interactive Entertainment DualSense", 0x054C, 0x0CE6, PAD_KEYS, PAD_AXES)
KEYBOARD = DeviceInfo("/dev/input/event3", "AT Translated Set 2 keyboard", 1, 1, frozenset(range(1, 128)))


class Clock:
    """Time that stands still."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


class Terminal:
    """A terminal with somebody at its keys: a pair of pseudo-terminals."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.path = os.ttyname(self.slave)

    def type(self, text):
        os.write(self.master, text if isinstance(text, bytes) else text.encode())

    def unplug(self):
        os.close(self.slave)
        os.close(self.master)


class EventPipe:
    """A pipe through which struct input_event comes as from /dev/input."""

    def __init__(self, info, down=()):
        reader, self._writer = os.pipe()
        flags = fcntl.fcntl(reader, fcntl.F_GETFL)
        fcntl.fcntl(reader, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        self.stream = PipedStream(reader, info)
        self.stream.down = set(down)

    def write(self, *events):
        self.write_bytes(b"".join(struct.pack("@llHHi", 1700000000, 250000, *event) for event in (*events, (EV_SYN, 0, 0))))

    def write_bytes(self, data):
        os.write(self._writer, data)

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
        os.close(self._writer)


class PipedStream(EventStream):
    """A stream whose state is not asked of the kernel."""

    down: set[int]
    is_closed = False

    def close(self):
        self.is_closed = True
        super().close()

    def state(self):
        keys = [InputEvent(EV_KEY, key, int(key in self.down)) for key in self.info.keys]
        return keys + [InputEvent(EV_ABS, axis, span.value) for axis, span in self.info.axes.items()]


class FakeHid:
    """The module hidapi with devices that exist only here; a device is its own queue of reports."""

    def __init__(self, *entries):
        self.entries = list(entries)
        self.opened = {}

    def enumerate(self):
        return self.entries

    def device(self):
        return FakeHidDevice(self)


class FakeHidDevice:
    """A HID device as hidapi's."""

    def __init__(self, module):
        self._module = module
        self.reports = []
        self.is_gone = False

    def open_path(self, path):
        self._module.opened[path.decode()] = self

    def set_nonblocking(self, value):
        assert value == 1

    def read(self, size):
        if self.is_gone:
            raise OSError("read error")
        return list(self.reports.pop(0)[:size]) if self.reports else []

    def close(self):
        pass


def hid_entry(path="/dev/hidraw0", vendor=0x256F, product=0xC635, usage=(1, 8), name="SpaceMouse Compact"):
    return {
        "path": path.encode(),
        "vendor_id": vendor,
        "product_id": product,
        "usage_page": usage[0],
        "usage": usage[1],
        "product_string": name,
    }


def axes_report(kind, *readings):
    """A report of a SpaceMouse: translation (1), rotation (2), or all six axes (1)."""
    return bytes([kind]) + struct.pack(f"<{len(readings)}h", *readings)


def buttons_report(*bits, size=2):
    return bytes([3]) + sum(1 << bit for bit in bits).to_bytes(size, "little")
