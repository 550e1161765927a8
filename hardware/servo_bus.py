"""A bus of smart servos: reads their state, sends goals, and says which servo failed and how, whatever its make."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hardware.serial_port import GONE, SerialPort, import_sdk
from hardware.servo_table import DYNAMIXEL_X, FEETECH_STS, ServoTable
from robot_rl.errors import DeviceError

SUCCESS = 0
"""Result of both SDKs' packet handlers; those of failures differ."""
CORRUPT = -1_000_000
"""Ours: an answer of another length than was asked for, which the SDKs let pass."""
ALERT = 0x80
"""Bit of a Dynamixel's error byte: register `faults` has something."""
NUM_TRIES = 3
"""A single byte in a million is lost on a good cable; three lost answers in a row are a fault."""


@dataclass(frozen=True, slots=True)
class ServoReading:
    """What one servo measured."""

    position: int
    """Counts, as the servo has them after its homing offset."""
    speed: float
    """rad/s, in the servo's own direction."""
    load: float
    """-1..1 of `full_load`."""
    voltage_v: float
    temperature_c: float
    """Degrees Celsius, as the servo has it."""
    is_powered: bool
    """Whether its motor holds; true where the block that is read does not tell."""
    faults: tuple[str, ...]
    """What it reports: overload, voltage out of range, too hot, ..."""


