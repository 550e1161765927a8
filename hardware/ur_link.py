"""The connection to a UR controller through the package ur_rtde, and what it means when that answers no more."""

from __future__ import annotations

import contextlib
import importlib
import math
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hardware.ur_fields import (
    DASHBOARD_PORT,
    NORMAL,
    PROTECTIVE_STOP,
    REDUCED,
    ROBOT_MODES,
    RTDE_PORT,
    RUNNING,
    SAFETY_MODES,
    SCRIPT_PORTS,
)
from robot_rl.errors import ConfigError, DeviceError, RobotFault, pip_line

PIP_LINE = pip_line("ur")
REACH_TIMEOUT_S = 2.0
"""s to wait for the controller's ports: the vendor's client would wait for minutes."""
SHORT_S = 0.5
"""s to wait for the dashboard when the arm shall stand still."""
EXPLAIN_S = 0.3
"""s to wait for the safety mode that explains why the program has ended: the two come on different connections."""
DISCONNECT_S = 3.0
"""s to wait for the vendor's client to let go."""
VARIABLES = [
    *["timestamp", "actual_q", "actual_qd", "actual_TCP_pose", "actual_TCP_speed", "actual_TCP_force"],
    *["robot_mode", "safety_mode", "robot_status_bits", "safety_status_bits", "runtime_state"],
]
BASE = [0.0] * 6
ALL_AXES = [1] * 6
NOT_TRANSFORMED = 2
"""Type of force mode in which the force frame is as it is given."""


_abandoned: dict[str, list[Any]] = {}
"""Clients that did not let go, by host. One whose data had stopped goes on reconnecting and sends its program again and again
(the arm stands still), and to destroy it would wait for it with Python's lock held."""


@dataclass(frozen=True, slots=True)
class UrReading:
    """What the controller sent last; vectors as its client gives them."""

    timestamp: float
    """s since the controller was switched on."""
    tcp_pose: list[float]
    """[6], m and rotation vector, T_base_tcp."""
    tcp_speed: list[float]
    """[6], m/s and rad/s, base axes."""
    tcp_force: list[float]
    """[6], N and Nm, base axes."""
    q: list[float]
    """[6], rad."""
    qd: list[float]
    """[6], rad/s."""
    safety_mode: int
    robot_mode: int
    is_program_running: bool


@dataclass(frozen=True, slots=True)
class UrSetUp:
    """What the controller is told before the arm may move."""

    rate_hz: float
    watchdog_hz: float
    payload_kg: float
    payload_center_m: Sequence[float]
    tcp_pose: Sequence[float]
    damping: float
    zero_sensor: bool

    def __post_init__(self) -> None:
        """Raise ConfigError if a number would endanger the arm."""
        ranges = {
            "payload_kg": (self.payload_kg, 0.0, 50.0),
            "force_mode_damping": (self.damping, 0.0, 1.0),
            "rate_hz": (self.rate_hz, 20.0, 500.0),
            "watchdog_hz": (self.watchdog_hz, 0.5, self.rate_hz / 2.0),  # it is fed rate_hz times a second
        }
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high:
                raise ConfigError(f"ur: {name} {value:g} is not in {low:g}..{high:g}")
        for name, vector in {"tcp_m, tcp_rotvec_rad": self.tcp_pose, "payload_center_m": self.payload_center_m}.items():
            if not math.isfinite(sum(vector)):
                raise ConfigError(f"ur: {name} {list(vector)} are not finite")


