"""Feetech's SCS packets, from the servos' side: FF FF, id, length, instruction or error, parameters, checksum."""

from __future__ import annotations

from collections.abc import Iterable

from hardware.fake_servo import FakeServo
from hardware.fake_servo_bus import FakeServoBus, Instruction
from hardware.servo_table import FEETECH_STS
from robot_rl.protocols import Clock

INSTRUCTIONS = {
    **{1: "ping", 2: "read", 3: "write", 4: "reg_write", 5: "action"},
    **{0x82: "sync_read", 0x83: "sync_write"},
}


class FeetechWire:
    """The checksum is the complement of the sum of all bytes after the header; errors are of the servo's health."""

    address_size = 1
    refusal = 0

    def take(self, buffer: bytearray) -> tuple[Instruction | None, bool]:
        """Take one packet out of `buffer`; return it, None if it is damaged, and whether there was one at all."""
        start = buffer.find(b"\xff\xff")
        if start < 0 or len(buffer) < start + 4 or len(buffer) < start + 4 + buffer[start + 3]:
            return None, False
        end = start + 4 + buffer[start + 3]
        packet = bytes(buffer[start:end])
        del buffer[:end]
        if len(packet) < 6 or packet[-1] != checksum(packet[2:-1]):
            return None, True
        return Instruction(packet[2], INSTRUCTIONS.get(packet[4], "unknown"), packet[5:-1]), True

    def status(self, servo: FakeServo, error: int, parameters: bytes) -> bytes:
        """Return an answer."""
        body = bytes([servo.get("id"), len(parameters) + 2, error | servo.faults]) + parameters
        return b"\xff\xff" + body + bytes([checksum(body)])

    def ping(self, servo: FakeServo) -> bytes:
        """Return the parameters of the answer to a ping: none."""
        return b""


def checksum(body: bytes) -> int:
    """Return the last byte of a packet: the complement of the sum of all after the header."""
    return ~sum(body) & 0xFF


def fake_feetech_bus(ids: Iterable[int], clock: Clock) -> FakeServoBus:
    """Return a bus of STS3215 that moves on `clock`."""
    return FakeServoBus(FeetechWire(), FEETECH_STS, ids, clock)
