"""A robot whose joints are servos on one bus: an arm, its gripper, a hand."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from hardware.clock import WallClock
from hardware.servo_bus import ServoBus, ServoReading
from hardware.servo_calibration import JointCalibration
from hardware.servo_parts import ServoPart
from robot_rl.envs.parts import check_parts
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.protocols import Clock
from robot_rl.specs import RobotSpec
from robot_rl.types import Command, RobotState

log = logging.getLogger(__name__)

STOP_TRIES = 3
STOP_WAIT_S = 1.0
"""s that a stop waits for the bus: longer than the longest transaction, three lost answers and a look who is silent."""
FRESH_S = 0.01
"""s for which a reading is good enough to bound a goal by: an environment reads, and commands at once."""
RANGE_SLACK_RAD = 0.2
"""How far outside its calibrated range a joint may be found: soft stops give."""


@dataclass(frozen=True, slots=True)
class ServoConfig:
    """How servos are driven; sent to them at every connect."""

    max_qvel: float = 1.5
    """rad/s, of every joint: the speed of the servo's own profile"""
    max_qacc: float = 15.0
    """rad/s^2"""
    max_temperature_c: float = 65.0
    """degrees Celsius at which the robot is held; STS servos switch themselves off at 70"""
    min_voltage_v: float = 4.8
    """V at which the robot is held: a supply that gives in lets servos restart, and the arm falls"""
    is_limp_when_closed: bool = False
    """whether `close` lets the arm go; else it holds until its power is switched off"""

    def __post_init__(self) -> None:
        for name in ("max_qvel", "max_qacc", "max_temperature_c"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"servo {name} {getattr(self, name):g} is not positive")


