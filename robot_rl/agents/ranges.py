"""Ranges that settings of more than one agent keep to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from robot_rl.errors import ConfigError


def require_positive(config: Any, names: Iterable[str]) -> None:
    """Raise ConfigError unless the named fields are positive and finite."""
    for name in names:
        if not 0.0 < getattr(config, name) < math.inf:
            raise ConfigError(f"{name} {getattr(config, name):g} is not positive and finite")


def require_not_negative(config: Any, names: Iterable[str]) -> None:
    """Raise ConfigError unless the named fields are finite and not negative."""
    for name in names:
        if not 0.0 <= getattr(config, name) < math.inf:
            raise ConfigError(f"{name} {getattr(config, name):g} is negative or not finite")


def require_at_most_one(config: Any, names: Iterable[str]) -> None:
    """Raise ConfigError if a named field is above 1."""
    for name in names:
        if getattr(config, name) > 1.0:
            raise ConfigError(f"{name} {getattr(config, name):g} is above 1")


def require_discount(discount: float) -> None:
    """Raise ConfigError unless `discount` is between 0 and 1."""
    if not 0.0 < discount < 1.0:
        raise ConfigError(f"discount {discount:g} is not between 0 and 1")


def halved(weight: float, least: float, halving_steps: int, step: int) -> float:
    """Return `weight` after `step` steps, halved every `halving_steps` (0: never) and not below `least`."""
    return weight if halving_steps == 0 else max(least, weight * 0.5 ** (step / halving_steps))
