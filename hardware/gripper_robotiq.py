"""Robotiq 2F grippers over Modbus, on a serial line (RTU) or a network (TCP)."""

from __future__ import annotations

import importlib
import logging
import math
from typing import Any

from hardware.clock import WallClock
from hardware.robotiq_registers import (
    ACTIVATE,
    ACTIVATED,
    BAUDRATE,
    COMMAND_ADDRESS,
    DEVICE_ID,
    FIRST_SERIOUS_FAULT,
    GO_TO,
    NUM_REGISTERS,
    STATUS_ADDRESS,
    RobotiqStatus,
    request,
)
from hardware.served import Served
from robot_rl.envs.parts import check_parts
from robot_rl.errors import ConfigError, DeviceError, RobotFault, pip_line
from robot_rl.protocols import Clock
from robot_rl.specs import GripperSpec, RobotSpec
from robot_rl.types import Command, GripperState, GripperTarget, RobotState

log = logging.getLogger(__name__)

PIP_LINE = pip_line("robotiq")
ACTIVATION_TIMEOUT_S = 5.0
"""s that an activation, during which the fingers open and close, may take."""
STOP_WAIT_S = 0.2
"""s that `stop` waits for the gripper to have been told."""


class RobotiqGripper(Served):
    """A robot of one part, `gripper`. A thread talks to it, so that no call waits for a slow line.

    One that is not activated is activated at `connect`, which opens and closes its fingers.
    """

    def __init__(
        self,
        *,
        serial_port: str = "",
        host: str = "",
        tcp_port: int = 502,
        device_id: int = DEVICE_ID,
        baudrate: int = BAUDRATE,
        max_width_m: float = 0.085,
        raw_open: int = 3,
        raw_closed: int = 228,
        speed: float = 1.0,
        force: float = 0.3,
        rate_hz: float = 50.0,
        timeout_s: float = 0.1,
        max_age_s: float = 0.3,
        clock: Clock | None = None,
    ) -> None:
        """Touch nothing.

        Args:
            serial_port: For example /dev/ttyUSB0; or else
            host: address of a Modbus TCP gateway, and
            tcp_port: its port.
            device_id: Of the gripper on the bus.
            baudrate: Of the serial line.
            max_width_m: m between the fingers when open.
            raw_open: Position byte of open fingers; differs with fingers by a few.
            raw_closed: Position byte of closed fingers.
            speed: 0 to 1.
            force: 0 to 1.
            rate_hz: How often it is asked.
            timeout_s: For one answer.
            max_age_s: A state that is older is an error.
            clock: Of the stamps.

        Raises:
            ConfigError: If neither or both of `serial_port` and `host` are given.
        """
        if bool(serial_port) == bool(host):
            raise ConfigError(
                "a Robotiq gripper needs either serial_port (RTU) or host (TCP), for example serial_port = '/dev/ttyUSB0'"
            )
        self.clock: Clock = WallClock() if clock is None else clock
        self.spec = RobotSpec("robotiq", {"gripper": GripperSpec(max_width_m)})
        self._where = serial_port or f"{host}:{tcp_port}"
        super().__init__(f"Robotiq gripper at {self._where}")
        self._options = {"timeout": timeout_s, "retries": 1}
        self._serial_port, self._baudrate, self._host, self._tcp_port = serial_port, baudrate, host, tcp_port
        self._device_id, self._raw = device_id, (raw_open, raw_closed)
        self._speed, self._force = round(255 * speed), round(255 * force)
        self._period, self._max_age = 1.0 / rate_hz, max_age_s
        self._client: Any = None
        self._target: int | None = None
        self._status: tuple[RobotiqStatus, float] | None = None

    def connect(self) -> None:
        """Open the line and activate the gripper if it is not.

        Raises:
            ConfigError: If pymodbus is missing.
            DeviceError: If nobody answers, or the activation fails.
        """
        if self._thread is not None:
            return
        self._client = self._make_client()
        try:
            if not self._client.connect():
                raise DeviceError(f"no Robotiq gripper at {self._where}: it cannot be opened; check cable, power and name")
            if self._ask().activation != ACTIVATED:
                self._activate()
        except DeviceError:
            self._client.close()
            raise
        self._start()

    def read(self) -> RobotState:
        """Return the newest state.

        Raises:
            RobotFault: If the gripper reports a serious fault.
            DeviceError: If it is not connected, or its state is older than `max_age_s`.
        """
        self._require_connection()
        self._raise_failure()
        status, stamp = self._newest()
        return {"gripper": GripperState(self._opening(status.position), stamp)}

    @property
    def status(self) -> RobotiqStatus:
        """What the gripper answered last, with what it holds and its fault. Raises DeviceError as `read`."""
        self._require_connection()
        self._raise_failure()
        return self._newest()[0]

    def command(self, command: Command) -> Command:
        """Open or close.

        Raises:
            ValueError: If a part is unknown, or the target is of the wrong kind or not finite.
            DeviceError: As `read`.
        """
        self._require_connection()
        check_parts(self.spec, command)
        self._raise_failure()
        if "gripper" not in command:
            return {}
        target = command["gripper"]
        if not isinstance(target, GripperTarget) or not math.isfinite(target.opening):
            raise ValueError(f"part 'gripper' cannot follow {target}; give a GripperTarget of 0 to 1")
        opening = min(max(target.opening, 0.0), 1.0)
        raw_open, raw_closed = self._raw
        self._target = round(raw_closed + opening * (raw_open - raw_closed))
        self._wake.set()
        return {"gripper": GripperTarget(opening)}

    def stop(self) -> None:
        """Let the fingers stay where they are. Callable from any thread, never raises."""
        self._told.clear()
        self._target = None
        self._wait_until_told(STOP_WAIT_S)

    def close(self) -> None:
        """Stop and free the line; the gripper keeps what it holds."""
        self.stop()
        self._end_thread()
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _start(self) -> None:
        self._target, self._status = None, None
        self._start_thread(f"robotiq-{self._where}")
        self._told.clear()
        self._told.wait(ACTIVATION_TIMEOUT_S)  # the first answer

    def _clear_fault(self) -> None:
        """Activate anew, which opens and closes the fingers."""
        self._activate()

    def _give_up(self) -> None:
        """Nothing: the gripper keeps what it holds."""

    def _talk(self) -> None:
        told: int | None = None
        while not self._is_over:
            target = self._target
            if target != told:
                self._tell(ACTIVATE if target is None else ACTIVATE | GO_TO, target or 0)
                told = target
            self._status = (self._ask(), self.clock.now())
            if target is None:
                self._told.set()
            if self._status[0].fault >= FIRST_SERIOUS_FAULT:
                raise RobotFault(
                    f"Robotiq gripper at {self._where}: {self._status[0].fault_text}; clear the cause and call recover()"
                )
            self._wake.wait(self._period)
            self._wake.clear()

    def _activate(self) -> None:
        """Clear a fault and activate; the fingers move."""
        self._tell(0, 0)
        self._tell(ACTIVATE, 0)
        deadline = self.clock.now() + ACTIVATION_TIMEOUT_S
        while (status := self._ask()).activation != ACTIVATED:
            if status.fault >= FIRST_SERIOUS_FAULT or self.clock.now() > deadline:
                raise RobotFault(f"Robotiq gripper at {self._where} does not activate: {status.fault_text}")
            self.clock.sleep_until(self.clock.now() + self._period)

    def _ask(self) -> RobotiqStatus:
        return RobotiqStatus.of(
            self._answered("read_holding_registers", STATUS_ADDRESS, count=NUM_REGISTERS, device_id=self._device_id).registers
        )

    def _tell(self, action: int, position: int) -> None:
        registers = request(action, position, self._speed, self._force)
        self._answered("write_registers", COMMAND_ADDRESS, registers, device_id=self._device_id)

    def _answered(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call the client. Raises DeviceError if there is no answer or it is an error."""
        exceptions = importlib.import_module("pymodbus.exceptions")
        try:
            answer = getattr(self._client, method)(*arguments, **options)
        except (exceptions.ModbusException, OSError) as error:
            raise DeviceError(
                f"Robotiq gripper at {self._where} does not answer ({error}); "
                f"check cable, power and device_id {self._device_id}"
            ) from error
        if answer.isError():
            raise DeviceError(f"Robotiq gripper at {self._where} refused {method} ({answer}); is it a 2F gripper?")
        return answer

    def _make_client(self) -> Any:
        try:
            client = importlib.import_module("pymodbus.client")
        except ImportError as error:
            raise ConfigError(f"Robotiq grippers need the package pymodbus ({error}): {PIP_LINE}") from error
        if self._serial_port:
            return client.ModbusSerialClient(self._serial_port, baudrate=self._baudrate, **self._options)
        return client.ModbusTcpClient(self._host, port=self._tcp_port, **self._options)

    def _opening(self, position: int) -> float:
        raw_open, raw_closed = self._raw
        return min(max((position - raw_closed) / (raw_open - raw_closed), 0.0), 1.0)

    def _newest(self) -> tuple[RobotiqStatus, float]:
        newest = self._status
        if newest is None or self.clock.now() - newest[1] > self._max_age:
            age = "there is none yet" if newest is None else f"it is {self.clock.now() - newest[1]:.2f} s old"
            raise DeviceError(
                f"Robotiq gripper at {self._where}: newest state: {age}, limit {self._max_age:.2f} s; check the line"
            )
        return newest
