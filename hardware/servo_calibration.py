"""Calibration of bus servos: which count of which servo is which angle, in a file as LeRobot writes it, made by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hardware.servo_bus import ServoBus
from hardware.servo_table import COUNTS_PER_TURN, HALF_TURN, RAD_PER_COUNT
from robot_rl.errors import ConfigError, DeviceError

MIN_RANGE_RAD = 0.3
"""A joint that was moved by less was forgotten."""


@dataclass(frozen=True, slots=True)
class JointCalibration:
    """Of one servo. Without `zero` the angle is zero in the middle of the range, as LeRobot's degrees are."""

    id: int
    drive_mode: int = 0
    """1 if the servo counts down where the joint's angle grows."""
    homing_offset: int = 0
    """Counts, as it is stored in the servo."""
    range_min: int = 0
    """Counts after the homing offset."""
    range_max: int = COUNTS_PER_TURN - 1
    zero: int | None = None
    """Counts at which the angle is zero; None: the middle of the range."""

    def __post_init__(self) -> None:
        if not 0 <= self.range_min < self.range_max < COUNTS_PER_TURN:
            raise ConfigError(
                f"servo {self.id}: range {self.range_min}..{self.range_max} is not within 0..{COUNTS_PER_TURN - 1}"
            )
        if self.drive_mode not in (0, 1):
            raise ConfigError(f"servo {self.id}: drive_mode {self.drive_mode} is neither 0 nor 1")

    @property
    def sign(self) -> int:
        """1, or -1 if the servo counts down where the joint's angle grows."""
        return -1 if self.drive_mode else 1

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest angle, rad."""
        low, high = sorted((self.angle(self.range_min), self.angle(self.range_max)))
        return low, high

    @property
    def origin(self) -> float:
        """Counts at which the angle is zero."""
        return (self.range_min + self.range_max) / 2 if self.zero is None else float(self.zero)

    def angle(self, position: float) -> float:
        """Return rad for counts."""
        return self.sign * (position - self.origin) * RAD_PER_COUNT

    def position(self, angle: float) -> int:
        """Return counts for rad, inside the range."""
        counts = self.origin + self.sign * angle / RAD_PER_COUNT
        return min(max(round(counts), self.range_min), self.range_max)

    def opening(self, position: float) -> float:
        """Return how far along its range a gripper is, 0 closed .. 1 open."""
        share = (position - self.range_min) / (self.range_max - self.range_min)
        return min(max(1 - share if self.drive_mode else share, 0.0), 1.0)

    def opened(self, opening: float) -> int:
        """Return counts for an opening, 0 closed .. 1 open."""
        share = 1 - opening if self.drive_mode else opening
        return round(self.range_min + min(max(share, 0.0), 1.0) * (self.range_max - self.range_min))


def load_calibration(path: str | Path, joints: tuple[str, ...]) -> dict[str, JointCalibration]:
    """Return the calibration of these joints. Raises ConfigError with the file, the joint and the remedy."""
    try:
        content = json.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no calibration here; make one: python launch/calibrate_servos.py --help") from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is not a calibration ({error}); make one: python launch/calibrate_servos.py --help"
        ) from error
    if not isinstance(content, dict) or set(joints) - set(content):
        found = ", ".join(content) if isinstance(content, dict) else "no joints"
        raise ConfigError(f"{path}: joints {', '.join(joints)} are wanted; it has {found}")
    calibration = {}
    for name in joints:
        try:
            calibration[name] = JointCalibration(**content[name])
        except (TypeError, ConfigError) as error:
            raise ConfigError(f"{path}: {name}: {error}") from error
    ids = [joint.id for joint in calibration.values()]
    if len(set(ids)) < len(ids):
        raise ConfigError(f"{path}: servo ids {ids} are not all different")
    return calibration


def save_calibration(path: str | Path, calibration: Mapping[str, JointCalibration]) -> None:
    """Write a calibration as JSON; LeRobot reads it too, unless a joint has a `zero`."""
    content = {
        name: {key: value for key, value in asdict(joint).items() if value is not None} for name, joint in calibration.items()
    }
    Path(path).write_text(json.dumps(content, indent=4) + "\n")


class Calibrator:
    """Makes a calibration of limp servos: `begin` with the arm in the middle, then `watch` while a hand moves it."""

    def __init__(self, bus: ServoBus, turning: tuple[str, ...] = (), *, is_zero_first: bool = False) -> None:
        """Calibrate all servos of `bus`, which is connected.

        Args:
            bus: The servos.
            turning: Joints without stops, which get the whole turn.
            is_zero_first: Whether all angles are zero where `begin` finds the arm; else in the middle of the ranges.
        """
        self._bus, self._turning, self._is_zero_first = bus, turning, is_zero_first
        self._offset: dict[int, int] = {}
        self._low: dict[int, int] = {}
        self._high: dict[int, int] = {}
        self._zero: dict[int, int] = {}

    def release(self) -> None:
        """Make the servos limp: hold the arm."""
        for servo in self._bus.names:
            self._bus.write("torque_enable", servo, 0)

    def begin(self) -> None:
        """Make here the middle of every joint's range, half a turn from the encoder's seam.

        Raises:
            DeviceError: If a servo does not take its new settings.
        """
        table = self._bus.table
        self.release()
        for servo in self._bus.names:
            if "lock" in table.registers:
                self._bus.write("lock", servo, 0)
            if self._bus.read_all("mode", [servo])[servo] not in table.position_modes:
                self._bus.write("mode", servo, table.position_modes[0])
            self._bus.write("homing_offset", servo, 0)
            self._bus.write("min_position", servo, 0)
            self._bus.write("max_position", servo, COUNTS_PER_TURN - 1)
        for servo, position in self._bus.read_all("position", self._bus.names).items():
            if not 0 <= position < COUNTS_PER_TURN:
                raise DeviceError(
                    f"{self._bus.called(servo)} has turned more than once ({position}); switch its power off and on"
                )
            offset = (HALF_TURN - position) * table.homing_sign
            offset = min(max(offset, 1 - HALF_TURN), HALF_TURN - 1)  # Feetech's sign bit leaves eleven bits
            self._bus.write("homing_offset", servo, offset)
            self._offset[servo] = offset
        self._low = self._bus.read_all("position", self._bus.names)
        self._high = dict(self._low)
        self._zero = dict(self._low) if self._is_zero_first else {}

    def watch(self) -> dict[str, tuple[int, int, int]]:
        """Look once; return least, present and greatest position of every joint, counts."""
        now = self._bus.read_all("position", self._bus.names)
        self._low = {servo: min(low, now[servo]) for servo, low in self._low.items()}
        self._high = {servo: max(high, now[servo]) for servo, high in self._high.items()}
        return {name: (self._low[servo], now[servo], self._high[servo]) for servo, name in self._bus.names.items()}

    def finish(self) -> dict[str, JointCalibration]:
        """Return the calibration, and keep ranges in the servos too.

        Raises:
            DeviceError: If a joint was hardly moved, or its range crosses the encoder's seam; nothing is kept then.
        """
        calibration = {name: self._joint(servo, name) for servo, name in self._bus.names.items()}
        for joint in calibration.values():
            self._bus.write("min_position", joint.id, joint.range_min)
            self._bus.write("max_position", joint.id, joint.range_max)
            if "lock" in self._bus.table.registers:
                self._bus.write("lock", joint.id, 1)
        return calibration

    def _joint(self, servo: int, name: str) -> JointCalibration:
        zero = self._zero.get(servo)
        if name in self._turning:
            return JointCalibration(servo, 0, self._offset[servo], 0, COUNTS_PER_TURN - 1, zero)
        low, high = self._low[servo], self._high[servo]
        if (high - low) * RAD_PER_COUNT < MIN_RANGE_RAD:
            raise DeviceError(f"{name} was moved by {(high - low) * RAD_PER_COUNT:.2f} rad only; move it from stop to stop")
        if low < 16 or high > COUNTS_PER_TURN - 16:
            turn = (high - low) * RAD_PER_COUNT / (2 * math.pi)
            raise DeviceError(
                f"{name} crossed the encoder's seam ({low}..{high}, {turn:.0%} of a turn); begin nearer the middle of its range"
            )
        return JointCalibration(servo, 0, self._offset[servo], low, high, zero)
