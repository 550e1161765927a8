"""Check a station: its file, and every device in it, each with what was found, the limit, and how to mend it.

python launch/check_station.py stations/lab.toml --dry-run     # the file only; nothing is touched
python launch/check_station.py stations/lab.toml
python launch/check_station.py stations/lab.toml --move        # the tool moves 2 cm up, to measure how it stops
python launch/check_station.py stations/lab.toml --recover     # clear a protective stop or a reflex whose cause is gone
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import tyro
from check_file import file_checks
from check_machine import camera_checks, device_check, machine_checks, tracker_checks
from check_robot import recovery_check, robot_checks
from check_row import Check, check_table
from command_line import parse, run_script
from rich.console import Console

from hardware.clock import WallClock
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.robot_env import RobotEnvConfig
from robot_rl.envs.station_env import Devices, StationEnv
from robot_rl.errors import ConfigError
from robot_rl.specs import EnvSpec
from robot_rl.station import Station
from robot_rl.station_file import load_station


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """What to check."""

    station: Annotated[str, tyro.conf.Positional]
    """station file, or its name in stations/"""
    dry_run: bool = False
    """look at the file only; no device is touched"""
    move: bool = False
    """move the tool 2 cm up, to measure how it stops: keep clear"""
    recover: bool = False
    """first clear a fault that the robot's own safety has stopped it for: look at the arm, and keep clear"""
    out: Path = Path("data")
    """where recordings go: is there room"""
    json: bool = False
    """print one JSON list instead of a table"""

    def __post_init__(self) -> None:
        if self.recover and self.dry_run:
            raise ConfigError("recover asks the robot, and dry_run touches no device; give one of them")


def main(config: CheckConfig) -> int:
    """Check and print; return 1 if anything failed.

    Raises:
        ConfigError: If the file cannot be read at all.
    """
    station = load_station(config.station)
    checks, devices = file_checks(station, date.today())
    if not config.dry_run and devices is not None:
        checks += live_checks(config, station, devices)
    failed = [each for each in checks if each.is_ok is False]
    if config.json:
        print(json.dumps([asdict(each) for each in checks]))
    else:
        console = Console(emoji=False)
        console.print(check_table(str(station.source), checks))
        console.print(f"{len(failed)} of {len(checks)} checks failed" if failed else "all is well")
    return 1 if failed else 0


def live_checks(config: CheckConfig, station: Station, devices: Devices) -> list[Check]:
    """Connect every device, measure it, and let it go again."""
    settings = station.task.env if station.task is not None else RobotEnvConfig()
    robot, clock = devices.driver, devices.driver.clock
    try:
        checks = [recovery_check(robot)] if config.recover else []
        checks += robot_checks(robot, settings.control_dt, move=config.move)
        for name, camera in devices.cameras.items():
            checks += camera_checks(name, camera, clock, settings.max_frame_age_s)
        device = station.build_teleop() if station.teleop is not None and station.teleop.driver != "browser" else None
        checks += [] if device is None else [device_check(device)]
        checks += tracker_checks(devices.trackers)
        checks += machine_checks(_spec(station, devices), clock, config.out, is_real_time=isinstance(clock, WallClock))
    finally:
        robot.close()
        for camera in devices.cameras.values():
            camera.close()
    return checks


def _spec(station: Station, devices: Devices) -> EnvSpec | None:
    try:
        return StationEnv(station, EnvOptions(), devices).env_spec
    except ConfigError:
        return None  # the checks of the file have told it


if __name__ == "__main__":
    run_script(lambda: main(parse(CheckConfig, __doc__)))
