"""The registers of Robotiq 2F grippers, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

DEVICE_ID, BAUDRATE = 9, 115_200
COMMAND_ADDRESS, STATUS_ADDRESS, NUM_REGISTERS = 0x03E8, 0x07D0, 3

ACTIVATE, GO_TO = 0x01, 0x08
"""Bits of the action request."""
ACTIVATED = 3
"""`activation` of a gripper that is ready."""
MOVING, STOPPED_OPENING, STOPPED_CLOSING, AT_POSITION = 0, 1, 2, 3
"""`object_status`."""
FAULTS = {
    5: "action waits for the activation to end",
    7: "it is not activated",
    8: "it is too hot; let it cool down",
    9: "no communication for 1 s",
    10: "its supply voltage is too low",
    11: "it releases by itself",
    12: "internal fault",
    13: "activation failed; look whether something is in the way of the fingers",
    14: "overcurrent",
    15: "it has released by itself",
}
FIRST_SERIOUS_FAULT = 10
"""Those from here on need a new activation."""


@dataclass(frozen=True, slots=True)
class RobotiqStatus:
    """What the gripper answers; positions, force and current are bytes."""

    is_activated: bool
    is_going: bool
    activation: int
    object_status: int
    fault: int
    requested: int
    position: int
    current: int

    @property
    def has_object(self) -> bool:
        """Whether the fingers met something before they arrived."""
        return self.object_status in (STOPPED_OPENING, STOPPED_CLOSING)

    @property
    def fault_text(self) -> str:
        """The fault in words."""
        return FAULTS.get(self.fault, f"fault {self.fault}")

    @classmethod
    def of(cls, registers: list[int]) -> RobotiqStatus:
        """Read the three status registers."""
        first, second, third = registers
        state = first >> 8
        return cls(
            is_activated=bool(state & ACTIVATE),
            is_going=bool(state & GO_TO),
            activation=state >> 4 & 3,
            object_status=state >> 6 & 3,
            fault=second >> 8 & 0xF,
            requested=second & 0xFF,
            position=third >> 8,
            current=third & 0xFF,
        )

    @property
    def registers(self) -> list[int]:
        """The three status registers."""
        state = self.is_activated * ACTIVATE | self.is_going * GO_TO | self.activation << 4 | self.object_status << 6
        return [state << 8, self.fault << 8 | self.requested, self.position << 8 | self.current]


def request(action: int, position: int = 0, speed: int = 0, force: int = 0) -> list[int]:
    """Return the three command registers."""
    return [action << 8, position, speed << 8 | force]
