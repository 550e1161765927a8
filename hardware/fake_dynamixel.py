"""Dynamixel protocol 2.0, from the servos' side: FF FF FD 00, id, length, instruction, parameters with stuffing, CRC-16."""

from __future__ import annotations

from collections.abc import Iterable

from hardware.fake_servo import FakeServo
from hardware.fake_servo_bus import FakeServoBus, Instruction
from hardware.servo_table import DYNAMIXEL_X
from robot_rl.protocols import Clock

HEADER = b"\xff\xff\xfd\x00"
STATUS = 0x55
ALERT = 0x80
INSTRUCTIONS = {
    **{1: "ping", 2: "read", 3: "write", 4: "reg_write", 5: "action"},
    **{0x82: "sync_read", 0x83: "sync_write"},
}
FIRMWARE = 46
"""As pings tell."""


class DynamixelWire:
    """The CRC is over the whole packet, header included; an error byte with its highest bit set asks to look at `faults`."""

    address_size = 2
    refusal = 2

    def take(self, buffer: bytearray) -> tuple[Instruction | None, bool]:
        """Take one packet out of `buffer`; return it, None if it is damaged, and whether there was one at all."""
        start = buffer.find(HEADER)
        if start < 0 or len(buffer) < start + 7:
            return None, False
        end = start + 7 + int.from_bytes(buffer[start + 5 : start + 7], "little")
        if len(buffer) < end:
            return None, False
        packet = bytes(buffer[start:end])
        del buffer[:end]
        if len(packet) < 10 or packet[-2:] != crc(packet[:-2]).to_bytes(2, "little"):
            return None, True
        parameters = packet[8:-2].replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
        return Instruction(packet[4], INSTRUCTIONS.get(packet[7], "unknown"), parameters), True

    def status(self, servo: FakeServo, error: int, parameters: bytes) -> bytes:
        """Return an answer."""
        error |= ALERT if servo.faults else 0
        body = bytes([STATUS, error]) + parameters.replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")
        packet = HEADER + bytes([servo.get("id")]) + (len(body) + 2).to_bytes(2, "little") + body
        return packet + crc(packet).to_bytes(2, "little")

    def ping(self, servo: FakeServo) -> bytes:
        """Return the parameters of the answer to a ping: model and firmware."""
        return servo.get("model").to_bytes(2, "little") + bytes([FIRMWARE])


def crc(packet: bytes) -> int:
    """Return CRC-16 with polynomial 8005, no reflection, starting at 0 (CRC-16/BUYPASS)."""
    value = 0
    for byte in packet:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x8005 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def fake_dynamixel_bus(ids: Iterable[int], clock: Clock) -> FakeServoBus:
    """Return a bus of X-series Dynamixels that moves on `clock`."""
    return FakeServoBus(DynamixelWire(), DYNAMIXEL_X, ids, clock)