class ServoBus:
    """One transaction at a time, from any thread. An answer is lost only after three tries; a servo is called by its name.

    Feetech's and Robotis' own packet handlers make and check the packets. Their `GroupSyncRead` is not used: it throws
    away the error byte and does not say which servo was silent.
    """

    def __init__(
        self,
        port: SerialPort,
        table: ServoTable,
        packets: Callable[[], Any],
        names: Mapping[int, str],
        sync_read_options: tuple[bool, ...] = (),
    ) -> None:
        """Describe the bus; nothing is opened.

        Args:
            port: Where it is.
            table: What the registers mean.
            packets: Returns the SDK's packet handler, once the port is opened.
            names: Of the servos that belong there, by id.
            sync_read_options: What `syncReadTx` takes besides.
        """
        self.table = table
        self.names = dict(names)
        self.lock = threading.RLock()
        """Held for one transaction; hold it for several that belong together."""
        self._port, self._make_packets, self._options = port, packets, sync_read_options
        self._packets: Any = None

    def connect(self) -> None:
        """Open the port and look whether every servo is there and of a known model; idempotent.

        Raises:
            DeviceError: If the port, a servo or a model is not as expected; the message has the remedy.
        """
        with self.lock:
            if self._port.is_open:
                return
            self._packets = self._make_packets()
            self._port.open()
            try:
                self._check_models()
            except BaseException:
                self._port.close()
                raise

    def close(self) -> None:
        """Release the port; the servos go on as they were told. Idempotent, never raises."""
        with self.lock:
            self._port.close()

    def read(self, ids: Iterable[int]) -> dict[int, ServoReading]:
        """Return the state of these servos, by one packet to all of them.

        Raises:
            DeviceError: If one did not answer three times; the message tells which do not.
        """
        wanted = list(ids)
        block = self._sync_read(wanted, *self.table.state_block)
        return {servo: self._reading(servo, data, error) for servo, (data, error) in block.items()}

    def read_some(self, ids: Iterable[int]) -> dict[int, ServoReading]:
        """Return the state of those of these servos that answer, asked one by one. Raises DeviceError if the port is gone."""
        block = self._read_each(ids, *self.table.state_block)
        return {servo: self._reading(servo, data, error) for servo, (data, error) in block.items()}

    def read_some_of(self, name: str, ids: Iterable[int]) -> dict[int, int]:
        """Return a register of those of these servos that answer. Raises DeviceError if the port is gone."""
        register = self.table[name]
        block = self._read_each(ids, register.address, register.size)
        return {servo: register.decode(data) for servo, (data, _) in block.items()}

    def read_all(self, name: str, ids: Iterable[int]) -> dict[int, int]:
        """Return a register of these servos, by one packet. Raises DeviceError as `read` does."""
        register = self.table[name]
        block = self._sync_read(list(ids), register.address, register.size)
        return {servo: register.decode(data) for servo, (data, _) in block.items()}

    def write(self, name: str, servo: int, value: int) -> None:
        """Write a register of one servo, and have it acknowledged. Raises DeviceError if it is not."""
        register = self.table[name]
        data, result, error = register.encode(value), CORRUPT, 0
        with self.lock:
            for _ in range(NUM_TRIES):
                result, error = self._packets.writeTxRx(self._port, servo, register.address, register.size, data)
                if result == SUCCESS:
                    break
        if result != SUCCESS:
            raise DeviceError(f"{self.called(servo)} did not take {name} = {value} ({self._said(result)}); {GONE}")
        refusal = error & ~ALERT if self.table.make == "dynamixel" else 0  # Feetech's bits are of its health, not of this write
        if refusal:
            raise DeviceError(f"{self.called(servo)} refused {name} = {value}: {self._packets.getRxPacketError(refusal)}")

    def write_all(self, name: str, values: Mapping[int, int]) -> None:
        """Write a register of several servos by one packet, which they take at the same time, and read it back.

        Such a packet is not acknowledged, so that a lost one would go unnoticed. Raises DeviceError if it is not taken.
        """
        taken: dict[int, int] = {}
        with self.lock:
            for _ in range(NUM_TRIES):
                self.send_all(name, values)
                taken = self.read_all(name, values)
                if taken == dict(values):
                    return
        refused = [f"{self.called(servo)} keeps {taken[servo]}" for servo in values if taken[servo] != values[servo]]
        raise DeviceError(f"{name} was not taken: {'; '.join(refused)}; look at its limits and whether it is locked by a fault")

    def send_all(self, name: str, values: Mapping[int, int]) -> None:
        """Write a register of several servos by one packet, without asking whether it was taken."""
        register = self.table[name]
        data = [byte for servo, value in values.items() for byte in (servo, *register.encode(value))]
        with self.lock:
            result = self._packets.syncWriteTxOnly(self._port, register.address, register.size, data, len(data))
        if result != SUCCESS:
            raise DeviceError(f"{name} could not be sent on {self._port.path} ({self._said(result)}); {GONE}")

    def called(self, servo: int) -> str:
        """Return what messages call a servo."""
        return f"servo {servo} ({self.names.get(servo, 'unnamed')}) on {self._port.path}"

    def _sync_read(self, ids: list[int], address: int, length: int) -> dict[int, tuple[list[int], int]]:
        result = SUCCESS
        with self.lock:
            if not self._port.is_open:
                raise DeviceError(f"the servo bus on {self._port.path} is not open; call connect() first")
            for _ in range(NUM_TRIES):
                block: dict[int, tuple[list[int], int]] = {}
                result = self._packets.syncReadTx(self._port, address, length, ids, len(ids), *self._options)
                for servo in ids if result == SUCCESS else ():
                    data, result, error = self._packets.readRx(self._port, servo, length)
                    if result == SUCCESS and len(data) != length:
                        result = CORRUPT
                    if result != SUCCESS:
                        break
                    block[servo] = (data, error)
                if result == SUCCESS:
                    return block
            silent = [self.called(servo) for servo in ids if not self._answers(servo)]
        if silent:
            raise DeviceError(f"no answer from {', '.join(silent)}; check its cable on both sides, its power, and its id")
        raise DeviceError(
            f"answers on {self._port.path} are damaged ({self._said(result)}), three times in a row; "
            "two servos may have the same id, or the cable is too long or loose"
        )

    def _read_each(self, ids: Iterable[int], address: int, length: int) -> dict[int, tuple[list[int], int]]:
        block = {}
        with self.lock:
            for servo in ids:
                for _ in range(2):
                    data, result, error = self._packets.readTxRx(self._port, servo, address, length)
                    if result == SUCCESS and len(data) == length:
                        block[servo] = (data, error)
                        break
        return block

    def _check_models(self) -> None:
        for servo in self.names:
            model, result, _ = self._ping(servo)
            if result != SUCCESS:
                found = [other for other in range(1, 21) if other not in self.names and self._answers(other)]
                also = f"; ids that answer instead: {found}" if found else ""
                raise DeviceError(
                    f"no answer from {self.called(servo)} at {self._port.baudrate} baud{also}; check power, cables, baud rate "
                    "and ids"
                )
            if model not in self.table.models:
                known = ", ".join(f"{name} ({number})" for number, name in self.table.models.items())
                raise DeviceError(f"{self.called(servo)} is model {model}, which has another register table; known: {known}")

    def _ping(self, servo: int) -> tuple[int, int, int]:
        answer = (0, CORRUPT, 0)
        for _ in range(NUM_TRIES):
            answer = self._packets.ping(self._port, servo)
            if answer[1] == SUCCESS:
                break
        return answer

    def _answers(self, servo: int) -> bool:
        return self._packets.ping(self._port, servo)[1] == SUCCESS

    def _reading(self, servo: int, data: list[int], error: int) -> ServoReading:
        table, (start, _) = self.table, self.table.state_block

        def value(name: str) -> int:
            register = table[name]
            return register.decode(data[register.address - start :])

        is_told = table["torque_enable"].address >= start
        return ServoReading(
            value("position"),
            value("speed") * table.speed_unit,
            value("load") / table.full_load,
            value("voltage") / 10,
            float(value("temperature")),
            not is_told or value("torque_enable") == 1,
            self._faults(servo, error),
        )

    def _faults(self, servo: int, error: int) -> tuple[str, ...]:
        if self.table.make == "dynamixel":
            if not error & ALERT:
                return ()
            register = self.table["faults"]
            data, result, _ = self._packets.readTxRx(self._port, servo, register.address, register.size)
            if result != SUCCESS:
                return ("a hardware error",)
            error = register.decode(data)
        return tuple(name for bit, name in self.table.faults.items() if error >> bit & 1)

    def _said(self, result: int) -> str:
        said = self._packets.getTxRxResult(result).removeprefix("[TxRxResult] ").rstrip("!")
        return said or "an answer of the wrong length"


def feetech_bus(path: str, names: Mapping[int, str], baudrate: int = FEETECH_STS.baudrate) -> ServoBus:
    """Return a bus of STS servos at `path`, not opened, with Feetech's SDK. `names` are those of the servos, by id."""

    def packets() -> Any:
        return import_sdk("scservo_sdk", "feetech-servo-sdk").PacketHandler(0)  # 0: little-endian, as STS servos are

    return ServoBus(SerialPort(path, baudrate), FEETECH_STS, packets, names)


def dynamixel_bus(path: str, names: Mapping[int, str], baudrate: int = DYNAMIXEL_X.baudrate) -> ServoBus:
    """Return a bus of Dynamixel X servos at `path`, not opened, with Robotis' SDK. `names` are those of the servos, by id."""

    def packets() -> Any:
        return import_sdk("dynamixel_sdk", "dynamixel-sdk").PacketHandler(2.0)

    return ServoBus(SerialPort(path, baudrate), DYNAMIXEL_X, packets, names, sync_read_options=(False,))
