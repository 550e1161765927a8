"""Make the calibration file of an arm or a hand of bus servos. Its motors are off: hold it.

python launch/calibrate_servos.py so101 --port /dev/ttyACM0 --out stations/so101_calibration.json
python launch/calibrate_servos.py so101 --port /dev/ttyACM1 --out stations/so101_leader_calibration.json
python launch/calibrate_servos.py open_manipulator_x --port /dev/ttyUSB0 --out stations/dynamixel_calibration.json
python launch/calibrate_servos.py dynamixel --port /dev/ttyUSB0 --joints 1:thumb 2:index 3:middle --out stations/hand.json
"""

from __future__ import annotations

import select
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from command_line import parse, run_script
from rich.console import Console

from hardware.dynamixel import OPEN_MANIPULATOR_X
from hardware.serial_port import known_ports
from hardware.servo_bus import ServoBus, dynamixel_bus, feetech_bus
from hardware.servo_calibration import Calibrator, save_calibration
from hardware.so101 import JOINTS, TURNING
from robot_rl.errors import ConfigError

PERIOD_S = 0.02
"""s between two looks while the arm is moved by hand."""


@dataclass(frozen=True, slots=True)
class CalibrateConfig:
    """What to calibrate."""

    device: Annotated[Literal["so101", "open_manipulator_x", "feetech", "dynamixel"], tyro.conf.Positional]
    """an arm that is known (SO-100s are so101, leader arms too), or a make of servos, whose joints are then named"""
    port: str
    """the bus adapter, /dev/ttyACM0 or /dev/serial/by-id/..."""
    out: Path
    """file to write"""
    joints: tuple[str, ...] = ()
    """id:name of each joint, from the base on; only for feetech and dynamixel"""
    turning: tuple[str, ...] = ()
    """joints without stops, by name; so101: its wrist_roll"""
    is_zero_first: bool | None = None
    """whether angles are zero where the arm is held first, rather than in the middle of each range; open_manipulator_x: yes"""
    baudrate: int = 1_000_000
    """bits per s"""
    overwrite: bool = False
    """whether a file that is there may be replaced"""


class Person:
    """Whoever holds the arm, and a terminal."""

    def __init__(self) -> None:
        self._console = Console()

    def wait(self, text: str) -> None:
        """Say what to do and return once Enter was pressed."""
        self._console.print(text, style="bold")
        if not sys.stdin.readline():
            raise ConfigError("a person has to press Enter; run this in a terminal")

    def show(self, ranges: dict[str, tuple[int, int, int]]) -> None:
        """Show how far each joint was moved."""
        line = "  ".join(f"{name} {low}-{high}" for name, (low, _, high) in ranges.items())
        self._console.print(line, end="\r", soft_wrap=True, highlight=False)

    def is_finished(self) -> bool:
        """Return within PERIOD_S whether Enter was pressed."""
        time.sleep(PERIOD_S)
        if not select.select([sys.stdin], [], [], 0.0)[0]:
            return False
        sys.stdin.readline()
        return True


def main(config: CalibrateConfig, person: Person | None = None) -> None:
    """Calibrate, and write the file."""
    person = person or Person()
    if config.out.exists() and not config.overwrite:
        raise ConfigError(f"{config.out} exists; give --overwrite, or another --out")
    names, turning, is_zero_first = described(config)
    bus = open_bus(config, names)
    bus.connect()
    try:
        calibrator = Calibrator(bus, turning, is_zero_first=is_zero_first)
        person.wait("The motors are switched off next: hold the arm. Then press Enter.")
        calibrator.release()
        where = "where all its angles are zero" if is_zero_first else "in the middle of the range of every joint"
        person.wait(f"Put it {where}. Then press Enter.")
        calibrator.begin()
        stops = ", ".join(name for name in names.values() if name not in turning)
        person.wait(f"Press Enter, move these joints from stop to stop, one after the other, and press Enter again: {stops}.")
        while not person.is_finished():
            person.show(calibrator.watch())
        calibration = calibrator.finish()
    finally:
        bus.close()
    config.out.parent.mkdir(parents=True, exist_ok=True)
    save_calibration(config.out, calibration)
    Console().print(f"\nwrote {config.out}; its motors are still off, and switch on when the robot is connected")


def described(config: CalibrateConfig) -> tuple[dict[int, str], tuple[str, ...], bool]:
    """Return the joints by servo id, those that turn freely, and whether zero comes first. Raises ConfigError."""
    zero = config.is_zero_first
    if config.device in ("so101", "open_manipulator_x"):
        if config.joints:
            raise ConfigError(f"{config.device} has its own joints; --joints is for feetech and dynamixel")
        if config.device == "so101":
            return dict(enumerate(JOINTS, start=1)), config.turning or TURNING, bool(zero)
        joints = (*OPEN_MANIPULATOR_X.joints, OPEN_MANIPULATOR_X.gripper or "")
        return dict(enumerate(joints, start=11)), config.turning, zero is not False
    names: dict[int, str] = {}
    for joint in config.joints:
        number, _, name = joint.partition(":")
        if not number.isdecimal() or not name or int(number) in names or name in names.values():
            raise ConfigError(f"--joints {joint}: give id:name, each once, as in 1:thumb")
        names[int(number)] = name
    if not names:
        raise ConfigError("which joints? give --joints id:name id:name ..., from the base on")
    if unknown := set(config.turning) - set(names.values()):
        raise ConfigError(f"--turning {unknown.pop()}: no such joint; there are: {', '.join(names.values())}")
    return names, config.turning, bool(zero)


def open_bus(config: CalibrateConfig, names: dict[int, str]) -> ServoBus:
    """Return the bus, not opened."""
    if not Path(config.port).exists():
        raise ConfigError(f"there is no {config.port}; serial ports here: {', '.join(known_ports()) or 'none'}")
    is_feetech = config.device in ("so101", "feetech")
    return (feetech_bus if is_feetech else dynamixel_bus)(config.port, names, config.baudrate)


if __name__ == "__main__":
    run_script(lambda: main(parse(CalibrateConfig, __doc__)))
