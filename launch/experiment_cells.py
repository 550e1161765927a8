"""Cells and tables of the pages in docs/experiments."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from robot_rl.training.statistics import wilson_interval

NONE = "-"
"""In a table: not measured, or never reached."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def success(k: int, n: int) -> str:
    """Return `k` of `n` with Wilson's 95% interval."""
    low, high = wilson_interval(k, n)
    return f"{k}/{n} ({low:.0%} to {high:.0%})"


def percent(rate: float | None, decimals: int = 0) -> str:
    """Return a share."""
    return NONE if rate is None else f"{rate:.{decimals}%}"


def number(value: float | None, decimals: int = 1) -> str:
    """Return a number."""
    return NONE if value is None else f"{value:.{decimals}f}"


def mean(values: Iterable[Any]) -> float | None:
    """Return the mean of those that were measured."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def median(steps: Iterable[int | None]) -> str:
    """Return the median of those that were reached."""
    reached = [value for value in steps if value is not None]
    return f"{statistics.median(reached):.0f}" if reached else NONE
