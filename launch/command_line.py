"""How scripts end: the stack's own errors are sentences for people, not tracebacks."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from robot_rl.errors import RobotRLError

EXIT_USER_ERROR = 2


def run_script(main: Callable[[], None]) -> None:
    """Call `main`; print a RobotRLError as one message and exit with status 2."""
    try:
        main()
    except RobotRLError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(EXIT_USER_ERROR)
