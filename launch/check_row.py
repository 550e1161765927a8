"""One line of a station's check: what was looked at, what was found, what it must be, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.table import Column, Table

from robot_rl.errors import RobotRLError


@dataclass(frozen=True, slots=True)
class Check:
    """A check, and how it went."""

    name: str
    is_ok: bool | None
    """None: not checked, or nothing to be judged."""
    found: str = ""
    limit: str = ""
    fix: str = ""
    """What to do where it failed."""


def checked(name: str, look: Callable[[], str], fix: str = "") -> Check:
    """Return how `look` went: what it returns was found; what it raises of our own errors says what is wrong."""
    try:
        return Check(name, True, look())
    except RobotRLError as error:
        return Check(name, False, str(error), fix=fix or "as it says")
    except Exception as error:  # a driver's own, whatever it raises: the other devices are looked at all the same
        return Check(name, False, f"{type(error).__name__}: {error}", fix=fix or "mend the driver or its options")


def within(name: str, value: float, limit: float, unit: str, fix: str, *, at_least: bool = False) -> Check:
    """Return whether a measured value keeps a limit."""
    is_ok = value >= limit if at_least else value <= limit
    return Check(name, is_ok, f"{value:.3g} {unit}", f"{'at least' if at_least else 'at most'} {limit:.3g} {unit}", fix)


def skipped(name: str, why: str) -> Check:
    """Return a check that could not be made."""
    return Check(name, None, f"not checked: {why}")


def check_table(title: str, checks: list[Check]) -> Table:
    """Return checks for people; those that failed say how to mend them."""
    table = Table(*(Column(name, overflow="fold") for name in ("", "check", "found", "limit", "to do")), title=title)
    marks = {True: "[green]ok[/]", False: "[bold red]FAIL[/]", None: "[dim]-[/]"}
    for each in checks:
        cells = (each.name, each.found, each.limit, "" if each.is_ok or each.is_ok is None else each.fix)
        table.add_row(marks[each.is_ok], *(cell.replace("[", r"\[") for cell in cells))
    return table
