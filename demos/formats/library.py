"""Optional packages, imported where a format needs them."""

from __future__ import annotations

import importlib
from typing import Any

from robot_rl.errors import ConfigError, pip_line


def need(module: str, purpose: str) -> Any:
    """Return an optional package's module.

    Raises:
        ConfigError: If it is not installed; the message has the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ConfigError(f"{purpose} needs {package} ({error}): {pip_line('formats')}") from error
