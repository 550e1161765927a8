"""How scripts start and end: modules of the user's folder are found, errors are sentences for people, not tracebacks."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from robot_rl.errors import RobotRLError

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""What shells report of a program that Ctrl-C ended."""
OURS = ("robot_rl", "hardware", "sim", "demos", "demonstrations")
"""Loggers that people want to hear more than warnings of."""


def run_script(main: Callable[[], int | None]) -> None:
    """Call `main` and exit with what it returns; a RobotRLError is printed as one message, and the status is then 2.

    `package.module:factory` names are looked up in the current folder too, after everything installed.
    """
    sys.path.append(os.getcwd())
    errors = Console(stderr=True)
    try:
        sys.exit(main())
    except RobotRLError as error:
        errors.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(EXIT_USER_ERROR)
    except KeyboardInterrupt:
        errors.print("interrupted", style="bold red")
        sys.exit(EXIT_INTERRUPTED)


def show_log(console: Console) -> None:
    """Print what the stack logs, also while a live display is on `console`; of others only warnings."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_ConsoleHandler(console)])


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.partition(".")[0] in OURS)

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else ""
        self._console.print(Text(self.format(record), style), soft_wrap=True)
