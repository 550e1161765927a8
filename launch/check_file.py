"""What can be checked of a station without touching a device."""

from __future__ import annotations

from datetime import date

from check_row import Check, checked, skipped

from robot_rl.envs.options import EnvOptions
from robot_rl.envs.station_env import Devices, StationEnv
from robot_rl.errors import ConfigError
from robot_rl.specs import ArmSpec, RobotSpec
from robot_rl.station import Station

MIN_PERIODS = 2
"""Control periods that a watchdog must wait for, or an ordinary delay stops the robot."""
MAX_WATCHDOG_S = 2.0
"""s that a robot may go on without a command, at most."""


def file_checks(station: Station, today: date) -> tuple[list[Check], Devices | None]:
    """Return the checks of drivers, limits, task and calibration, and the devices, if they can be built; none is connected."""
    devices: Devices | None = None
    error = ""
    try:
        devices = Devices.of(station)
        built = Check("drivers", True, f"{devices.driver.spec.name}; cameras: {', '.join(devices.cameras) or 'none'}")
    except (ConfigError, ImportError, TypeError, ValueError) as failure:
        error = str(failure)
        built = Check("drivers", False, error, fix="correct the file, or install what it names")
    checks = [built]
    if devices is not None:
        checks += [_limits(name, part) for name, part in devices.driver.spec.parts.items() if isinstance(part, ArmSpec)]
        checks.append(_task(station, devices))
    else:
        checks.append(skipped("task", "no drivers"))
    checks += [_watchdog(station), _teleop(station), calibration_check(station, today)]
    return checks, devices


def calibration_check(station: Station, today: date) -> Check:
    """Return whether the station was measured, and not too long ago."""
    calibration, fix = station.calibration, "measure camera poses and tcp again (launch/calibrate_camera.py), then set its date"
    if calibration is None:
        return Check("calibration", False, "none", fix="measure camera poses and tcp, and add [calibration] with the date")
    age = (today - calibration.date).days
    if calibration.valid_days == 0 and age >= 0:
        return Check("calibration", True, f"{calibration.date}, for ever")
    found = f"{age} days old" if age >= 0 else f"{calibration.date} is in the future"
    return Check("calibration", 0 <= age <= calibration.valid_days, found, f"at most {calibration.valid_days} days", fix)


def describe_spec(spec: RobotSpec) -> str:
    """Return a robot's parts in a line."""
    return ", ".join(f"{name} ({type(part).__name__})" for name, part in spec.parts.items())


def _limits(name: str, arm: ArmSpec) -> Check:
    size = [high - low for low, high in zip(arm.workspace_low, arm.workspace_high, strict=True)]
    force = arm.stiffness[0] * arm.max_spring[0]
    found = (
        f"{' x '.join(f'{side:.2f}' for side in size)} m, {arm.max_tcp_speed:g} m/s, {arm.max_tcp_angular_speed:g} rad/s, "
        f"pushes {force:.0f} N an axis at most"
    )
    return Check(f"limits of {name}", True, found)


def _task(station: Station, devices: Devices) -> Check:
    if station.task is None:
        return Check("task", None, "none: the station can be driven by hand, but not learned or deployed at")

    def look() -> str:
        spec = StationEnv(station, EnvOptions(), devices).env_spec
        return f"{spec.name} at {1 / spec.control_dt:g} Hz, observes {', '.join(spec.obs)}"

    return checked("task", look, "correct [task]")


def _watchdog(station: Station) -> Check:
    period = station.task.env.control_dt if station.task is not None else 0.1
    least = MIN_PERIODS * period
    fix = f"set [safety] watchdog_s to {5 * period:g}"
    if station.watchdog_s == 0:
        return Check("watchdog", False, "off: nothing holds the robot when commands stop", fix=fix)
    most = max(MAX_WATCHDOG_S, 5 * period)
    is_ok = least <= station.watchdog_s <= most
    return Check("watchdog", is_ok, f"{station.watchdog_s:g} s", f"{least:g} to {most:g} s", fix)


def _teleop(station: Station) -> Check:
    if station.teleop is None:
        return Check("input device", None, "none: somebody needs another way to stop the robot")
    if station.teleop.driver == "browser":
        return Check("input device", True, f"browser, {station.teleop.takeover.mode}")

    def look() -> str:
        device = station.build_teleop()
        return f"{'none' if device is None else device.name}, {station.teleop.takeover.mode if station.teleop else ''}"

    return checked("input device", look, "name one that hardware.teleop knows")
