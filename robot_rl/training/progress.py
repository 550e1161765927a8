"""What a person sees of a running training: a live panel on a terminal, an occasional line in a log file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_EVERY_S = 15.0
"""s between two lines where there is no terminal."""
RATE_WINDOW_S = 20.0
"""s over which rates are measured; long enough to span an evaluation."""


@dataclass(frozen=True, slots=True)
class Status:
    """One look at a run. None: not known yet."""

    env_steps: int
    updates: int = 0
    """Gradient updates so far."""
    phase: str = "training"
    """What is going on: `cloning`, `training`, `evaluating`."""
    recent_success: float | None = None
    """Success rate of the last training episodes."""
    evaluation: tuple[int, int] | None = None
    """Successes and episodes of the last evaluation."""
    intervention_rate: float | None = None
    """Share of steps in which a human acted."""


class ProgressDisplay:
    """Shows a run while entered: a live panel on a terminal, elsewhere a line now and then and at every evaluation."""

    def __init__(
        self,
        title: str,
        total_steps: int,
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is shown yet.

        Args:
            title: The run, for people.
            total_steps: Environment steps of the whole run.
            console: Where to; None: standard output.
            clock: s, monotonic.
        """
        self._title, self._total, self._clock = title, max(1, total_steps), clock
        self._console = console or Console()
        self._status = Status(0, phase="starting")
        self._history: deque[tuple[float, int, int]] = deque()
        self._last_line = -float("inf")
        self._has_news = False
        self._live = Live(self._panel(), console=self._console, refresh_per_second=4) if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
        elif kind is None and self._has_news:
            self._print_line()

    def update(self, status: Status) -> None:
        """Show a new status."""
        now = self._clock()
        is_due_now = status.evaluation != self._status.evaluation or status.phase != self._status.phase
        self._status, self._has_news = status, True
        self._history.append((now, status.env_steps, status.updates))
        while len(self._history) > 2 and self._history[1][0] < now - RATE_WINDOW_S:
            self._history.popleft()
        if self._live is not None:
            self._live.update(self._panel())
        elif is_due_now or now - self._last_line >= LINE_EVERY_S:
            self._print_line()

    def note(self, message: str) -> None:
        """Print a line that stays, above the panel."""
        self._console.print(message, highlight=False, markup=False)

    @property
    def fields(self) -> dict[str, str]:
        """What is shown, by label; values that are not known are left out."""
        status = self._status
        steps_per_s, updates_per_s = self._rates()
        shown: dict[str, str | None] = {
            "phase": status.phase,
            "steps": f"{status.env_steps}/{self._total}",
            "success of the last 20 episodes": None if status.recent_success is None else f"{status.recent_success:.0%}",
            "last evaluation": None if status.evaluation is None else f"{status.evaluation[0]}/{status.evaluation[1]}",
            "intervention rate": None if status.intervention_rate is None else f"{status.intervention_rate:.0%}",
            "updates/s": f"{updates_per_s:.0f}" if updates_per_s else None,
            "time left": format_duration((self._total - status.env_steps) / steps_per_s) if steps_per_s else None,
        }
        return {label: value for label, value in shown.items() if value is not None}

    def _rates(self) -> tuple[float, float]:
        """Return environment steps and updates a second over the last while; 0 where nothing moved."""
        if len(self._history) < 2:
            return 0.0, 0.0
        (start, steps_before, updates_before), (end, steps, updates) = self._history[0], self._history[-1]
        elapsed = max(end - start, 1e-9)
        return max(0, steps - steps_before) / elapsed, max(0, updates - updates_before) / elapsed

    def _panel(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for label, value in self.fields.items():
            table.add_row(Text(label, style="dim"), Text(value, style="bold"))
        bar = ProgressBar(total=self._total, completed=min(self._status.env_steps, self._total))
        return Panel(Group(table, bar), title=escape(self._title), title_align="left")

    def _print_line(self) -> None:
        self._last_line, self._has_news = self._clock(), False
        text = ", ".join(f"{label} {value}" for label, value in self.fields.items())
        self._console.print(Text(f"{self._title}: {text}"), soft_wrap=True)


def format_duration(seconds: float) -> str:
    """Return `1:05` or `2:01:05`."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
