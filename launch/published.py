"""Published configurations as settings of `launch/train.py`: how a class method's value is told on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any


def settings(prefix: str, wanted: Any, preset: Any) -> str:
    """Return the flags that turn a preset's configuration into the one that is wanted.

    Args:
        prefix: Of the flags, `modem` for example.
        wanted: A dataclass, for example `ModemConfig.tdmpc2()`.
        preset: What stands there without flags, of the same class.
    """
    return " ".join(_flags(prefix, wanted, preset))


def _flags(prefix: str, wanted: Any, preset: Any) -> Iterator[str]:
    for field in fields(wanted):
        value, before = getattr(wanted, field.name), getattr(preset, field.name)
        name = field.name.replace("_", "-")
        if value == before:
            continue
        if is_dataclass(value):
            yield from _flags(f"{prefix}.{name}", value, before)
        elif isinstance(value, bool):
            yield f"--{prefix}.{'' if value else 'no-'}{name}"
        elif isinstance(value, tuple):
            yield " ".join((f"--{prefix}.{name}", *map(str, value)))
        else:
            yield f"--{prefix}.{name} {value}"
