"""A serial port as the packet handlers of Feetech's and Robotis' SDKs want one."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

from robot_rl.errors import ConfigError, DeviceError, pip_line

PIP_LINE = pip_line("servo")
REPLY_MS = 34.0
"""ms that an answer may take beyond its own bytes: twice the 16 ms for which a USB adapter may hold bytes back, and 2."""
WAIT_S = 0.002
"""s that one read waits for bytes before the packet handler looks at the time again."""
WRITE_S = 0.5
"""s that sending may take before the adapter counts as hung; a packet is sent in less than 3 ms."""
GONE = "check the USB cable and the power supply of the servos"


class SerialPort:
    """Takes the place of the SDKs' `PortHandler`, which shares its names, because of four things that one does not do.

    It forgets what came too late before it asks anew (Feetech's flushes what is to be sent instead), it waits for bytes
    rather than spin, it measures time on a clock that nobody sets, and it says DeviceError when the cable is out.
    """

    def __init__(self, path: str, baudrate: int, now: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.baudrate = baudrate
        self.is_using = False
        """Set and cleared by the packet handlers."""
        self.tx_time_per_byte = 10_000.0 / baudrate
        """ms."""
        self._now = now
        self._deadline = 0.0
        self._num_waits = 0
        self._serial: Any = None

    @property
    def is_open(self) -> bool:
        """Whether it has been opened, and not closed."""
        return self._serial is not None

    def open(self) -> None:
        """Open the port; idempotent. Raises DeviceError with the remedy, ConfigError if pyserial is missing."""
        if self._serial is not None:
            return
        serial = import_sdk("serial", "pyserial")
        try:
            self._serial = serial.Serial(self.path, self.baudrate, timeout=WAIT_S, write_timeout=WRITE_S, exclusive=True)
        except (OSError, ValueError) as error:
            ports = ", ".join(known_ports()) or "none"
            raise DeviceError(
                f"serial port {self.path} cannot be opened at {self.baudrate} baud ({error}); serial ports here: {ports}; "
                "close other programs that use it, and add yourself to the group dialout"
            ) from error
        self.is_using = False

    def close(self) -> None:
        """Close the port; idempotent, never raises."""
        port, self._serial, self.is_using = self._serial, None, False
        if port is not None:
            try:
                port.close()
            except OSError:
                return  # a port that is gone cannot be given back

    def clearPort(self) -> None:
        """Forget what came in: an answer to an older question must not be taken for one to the next."""
        self._guarded(lambda port: port.reset_input_buffer())

    def readPort(self, length: int) -> bytes:
        """Return up to `length` bytes, after at most WAIT_S."""
        came = self._guarded(lambda port: port.read(length)) if length > 0 else b""
        self._num_waits += not came
        return came

    def writePort(self, packet: list[int]) -> int:
        """Send a packet and return how many bytes of it were sent."""
        return self._guarded(lambda port: port.write(bytes(packet)))

    def getBytesAvailable(self) -> int:
        """Return how many bytes wait to be read."""
        return self._guarded(lambda port: port.in_waiting)

    def getBaudRate(self) -> int:
        """Return bits per s."""
        return self.baudrate

    def setPacketTimeout(self, packet_length: int) -> None:
        """Allow for an answer of `packet_length` bytes from now on."""
        self.setPacketTimeoutMillis(self.tx_time_per_byte * packet_length + REPLY_MS)

    def setPacketTimeoutMillis(self, msec: float) -> None:
        """Allow for an answer within `msec` ms from now on."""
        self._deadline, self._num_waits = self._now() + msec / 1000, 0

    def isPacketTimeout(self) -> bool:
        """Return whether the answer has taken too long; not if it was us who slept, on a busy machine, and did not look."""
        return self._now() > self._deadline and self._num_waits >= REPLY_MS / 1000 / WAIT_S

    def _guarded(self, action: Callable[[Any], Any]) -> Any:
        port = self._serial
        if port is None:
            raise DeviceError(f"serial port {self.path} is not open; call connect() first")
        try:
            return action(port)
        except DeviceError:
            raise
        except Exception as error:  # termios.error and TypeError (closed meanwhile) come besides OSError
            self.is_using = False  # or every later packet would be refused as "port busy"
            raise DeviceError(f"serial port {self.path} is gone ({error}); {GONE}") from error


def known_ports() -> list[str]:
    """Return the serial ports of USB adapters on this machine, and such as have a name."""
    list_ports = importlib.import_module("serial.tools.list_ports")
    return sorted(port.device for port in list_ports.comports() if port.vid is not None)


def import_sdk(module: str, package: str) -> Any:
    """Return an optional module. Raises ConfigError with the pip line if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"servos on a serial bus need the package {package} ({error}): {PIP_LINE}") from error
