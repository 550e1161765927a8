"""Names to code: tables of import strings that also take ``package.module:attribute``."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from robot_rl.errors import ConfigError


def resolve(name: str, table: Mapping[str, str], kind: str) -> Any:
    """Return the object that `name` stands for.

    Args:
        name: A key of `table`, or ``package.module:attribute``.
        table: Known names to import strings.
        kind: What is being looked up, for the error message ("environment", say).

    Raises:
        ConfigError: If the name is unknown, or its module or attribute does not exist.
    """
    target = table.get(name, name)
    if ":" not in target:
        close = difflib.get_close_matches(name, table, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        known = ", ".join(sorted(table))
        raise ConfigError(f"unknown {kind} {name!r}{hint}; known: {known}; or give 'package.module:attribute'")
    module_name, attribute = target.split(":", 1)
    try:
        found: Any = importlib.import_module(module_name)
    except (ImportError, RuntimeError) as error:  # mujoco refuses an unknown MUJOCO_GL with a RuntimeError
        raise ConfigError(f"{kind} {name!r}: cannot import {module_name!r} ({error})") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"{kind} {name!r}: module {module_name!r} has no {attribute!r}")
        found = getattr(found, part)
    return found