class UrLink:
    """Open from `connect` to `close`. Only one thread may call `press` and `hold`."""

    def __init__(self, host: str, set_up: UrSetUp) -> None:
        self._host, self._set_up = host, set_up
        self._receive: Any = None
        self._control: Any = None

    def connect(self) -> None:
        """Open the connection, start the control program and tell it payload, tcp and watchdog.

        Raises:
            ConfigError: If the package ur_rtde is missing.
            RobotFault: If the arm is stopped or not powered.
            DeviceError: If the controller is not there or does not take commands.
        """
        control = _package("rtde_control")
        self._open_receive()
        try:
            self.require_no_fault()
            self._control = control.RTDEControlInterface(self._host, self._set_up.rate_hz)
            self._prepare()
        except RuntimeError as error:  # DeviceError is one too, and says more
            self.close()
            if isinstance(error, DeviceError):
                raise
            remedy = "switch the pendant to remote control" if "remote" in str(error) else "see docs/hardware.md, UR arms"
            raise DeviceError(f"UR at {self._host} refused control ({error}); {remedy}") from error

    def close(self) -> None:
        """End the control program and let go of the controller; never raises, and takes a few seconds at most."""
        control, receive = self._control, self._receive
        self._control = self._receive = None
        if control is not None:
            self.end_program()
        for client in (control, receive):
            if client is not None:
                self._disconnect(client)

    def end_program(self) -> bool:
        """Let the arm stand still by ending the program, and return whether the controller confirmed it.

        It takes the dashboard's connection, since the vendor's client waits for minutes if data have stopped coming.
        """
        try:
            with socket.create_connection((self._host, DASHBOARD_PORT), SHORT_S) as dashboard:
                dashboard.settimeout(SHORT_S)
                lines = dashboard.makefile("rw", newline="\n")
                lines.readline()
                lines.write("stop\n")
                lines.flush()
                return lines.readline().startswith("Stopped")
        except OSError:
            return False

    def read(self) -> UrReading:
        """Return what came last, however old.

        Raises:
            DeviceError: If the connection is lost.
        """
        receive = self._receive
        if receive is None or not receive.isConnected():
            raise DeviceError(
                f"connection to the UR at {self._host} is lost; check cable and controller, then close() and connect()"
            )
        return UrReading(
            timestamp=receive.getTimestamp(),
            tcp_pose=receive.getActualTCPPose(),
            tcp_speed=receive.getActualTCPSpeed(),
            tcp_force=receive.getActualTCPForce(),
            q=receive.getActualQ(),
            qd=receive.getActualQd(),
            safety_mode=receive.getSafetyMode(),
            robot_mode=receive.getRobotMode(),
            is_program_running=bool(receive.getRobotStatus() & 2),
        )

    def press(self, wrench: list[float], max_twist: list[float]) -> None:
        """Give way to forces and exert `wrench` [6], N and Nm, base axes, no faster than `max_twist` [6], m/s and rad/s."""
        self._require(self._control.forceMode(BASE, ALL_AXES, wrench, NOT_TRANSFORMED, max_twist))

    def hold(self) -> None:
        """Stand still, as stiff as the arm is."""
        self._require(self._control.forceModeStop())

    def kick(self) -> None:
        """Tell the watchdog that somebody is there."""
        self._require(self._control.kickWatchdog())

    def require_no_fault(self) -> UrReading:
        """Return the reading of an arm that may move.

        Raises:
            RobotFault: If it is stopped or not powered; the message says what to do.
        """
        reading = self.read()
        mode, where = SAFETY_MODES.get(reading.safety_mode, str(reading.safety_mode)), f"UR at {self._host}"
        if reading.safety_mode == PROTECTIVE_STOP:
            raise RobotFault(f"{where} made a protective stop; look for the cause, clear it, wait 5 s, then call recover()")
        if reading.safety_mode not in (NORMAL, REDUCED):
            raise RobotFault(f"{where} is in {mode}; release it and start the arm at the pendant, then call recover()")
        if reading.robot_mode != RUNNING:
            state = ROBOT_MODES.get(reading.robot_mode, str(reading.robot_mode))
            raise RobotFault(f"{where} is {state}; switch on and release the brakes at the pendant, then call recover()")
        return reading

    def recover(self) -> None:
        """Unlock a protective stop and start the control program again, connected before or not; the arm stands still.

        Raises:
            RobotFault: If the controller does not allow it, or the arm is stopped for another reason.
            DeviceError: If the connection is lost, or the program does not start.
        """
        if self._safety_mode() == PROTECTIVE_STOP:
            self._unlock()
        self.close()
        self.connect()

    def _unlock(self) -> None:
        dashboard = _package("dashboard_client").DashboardClient(self._host)
        try:
            dashboard.connect()
            dashboard.unlockProtectiveStop()
        except RuntimeError as error:
            raise RobotFault(f"UR at {self._host} stays stopped: {error}") from error
        finally:
            dashboard.disconnect()

    def _safety_mode(self) -> int:
        """Return what the controller says, by a connection of its own if there is none."""
        if self._receive is not None:
            return self.read().safety_mode
        self._open_receive()
        try:
            return self.read().safety_mode
        finally:
            self.close()

    def _open_receive(self) -> None:
        receive = _package("rtde_receive")
        self._reach()
        if self._host in _abandoned:
            raise DeviceError(
                f"UR at {self._host}: an earlier connection of this program was lost and does not let go; start it again"
            )
        try:
            self._receive = receive.RTDEReceiveInterface(self._host, self._set_up.rate_hz, VARIABLES)
        except RuntimeError as error:
            raise DeviceError(f"UR at {self._host} sends no data ({error}); see docs/hardware.md, UR arms") from error

    def _prepare(self) -> None:
        control, set_up = self._control, self._set_up
        self._require(control.setPayload(set_up.payload_kg, list(set_up.payload_center_m)))
        self._require(control.setTcp(list(set_up.tcp_pose)))
        self._require(control.forceModeSetDamping(set_up.damping))
        if set_up.zero_sensor:
            self._require(control.zeroFtSensor())
        self._require(control.setWatchdog(set_up.watchdog_hz))

    def _require(self, is_done: bool) -> None:
        if is_done:
            return
        deadline = time.monotonic() + EXPLAIN_S
        while time.monotonic() < deadline:
            self.require_no_fault()
            time.sleep(EXPLAIN_S / 30)
        raise DeviceError(
            f"UR at {self._host}: its control program has ended (stopped at the pendant, or no command came for "
            f"{1 / self._set_up.watchdog_hz:g} s); call recover()"
        )

    def _disconnect(self, client: Any) -> None:
        """Let a vendor's client go; one that does not come back in time is left alone."""

        def disconnect() -> None:
            with contextlib.suppress(RuntimeError):  # it is gone already
                client.disconnect()

        thread = threading.Thread(target=disconnect, name="ur-disconnect", daemon=True)
        thread.start()
        thread.join(DISCONNECT_S)
        if thread.is_alive():
            _abandoned.setdefault(self._host, []).append(client)

    def _reach(self) -> None:
        for port in (RTDE_PORT, DASHBOARD_PORT, SCRIPT_PORTS[1]):
            try:
                socket.create_connection((self._host, port), REACH_TIMEOUT_S).close()
            except OSError as error:
                reason = error.strerror or str(error)
                raise DeviceError(
                    f"no UR at {self._host}, port {port} ({reason}); check the address, the cable, and that it is on"
                ) from error


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"UR arms need the package ur_rtde ({error}): {PIP_LINE}") from error
