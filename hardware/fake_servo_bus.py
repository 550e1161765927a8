"""A bus of servos that are not there, behind a pseudo-terminal: drivers open a serial port, and hear packets."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from hardware.fake_servo import FakeServo
from hardware.servo_table import ServoTable
from robot_rl.protocols import Clock

BROADCAST = 0xFE


@dataclass(frozen=True, slots=True)
class Instruction:
    """A packet to servos, taken apart."""

    servo: int
    """Or BROADCAST."""
    kind: str
    """ping, read, write, reg_write, action, sync_read, sync_write, or unknown."""
    parameters: bytes


class Wire(Protocol):
    """How a make of servos writes packets."""

    address_size: int
    """Bytes of an address or a length in an instruction."""

    def take(self, buffer: bytearray) -> tuple[Instruction | None, bool]:
        """Take one packet out of `buffer`; return it, None if it is damaged, and whether there was one at all."""
        ...

    def status(self, servo: FakeServo, error: int, parameters: bytes) -> bytes:
        """Return an answer."""
        ...

    def ping(self, servo: FakeServo) -> bytes:
        """Return the parameters of the answer to a ping."""
        ...

    refusal: int
    """The error of an instruction that cannot be followed."""


class FakeServoBus:
    """Answers on `path` from a thread, until `unplug` or `close`. Motors move as far as `clock` does between two packets."""

    def __init__(self, wire: Wire, table: ServoTable, ids: Iterable[int], clock: Clock) -> None:
        self.servos = {servo: FakeServo(table, servo) for servo in ids}
        """By the id that they were made with."""
        self.corrupt_next = 0
        """How many of the next answers have a wrong byte."""
        self.lose_next = 0
        """How many of the next answers are lost."""
        self.num_packets = 0
        self.num_damaged = 0
        """Instructions whose checksum was wrong; servos keep silent about them."""
        self._wire, self._clock, self._last = wire, clock, clock.now()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._waiting: dict[int, tuple[int, bytes]] = {}
        self._thread = threading.Thread(target=self._serve, name="fake-servo-bus", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Let the motors move up to now, as the next packet would."""
        with self._lock:
            self._advance()

    def unplug(self) -> None:
        """Take the USB cable out. The servos have their own power, and go on as they were told."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        os.close(self._slave)
        os.close(self._master)

    close = unplug

    def _serve(self) -> None:
        buffer = bytearray()
        while not self._ended.is_set():
            if not select.select([self._master], [], [], 0.02)[0]:
                continue
            buffer += os.read(self._master, 4096)
            is_more = True
            while is_more:
                instruction, is_more = self._wire.take(buffer)
                if instruction is not None:
                    with self._lock:
                        self._advance()
                        answer = self._answer(instruction)
                    if answer:
                        os.write(self._master, answer)
                elif is_more:
                    self.num_damaged += 1

    def _advance(self) -> None:
        now = self._clock.now()
        for servo in self.servos.values():
            servo.advance(now - self._last)
        self._last = now

    def _answer(self, instruction: Instruction) -> bytes:
        self.num_packets += 1
        size, data = self._wire.address_size, instruction.parameters
        here = {servo.get("id"): servo for servo in self.servos.values()}
        if instruction.kind == "sync_read":
            start, length = _number(data, 0, size), _number(data, size, size)
            asked = [here[servo] for servo in data[2 * size :] if servo in here]
            return b"".join(self._status(servo, 0, bytes(servo.memory[start : start + length])) for servo in asked)
        if instruction.kind == "sync_write":
            start, length = _number(data, 0, size), _number(data, size, size)
            for at in range(2 * size, len(data), length + 1):
                if data[at] in here:
                    self._write(here[data[at]], start, data[at + 1 : at + 1 + length])
            return b""
        if instruction.servo == BROADCAST:
            told = list(here.values()) if instruction.kind in ("action", "write") else []
            for servo in told:
                self._follow(servo, instruction)
            return b""
        servo = here.get(instruction.servo)
        return b"" if servo is None else self._status(servo, *self._follow(servo, instruction))

    def _follow(self, servo: FakeServo, instruction: Instruction) -> tuple[int, bytes]:
        """Do what a servo was told; return the error and the parameters of its answer."""
        size, data = self._wire.address_size, instruction.parameters
        if instruction.kind == "ping":
            return 0, self._wire.ping(servo)
        if instruction.kind == "read":
            start = _number(data, 0, size)
            return 0, bytes(servo.memory[start : start + _number(data, size, size)])
        if instruction.kind == "write":
            return self._write(servo, _number(data, 0, size), data[size:]), b""
        if instruction.kind == "reg_write":
            self._waiting[servo.get("id")] = _number(data, 0, size), data[size:]
            return 0, b""
        if instruction.kind == "action":
            waiting = self._waiting.pop(servo.get("id"), None)
            return (self._write(servo, *waiting) if waiting else 0), b""
        return self._wire.refusal, b""

    def _write(self, servo: FakeServo, start: int, data: bytes) -> int:
        if servo.is_silent or start + len(data) > len(servo.memory):
            return self._wire.refusal
        before = servo.get("torque_enable")
        servo.memory[start : start + len(data)] = data
        if servo.table.make == "feetech" and servo.get("torque_enable") == 1 and before == 0:
            servo.faults = 0  # switching the torque on again is what clears an overload
        servo.advance(0.0)
        return 0

    def _status(self, servo: FakeServo, error: int, parameters: bytes) -> bytes:
        if servo.is_silent:
            return b""
        if self.lose_next > 0:
            self.lose_next -= 1
            return b""
        answer = self._wire.status(servo, error, parameters)
        if self.corrupt_next > 0:
            self.corrupt_next -= 1
            answer = answer[:-1] + bytes([answer[-1] ^ 0x55])
        return answer


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
