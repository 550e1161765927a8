"""Configurations as plain JSON values, and how two of them differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def to_plain(value: Any) -> Any:
    """Return a configuration as JSON would give it back: dicts, lists, numbers, strings.

    Raises:
        TypeError: If it holds something that JSON cannot.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"cannot write {type(value).__name__} {value!r} as JSON")


def differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return the dotted keys in which two plain configurations differ, each with a sentence for people."""
    old, new = dict(_flatten(stored)), dict(_flatten(wanted))
    missing = object()
    out: dict[str, str] = {}
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key, missing), new.get(key, missing)
        if before != after:
            show = ["not set" if value is missing else repr(value) for value in (before, after)]
            out[key] = f"{key} is {show[0]} in the run, {show[1]} was asked for"
    return out


def _flatten(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in config.items():
        out += _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else [(f"{prefix}{key}", value)]
    return out
