"""What the registers of a make of bus servos mean: addresses, signs and units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

COUNTS_PER_TURN = 4096
"""Of the encoder; STS and Dynamixel X alike."""
RAD_PER_COUNT = 2 * math.pi / COUNTS_PER_TURN
HALF_TURN = COUNTS_PER_TURN // 2
"""Where calibration puts the middle of a joint, so that its range does not cross the encoder's seam."""


@dataclass(frozen=True, slots=True)
class Register:
    """One entry of a control table; little-endian."""

    address: int
    size: int = 1
    """Bytes."""
    sign: Literal["none", "complement"] | int = "none"
    """How negative values are written: not at all, as two's complement, or by a sign bit of this index."""

    def encode(self, value: int) -> list[int]:
        """Return the bytes of `value`. Raises ValueError if they are too few for it."""
        bits = 8 * self.size
        low, high = 0, (1 << bits) - 1
        if self.sign == "complement":
            low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        elif isinstance(self.sign, int):
            high = (1 << self.sign) - 1
            low = -high
        if not low <= value <= high:
            raise ValueError(f"register {self.address}: {value} is not in {low}..{high}")
        if isinstance(self.sign, int) and value < 0:
            value = -value | 1 << self.sign
        return list((value & (1 << bits) - 1).to_bytes(self.size, "little"))

    def decode(self, data: bytes | list[int]) -> int:
        """Return the value of these bytes."""
        value = int.from_bytes(bytes(data[: self.size]), "little")
        if isinstance(self.sign, int):
            magnitude = value & (1 << self.sign) - 1
            return -magnitude if value >> self.sign & 1 else magnitude
        if self.sign == "complement" and value >> 8 * self.size - 1:
            value -= 1 << 8 * self.size
        return value


@dataclass(frozen=True, slots=True)
class ServoTable:
    """The registers that drivers use, by common names, and their units."""

    make: str
    registers: Mapping[str, Register]
    models: Mapping[int, str]
    """Model numbers that this table fits."""
    state: tuple[str, str]
    """First and last register of the block that is read in every step."""
    baudrate: int
    """As the makers deliver it, or arms are built with it."""
    position_modes: tuple[int, ...]
    """Values of register `mode` in which a goal is a position; calibration sets the first."""
    speed_unit: float
    """rad/s of one unit of `speed` and `goal_speed`."""
    acceleration_unit: float
    """rad/s^2 of one unit of `acceleration`."""
    full_torque: int
    """Value of `torque_limit` that is everything."""
    full_load: float
    """Value of `load` that is everything."""
    homing_sign: int
    """1 if the offset is added to what the encoder says, -1 if it is subtracted."""
    faults: Mapping[int, str]
    """Bits of the error byte (Feetech) or of register `faults` (Dynamixel)."""

    def __getitem__(self, name: str) -> Register:
        """Return the register of this name."""
        return self.registers[name]

    @property
    def state_block(self) -> tuple[int, int]:
        """Address and length of the block that is read in every step."""
        first, last = self[self.state[0]], self[self.state[1]]
        return first.address, last.address + last.size - first.address


FEETECH_STS = ServoTable(
    make="feetech",
    registers={
        "model": Register(3, 2),
        "id": Register(5),
        "min_position": Register(9, 2),
        "max_position": Register(11, 2),
        "homing_offset": Register(31, 2, 11),
        "mode": Register(33),
        "torque_enable": Register(40),
        "acceleration": Register(41),
        "goal_position": Register(42, 2, 15),
        "goal_speed": Register(46, 2, 15),
        "torque_limit": Register(48, 2),
        "lock": Register(55),
        "position": Register(56, 2, 15),
        "speed": Register(58, 2, 15),
        "load": Register(60, 2, 10),
        "voltage": Register(62),
        "temperature": Register(63),
    },
    models={777: "STS3215", 2825: "STS3250"},
    state=("torque_enable", "temperature"),
    baudrate=1_000_000,
    position_modes=(0,),
    speed_unit=RAD_PER_COUNT,
    acceleration_unit=100 * RAD_PER_COUNT,
    full_torque=1000,
    full_load=1000.0,
    homing_sign=-1,
    faults={0: "voltage out of range", 1: "encoder", 2: "too hot", 3: "too much current", 5: "overload"},
)
"""Feetech's memory table of the SMS/STS series: sign bits; speed in steps/s, acceleration in 100 steps/s^2, 0.1 V, degrees
Celsius. The state begins at `torque_enable`, so that a servo which restarted after a dip in voltage is noticed."""

DYNAMIXEL_X = ServoTable(
    make="dynamixel",
    registers={
        "model": Register(0, 2),
        "id": Register(7),
        "mode": Register(11),
        "homing_offset": Register(20, 4, "complement"),
        "max_position": Register(48, 4),
        "min_position": Register(52, 4),
        "torque_enable": Register(64),
        "faults": Register(70),
        "torque_limit": Register(100, 2, "complement"),  # goal PWM: bounds the output in every position mode
        "acceleration": Register(108, 4),
        "goal_speed": Register(112, 4),
        "goal_position": Register(116, 4, "complement"),
        "load": Register(126, 2, "complement"),
        "speed": Register(128, 4, "complement"),
        "position": Register(132, 4, "complement"),
        "voltage": Register(144, 2),
        "temperature": Register(146),
    },
    models={
        **{1020: "XM430-W350", 1030: "XM430-W210", 1060: "XL430-W250", 1080: "XC430-W240", 1120: "XM540-W270"},
        **{1130: "XM540-W150", 1190: "XL330-M077", 1200: "XL330-M288", 1210: "XC330-M181", 1220: "XC330-M288"},
        **{1230: "XC330-T181", 1240: "XC330-T288"},
    },
    state=("load", "temperature"),
    baudrate=1_000_000,
    position_modes=(4, 3, 5),  # extended first: the plain position mode takes homing offsets of a quarter turn only
    speed_unit=0.229 * 2 * math.pi / 60,
    acceleration_unit=214.577 * 2 * math.pi / 3600,
    full_torque=885,
    full_load=1000.0,
    homing_sign=1,
    faults={0: "voltage out of range", 2: "too hot", 3: "encoder", 4: "electrical shock", 5: "overload"},
)
"""Robotis' control table of the X series, protocol 2.0: two's complement; speed in 0.229 rev/min, acceleration in 214.577
rev/min^2, 0.1 V, degrees Celsius. `load` is the present current, in mA or 2.69 mA as the model has it (XL430: 0.1 per cent)."""
