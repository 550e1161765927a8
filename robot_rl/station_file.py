"""Reading `stations/<name>.toml`: every mistake is reported with its file, its key and what would be allowed."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from robot_rl.envs.robot_env import RobotEnvConfig
from robot_rl.envs.takeover import TakeOverConfig
from robot_rl.errors import ConfigError
from robot_rl.station import Calibration, CameraDevice, Device, Station, TaskSetup, TeleopDevice, Workspace

FOLDER = Path("stations")
"""Where stations lie, seen from where scripts are started."""


def load_station(name: str | Path, folder: Path = FOLDER) -> Station:
    """Return the station called `name`, or described by the file `name`.

    Raises:
        ConfigError: If there is no such file, or something in it is unknown, missing or of the wrong kind.
    """
    path = Path(name) if str(name).endswith(".toml") else folder / f"{name}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in folder.glob("*.toml"))) or "none"
        raise ConfigError(f"no station file {path}; stations in {folder}/: {known}; or give a path to a .toml") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    top = _Table(path, "", data)
    top.allow("robot", "cameras", "trackers", "teleop", "workspace", "limits", "safety", "task", "calibration")
    teleop, calibration, task = top.table("teleop"), top.table("calibration"), top.table("task")
    return Station(
        name=path.stem,
        source=path,
        robot=_device(top.table("robot", required=True)),
        cameras={name: _camera(table) for name, table in top.tables("cameras").items()},
        trackers={name: _device(table) for name, table in top.tables("trackers").items()},
        teleop=_teleop(teleop) if teleop else None,
        workspace={name: _workspace(table) for name, table in top.tables("workspace").items()},
        limits={name: table.floats() for name, table in top.tables("limits").items()},
        watchdog_s=_watchdog(top.table("safety")),
        task=_task(task, path.stem) if task else None,
        calibration=_calibration(calibration) if calibration else None,
    )


class _Table:
    """One table of the file, which knows where it stands. A table that is not there is false."""

    def __init__(self, file: Path, path: str, values: Mapping[str, Any] | None) -> None:
        self._file, self._path, self._values = file, path, values

    def __bool__(self) -> bool:
        return self._values is not None

    def allow(self, *keys: str) -> None:
        """Raise if there is any other key."""
        for key in self._values or {}:
            if key not in keys:
                close = difflib.get_close_matches(key, keys, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise self.error(f"has unknown key {key!r}{hint}; allowed: {', '.join(keys)}")

    def get(self, key: str, kind: type, description: str, default: Any = ...) -> Any:
        """Return a value that is of `kind`; without a default it must be there."""
        value = (self._values or {}).get(key, default)
        if value is ...:
            raise self.error(f"lacks {key!r}, {description}")
        if value is not default and not isinstance(value, kind):
            raise self.error(f"{key} must be {description}, is {value!r}")
        return value

    def numbers(self, key: str, count: int, kind: type | tuple[type, ...], description: str) -> tuple[Any, ...]:
        """Return a list of `count` numbers as a tuple."""
        value = self.get(key, list, description)
        if len(value) != count or any(isinstance(item, bool) or not isinstance(item, kind) for item in value):
            raise self.error(f"{key} must be {description}, is {value!r}")
        return tuple(value)

    def floats(self) -> dict[str, float]:
        """Return all values, each of which must be a number."""
        values = self._values or {}
        for key, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self.error(f"{key} must be a number, is {value!r}")
        return {key: float(value) for key, value in values.items()}

    def settings(self, kind: type, *others: str, tables: tuple[str, ...] = ()) -> Any:
        """Return a frozen dataclass made of the keys that are its fields; `tables` are fields that are dataclasses too.

        Raises:
            ConfigError: If a key is neither a field nor one of `others`, or a value is of the wrong kind.
        """
        names = [entry.name for entry in fields(kind)]
        self.allow(*names, *others)
        for name in tables:
            default: Any = next(entry for entry in fields(kind) if entry.name == name).default_factory
            self.table(name).allow(*(entry.name for entry in fields(default)))
        values = {key: value for key, value in (self._values or {}).items() if key in names}
        try:
            return TypeAdapter(kind).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            own = first.get("ctx", {}).get("error")  # what the dataclass of a sub-table says of its own values
            if isinstance(own, ConfigError):
                raise _Table(self._file, self._join(where) if where else self._path, None).error(str(own)) from error
            raise self.error(f"{where}: {first['msg']}; is {first['input']!r}") from error
        except ConfigError as error:
            raise self.error(str(error)) from error

    def has(self, key: str) -> bool:
        """Return whether the key is there."""
        return key in (self._values or {})

    def table(self, key: str, *, required: bool = False) -> _Table:
        """Return a sub-table."""
        values = self.get(key, dict, f"a table [{self._join(key)}]", ... if required else None)
        return _Table(self._file, self._join(key), values)

    def tables(self, key: str) -> dict[str, _Table]:
        """Return the sub-tables of a sub-table, by name; none if it is not there."""
        parent = self.table(key)
        return {name: parent.table(name, required=True) for name in parent._values or {}}

    def error(self, message: str) -> ConfigError:
        """Return an error that names file and table."""
        where = f"[{self._path}] " if self._path else ""
        return ConfigError(f"{self._file}: {where}{message}")

    def _join(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _device(table: _Table) -> Device:
    table.allow("driver", "options")
    return Device(*_driver_and_options(table))


def _camera(table: _Table) -> CameraDevice:
    table.allow("driver", "options", "crop")
    crop = None
    if table.has("crop"):
        description = "[top, left, height, width] in pixels"
        top, left, height, width = table.numbers("crop", 4, int, description)
        if min(top, left) < 0 or min(height, width) < 1:
            raise table.error(f"crop must be {description} inside the picture, is {[top, left, height, width]}")
        crop = (top, left, height, width)
    return CameraDevice(*_driver_and_options(table), crop=crop)


def _teleop(table: _Table) -> TeleopDevice:
    driver, options = _driver_and_options(table)
    takeover: TakeOverConfig = table.settings(TakeOverConfig, "driver", "options")
    return TeleopDevice(driver, options, takeover if table.has("mode") else replace(takeover, mode="hold"))


def _watchdog(table: _Table) -> float:
    table.allow("watchdog_s")
    timeout = table.floats().get("watchdog_s", 0.5)
    if not 0.0 <= timeout < math.inf:
        raise table.error(f"watchdog_s {timeout:g} must be 0 or more; give several control periods, or 0 for none")
    return timeout


def _task(table: _Table, station: str) -> TaskSetup:
    env = table.settings(RobotEnvConfig, "name", "reward", "reset", tables=("action", "observation", "frame_guard"))
    reward, reset = table.table("reward"), table.table("reset")
    return TaskSetup(
        table.get("name", str, "the task's name", station),
        env,
        _device(reward) if reward else Device("person"),
        _device(reset) if reset else Device("hold"),
    )


def _driver_and_options(table: _Table) -> tuple[str, dict[str, Any]]:
    driver = table.get("driver", str, "a driver's name or 'package.module:Class'")
    options = table.get("options", dict, "a table of the driver's options", {})
    unknown = [name for name, value in _leaves(options) if isinstance(value, float) and math.isnan(value)]
    if unknown:
        raise table.error(f"options: {unknown[0]} is nan, which no driver can use")
    return driver, options


def _leaves(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every value in a driver's options that is no table and no list, with the name of its option."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield from ((name, item) for item in (value if isinstance(value, list) else [value]))


def _workspace(table: _Table) -> Workspace:
    table.allow("low_m", "high_m")
    low, high = (table.numbers(key, 3, (int, float), "[x, y, z] in m, base frame") for key in ("low_m", "high_m"))
    if not all(a < b for a, b in zip(low, high, strict=True)):
        raise table.error(f"low_m {list(low)} is not below high_m {list(high)}")
    return Workspace(tuple(map(float, low)), tuple(map(float, high)))  # pyright: ignore[reportArgumentType] (3 each)


def _calibration(table: _Table) -> Calibration:
    table.allow("date", "note", "valid_days")
    return Calibration(
        table.get("date", date, "a date such as 2026-01-31"),
        table.get("note", str, "a text", ""),
        table.get("valid_days", int, "days after which to measure again, 0 for never", 90),
    )
