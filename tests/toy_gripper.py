"""A Robotiq 2F gripper behind a real pymodbus server, on TCP or on a serial line."""

from __future__ import annotations

import asyncio
import threading
import time

from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hardware.robotiq_registers import (
    ACTIVATE,
    ACTIVATED,
    AT_POSITION,
    COMMAND_ADDRESS,
    DEVICE_ID,
    GO_TO,
    MOVING,
    NUM_REGISTERS,
    STATUS_ADDRESS,
    STOPPED_CLOSING,
    RobotiqStatus,
)

SPEED = 800.0
"""Position bytes per s at full speed."""


class ToyGripper:
    """Moves as it is told; an object stops it, and faults come when a test wants them."""

    def __init__(self, *, tcp_port: int = 0, serial_port: str = "") -> None:
        self._ports = (tcp_port, serial_port)
        self.object_at = 255
        """Position byte at which closing fingers meet something."""
        self.fault = 0
        self.is_activated = False
        self.can_activate = True
        self.num_activations = 0
        self.delay_s = 0.0
        """s that every answer takes."""
        self.command = [0, 0, 0]
        self._position, self._at = 120.0, time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> ToyGripper:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def close(self) -> None:
        """Unplug it."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    @property
    def status(self) -> RobotiqStatus:
        action, wanted = self.command[0] >> 8, self.command[1] & 0xFF
        self._move(wanted if action & GO_TO and self.is_activated and not self.fault else None)
        position, is_going = round(self._position), bool(action & GO_TO)
        if position >= self.object_at and wanted > position:
            meets = STOPPED_CLOSING
        else:
            meets = AT_POSITION if position == wanted else MOVING
        activation = ACTIVATED if self.is_activated else 0
        return RobotiqStatus(bool(action & ACTIVATE), is_going, activation, meets, self.fault, wanted, position, 0)

    def _move(self, wanted: int | None) -> None:
        now = time.monotonic()
        reach, self._at = SPEED * (now - self._at) * (self.command[2] >> 8) / 255, now
        if wanted is not None:
            goal = min(wanted, self.object_at) if wanted > self._position else wanted
            self._position += min(max(goal - self._position, -reach), reach)

    def _tell(self, command: list[int]) -> None:
        self.status  # noqa: B018  (moves by the old command up to now)
        self.command = command
        is_wanted = bool(command[0] >> 8 & ACTIVATE)
        if is_wanted and not self.is_activated and self.can_activate:
            self.num_activations += 1
        if not is_wanted:
            self.fault = 0
        self.is_activated = is_wanted and self.can_activate and (self.is_activated or not self.fault)
        if is_wanted and not self.can_activate:
            self.fault = 13

    async def _answer(self, function_code, start_address, address, count, registers, values) -> None:
        await asyncio.sleep(self.delay_s)
        if values is not None and address == COMMAND_ADDRESS:
            self._tell(list(values))
        offset = STATUS_ADDRESS - start_address
        registers[offset : offset + NUM_REGISTERS] = self.status.registers

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> None:
        data = SimData(COMMAND_ADDRESS, count=STATUS_ADDRESS + NUM_REGISTERS - COMMAND_ADDRESS, datatype=DataType.REGISTERS)
        device = SimDevice(DEVICE_ID, [data], action=self._answer)
        tcp_port, serial_port = self._ports
        if serial_port:
            self._server = ModbusSerialServer(device, port=serial_port, baudrate=115200)
        else:
            self._server = ModbusTcpServer(device, address=("127.0.0.1", tcp_port))
        await self._server.serve_forever(background=True)
