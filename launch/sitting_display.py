"""What the person who records sees in the terminal: how far the set is, what is going on, and what the disk has left."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demos.pending import Verdict
from demos.sitting import SittingPlan, SittingTally
from robot_rl.envs.rollout import EpisodeResult
from robot_rl.types import Transition

REFRESH_HZ = 8
SHOWN = 5
"""Newest episodes that are listed."""
STYLE = {Verdict.SUCCESS: "green", Verdict.FAILURE: "yellow", Verdict.DISCARD: "dim"}


class SittingDisplay:
    """A live panel; lines where the console is no terminal. Drawn on a thread of its own."""

    def __init__(self, console: Console, title: str, plan: SittingPlan, tally: SittingTally, folder: Path, control_dt: float):
        """Show how `tally` approaches `plan`; `folder` is where episodes go, `control_dt` in s."""
        self._console, self._title, self._plan, self._tally = console, title, plan, tally
        self._folder, self._control_dt = folder, control_dt
        self._text = ""
        self._steps = 0
        self._is_recording = False
        self._lines: list[Text] = []
        self._live = Live(self, console=console, refresh_per_second=REFRESH_HZ, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Show what is going on."""
        self._text, self._is_recording = text, text == "recording"
        if self._is_recording:
            self._steps = 0
        if text and not self._console.is_terminal:
            self._console.print(text, soft_wrap=True, markup=False)

    def step(self, _: Transition) -> None:
        """Count a step of the episode under way."""
        self._steps += 1

    def episode(self, result: EpisodeResult, verdict: Verdict) -> None:
        """Show what became of an episode."""
        line = f"{self._tally.attempts:4d}  {verdict.value:8}  {result.length} steps, {result.length * self._control_dt:.1f} s"
        line += f"  ({result.fault})" if result.fault else ""
        self._lines = [*self._lines[1 - SHOWN :], Text(line, STYLE[verdict])]
        if not self._console.is_terminal:
            self._console.print(Text(line), soft_wrap=True)

    def __rich__(self) -> Panel:
        """Return the panel as it is now."""
        tally, plan = self._tally, self._plan
        table = Table.grid(padding=(0, 2))
        for name, count, wanted in (("successes", tally.successes, plan.episodes), ("failures", tally.failures, plan.failures)):
            bar = ProgressBar(total=wanted, completed=min(count, wanted), width=30) if wanted else ""
            table.add_row(name, f"{count} of {wanted}" if wanted else str(count), bar)
        table.add_row("discarded", str(tally.discarded), "")
        text = Text(self._text or "...", "bold")
        if self._is_recording:
            text = Text(f"recording  {self._steps * self._control_dt:.1f} s", "bold red")
        free = shutil.disk_usage(next(path for path in (self._folder, *self._folder.absolute().parents) if path.exists())).free
        return Panel(
            Group(table, "", *self._lines, "", text),
            title=self._title,
            subtitle=f"{self._folder}: {free / 1e9:.1f} GB left",
        )