class ServoRobot:
    """Every joint is told a goal near where it is, goes there at its profile's speed, and holds there, whatever becomes of us.

    So what a lost cable, a crashed program or a wrong policy can do is bounded by the goal: `max_reference_error_rad` past the
    measured angle, with `torque_limit` of the servo's torque. A goal is read back from the servos before `command` returns.
    """

    def __init__(
        self,
        name: str,
        bus: ServoBus,
        parts: Mapping[str, ServoPart],
        config: ServoConfig | None = None,
        clock: Clock | None = None,
        uncalibrated: str | None = None,
    ) -> None:
        """Describe the robot; nothing is opened. One that is `uncalibrated`, for want of this file, cannot be connected."""
        self._uncalibrated = uncalibrated
        self.spec = RobotSpec(name, {part: description.spec for part, description in parts.items()})
        self.clock: Clock = WallClock() if clock is None else clock
        self._bus, self._parts, self._config = bus, dict(parts), config or ServoConfig()
        self._joints: dict[int, JointCalibration] = {
            joint.id: joint for part in parts.values() for joint in part.joints.values()
        }
        self._is_connected = False
        self._newest: tuple[float, dict[int, ServoReading]] | None = None

    def connect(self) -> None:
        """Open the bus, check servos and calibration, and hold where the robot is; idempotent.

        Raises:
            DeviceError: If something is not as expected; the message has the remedy, and nothing has moved.
        """
        with self._bus.lock:
            if self._is_connected:
                return
            if self._uncalibrated is not None:
                raise DeviceError(
                    f"{self.spec.name}: {self._uncalibrated}: no calibration here; make one: "
                    "python launch/calibrate_servos.py --help"
                )
            self._bus.connect()
            self._newest = None
            try:
                self._check_calibration()
                self._is_connected = True
                self._power_up(self._read(is_powered=False))
            except BaseException:
                self._is_connected = False
                self._bus.close()
                raise

    def read(self) -> RobotState:
        """Return the newest state of every part. Raises DeviceError if a servo is silent, unwell or has let go."""
        self._require_connection()
        with self._bus.lock:
            readings = self._read()
            stamp = self.clock.now()
            self._newest = stamp, readings
        return {name: part.state(readings, stamp) for name, part in self._parts.items()}

    def command(self, command: Command) -> Command:
        """Send goals to the servos of these parts, at once, and return what they mean.

        A pose that the arm cannot reach becomes the nearest that it can: of an arm of five joints the position, and the
        rotation as far as it goes.
        """
        self._require_connection()
        check_parts(self.spec, command)
        with self._bus.lock:
            newest = self._newest
            is_fresh = newest is not None and self.clock.now() - newest[0] <= FRESH_S
            readings = newest[1] if newest is not None and is_fresh else self._read()
            goals: dict[int, int] = {}
            sent: Command = {}
            for name, target in command.items():
                counts, sent[name] = self._parts[name].goals(name, target, readings)
                goals |= counts
            if goals:
                self._bus.write_all("goal_position", goals)
        return sent

    def stop(self) -> None:
        """Hold where it is. Servos that do not answer keep their last goal, which is never far."""
        if not self._is_connected:
            return
        if not self._bus.lock.acquire(timeout=STOP_WAIT_S):
            log.error("%s: the bus is busy for %g s; the servos keep their last goals", self.spec.name, STOP_WAIT_S)
            return
        try:
            self._hold()
        except Exception as error:  # whatever it is: stopping must not raise, and servos hold at goals that are near
            log.error("%s could not be told to hold: %s; its servos keep their last goals", self.spec.name, error)
        finally:
            self._bus.lock.release()

    def close(self) -> None:
        """Hold, or let go if so configured, and release the bus; idempotent, never raises."""
        self.stop()
        with self._bus.lock:
            if self._is_connected and self._config.is_limp_when_closed:
                try:
                    self._bus.send_all("torque_enable", dict.fromkeys(self._joints, 0))
                except DeviceError as error:
                    log.error("%s could not be let go: %s", self.spec.name, error)
            self._is_connected = False
            self._bus.close()

    def _hold(self) -> None:
        """Make every servo's goal the place where it is, until those that answer have taken it."""
        for _ in range(STOP_TRIES):
            readings = self._bus.read_some(self._joints)
            goals = {servo: self._held(servo, reading) for servo, reading in readings.items()}
            if not goals:
                break
            self._bus.send_all("goal_position", goals)
            taken = self._bus.read_some_of("goal_position", goals)
            if all(taken.get(servo) == goal for servo, goal in goals.items()):
                break
        if silent := [self._bus.called(servo) for servo in self._joints if servo not in readings]:
            log.error("%s: no answer from %s while stopping; they keep their last goals", self.spec.name, ", ".join(silent))

    def _held(self, servo: int, reading: ServoReading) -> int:
        joint = self._joints[servo]
        return min(max(reading.position, joint.range_min), joint.range_max)

    def _read(self, *, is_powered: bool = True) -> dict[int, ServoReading]:
        readings = self._bus.read(self._joints)
        for servo, reading in readings.items():
            if trouble := self._trouble(reading, is_powered=is_powered):
                raise DeviceError(
                    f"{self._bus.called(servo)}: {trouble} (load {reading.load:.0%}, {reading.voltage_v:.1f} V, "
                    f"{reading.temperature_c:.0f} degrees Celsius)"
                )
        return readings

    def _trouble(self, reading: ServoReading, *, is_powered: bool) -> str:
        """Return what is wrong with a servo and what helps, or nothing."""
        if reading.faults:
            return f"{', '.join(reading.faults)}; relieve it, let it cool, switch its power off and on, and connect anew"
        if is_powered and not reading.is_powered:
            return "its motor is off: it restarted, as after a dip in voltage; check the power supply and its plugs"
        if reading.temperature_c > self._config.max_temperature_c:
            return f"hotter than {self._config.max_temperature_c:g}; let it rest, and relieve the arm while it waits"
        if reading.voltage_v < self._config.min_voltage_v:
            return f"less than {self._config.min_voltage_v:g} V; check the power supply"
        return ""

    def _check_calibration(self) -> None:
        table = self._bus.table
        offsets = self._bus.read_all("homing_offset", self._joints)
        modes = self._bus.read_all("mode", self._joints)
        positions = self._bus.read_all("position", self._joints)
        for servo, joint in self._joints.items():
            called, remedy = self._bus.called(servo), "calibrate it: python launch/calibrate_servos.py --help"
            if offsets[servo] != joint.homing_offset:
                raise DeviceError(
                    f"{called} has homing offset {offsets[servo]}, the calibration says {joint.homing_offset}: it is of "
                    f"another arm, or the servo was replaced; {remedy}"
                )
            if modes[servo] not in table.position_modes:
                raise DeviceError(f"{called} is in mode {modes[servo]}, which does not follow positions; {remedy}")
            slack = RANGE_SLACK_RAD / (joint.limits[1] - joint.limits[0]) * (joint.range_max - joint.range_min)
            if not joint.range_min - slack <= positions[servo] <= joint.range_max + slack:
                raise DeviceError(
                    f"{called} is at {positions[servo]}, outside its range {joint.range_min}..{joint.range_max}; switch its "
                    f"power off and on if it turned right round, or {remedy}"
                )

    def _power_up(self, readings: Mapping[int, ServoReading]) -> None:
        """Set limits and profile, make the goal the place where each servo is, and switch its motor on."""
        table, config = self._bus.table, self._config
        self._bus.write_all("goal_position", {servo: self._held(servo, reading) for servo, reading in readings.items()})
        speed = max(1, round(config.max_qvel / table.speed_unit))
        acceleration = min(max(1, round(config.max_qacc / table.acceleration_unit)), 254)
        for part in self._parts.values():
            for servo in part.ids:
                self._bus.write("torque_limit", servo, round(part.torque_limit * table.full_torque))
                self._bus.write("acceleration", servo, acceleration)
                self._bus.write("goal_speed", servo, speed)
                self._bus.write("torque_enable", servo, 1)

    def _require_connection(self) -> None:
        if not self._is_connected:
            raise DeviceError(f"robot {self.spec.name!r} is not connected; call connect() first")
