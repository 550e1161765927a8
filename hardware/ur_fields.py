"""The words of the RTDE protocol: packet types, the types of its variables, and how they are packed."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

RTDE_PORT, DASHBOARD_PORT = 30004, 29999
SCRIPT_PORTS = (30001, 30002, 30003)
PROTOCOL_VERSION = 2

REQUEST_VERSION, GET_CONTROLLER_VERSION = 86, 118
SETUP_OUTPUTS, SETUP_INPUTS = 79, 73
START, PAUSE, DATA = 83, 80, 85
HEADER = struct.Struct(">HB")
"""Size with header, type."""

RUNNING = 7
"""`robot_mode` of an arm whose brakes are released."""
ROBOT_MODES = {
    -1: "no controller",
    0: "disconnected",
    1: "waiting for safety to be confirmed",
    2: "booting",
    3: "powered off",
    4: "powered on, starting",
    5: "idle, its brakes on",
    6: "backdrive",
    RUNNING: "running",
    8: "updating firmware",
}
NORMAL, REDUCED, PROTECTIVE_STOP = 1, 2, 3
SAFETY_MODES = {
    NORMAL: "normal",
    REDUCED: "reduced",
    PROTECTIVE_STOP: "protective stop",
    4: "recovery",
    5: "safeguard stop",
    6: "system emergency stop",
    7: "robot emergency stop",
    8: "violation",
    9: "fault",
    10: "validating joint ids",
    11: "undefined",
    12: "automatic-mode safeguard stop",
    13: "three-position enabling stop",
}
POWER_ON, PROGRAM_RUNNING = 1, 2
"""Bits of `robot_status_bits`."""

_STRUCTS = {
    "INT32": "i",
    "UINT32": "I",
    "UINT64": "Q",
    "DOUBLE": "d",
    "VECTOR6D": "6d",
    "VECTOR3D": "3d",
    "VECTOR6INT32": "6i",
    "UINT8": "B",
    "BOOL": "?",
}
_TYPES = {
    "VECTOR6D": (
        "target_q target_qd target_qdd target_current target_moment actual_q actual_qd actual_current joint_control_output "
        "actual_TCP_pose actual_TCP_speed actual_TCP_force target_TCP_pose target_TCP_speed joint_temperatures "
        "actual_joint_voltage ft_raw_wrench external_force_torque payload_inertia"
    ),
    "VECTOR3D": "actual_tool_accelerometer payload_cog",
    "DOUBLE": (
        "timestamp actual_execution_time speed_scaling target_speed_fraction actual_momentum actual_main_voltage "
        "actual_robot_voltage actual_robot_current payload speed_slider_fraction "
        "standard_analog_input0 standard_analog_input1 standard_analog_output0 standard_analog_output1"
    ),
    "UINT64": "actual_digital_input_bits actual_digital_output_bits",
    "UINT32": "robot_status_bits safety_status_bits runtime_state speed_slider_mask",
    "INT32": "robot_mode safety_mode",
    "VECTOR6INT32": "joint_mode",
}
TYPE_BY_NAME = {name: kind for kind, names in _TYPES.items() for name in names.split()}
_REGISTER = re.compile(r"(?:input|output)_(int|double|bit)_register_(\d+)")
_REGISTER_TYPES = {"int": "INT32", "double": "DOUBLE", "bit": "BOOL"}
NUM_REGISTERS = 48


def type_of(name: str) -> str:
    """Return the RTDE type of a variable, `NOT_FOUND` for one that is not known."""
    register = _REGISTER.fullmatch(name)
    if register:
        return _REGISTER_TYPES[register[1]] if int(register[2]) < NUM_REGISTERS else "NOT_FOUND"
    return TYPE_BY_NAME.get(name, "NOT_FOUND")


class Recipe:
    """An agreed order of variables, and how a data package of it is packed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.types = tuple(type_of(name) for name in names)
        self._counts = [{"VECTOR6": 6, "VECTOR3": 3}.get(kind[:7], 1) for kind in self.types]
        self._struct = struct.Struct(">" + "".join(_STRUCTS.get(kind, "") for kind in self.types))

    @property
    def is_known(self) -> bool:
        """Whether every variable exists."""
        return "NOT_FOUND" not in self.types

    def pack(self, values: Sequence[Any]) -> bytes:
        """Return the values, vectors as sequences, as bytes."""
        flat: list[Any] = []
        for value, count in zip(values, self._counts, strict=True):
            flat += [value] if count == 1 else list(value) if np.ndim(value) else [value] * count
        return self._struct.pack(*flat)

    def unpack(self, data: bytes) -> dict[str, Any]:
        """Return the values by name. Raises struct.error if the size is wrong."""
        flat, values, at = self._struct.unpack(data), {}, 0
        for name, count in zip(self.names, self._counts, strict=True):
            values[name] = flat[at] if count == 1 else flat[at : at + count]
            at += count
        return values


def packet(kind: int, payload: bytes) -> bytes:
    """Return an RTDE packet."""
    return HEADER.pack(HEADER.size + len(payload), kind) + payload


def take_packets(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Yield type and payload of every complete packet, and remove it from `buffer`."""
    while len(buffer) >= HEADER.size:
        size, kind = HEADER.unpack_from(buffer)
        if size < HEADER.size:
            raise ValueError(f"an RTDE packet says that it is {size} bytes long; its header alone is {HEADER.size}")
        if len(buffer) < size:
            return
        payload = bytes(buffer[HEADER.size : size])
        del buffer[:size]
        yield kind, payload
