"""The numbers of a run: means between two logs, as a CSV table and as TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from robot_rl.agents.lazy_metrics import LazyMetrics, as_floats
from robot_rl.csv_table import format_rows, read_rows, write_rows
from robot_rl.training.event_file import EventFile
from robot_rl.types import Metrics

METRICS, EVENTS = "metrics.csv", "events"
FIXED_COLUMNS = ("env_steps", "wall_s")


class MetricsLogger:
    """Collects metrics and writes them on `flush`. `env_steps` rises strictly down the table, resumed or not."""

    def __init__(self, folder: Path) -> None:
        """Open or continue the table in a run folder.

        Args:
            folder: The run's. `metrics.csv` and `events/` are made in it at the first `flush`.
        """
        self._folder = folder
        self._path = folder / METRICS
        self._rows: list[dict[str, Any]] = [dict(row) for row in read_rows(self._path)]
        self._columns = list(self._rows[0]) if self._rows else list(FIXED_COLUMNS)
        self._has_written = False
        self._events: EventFile | None = None
        self._sums: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: Mapping[str, Any]) -> None:
        """Take part in the means that the next `flush` writes.

        Args:
            metrics: Numbers or 0-d tensors without gradient, added up on their device; only `flush` waits for it.
        """
        values = metrics.unread() if isinstance(metrics, LazyMetrics) else metrics
        for name, value in values.items():
            # The sum starts from 0.0 so that it never aliases a tensor that its owner writes to again.
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def flush(self, env_steps: int, wall_s: float) -> Metrics:
        """Write the means since the last flush as one line and return them.

        A second flush at the same `env_steps` completes the line. Lines of later steps, left by a process that died
        before its checkpoint, are removed.
        """
        means = {name: total / self._counts[name] for name, total in as_floats(self._sums).items()}
        self._sums, self._counts = {}, {}
        self._write({"env_steps": env_steps, "wall_s": round(wall_s, 3)} | {k: float(f"{v:.6g}") for k, v in means.items()})
        if self._events is None:
            self._events = EventFile(self._folder / EVENTS, env_steps)
        self._events.add(env_steps, means)
        return means

    def close(self) -> None:
        """Close the event file; idempotent."""
        if self._events is not None:
            self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _write(self, row: dict[str, Any]) -> None:
        """Put a row at the end of the table: by appending where that is enough, else by writing the file anew."""
        rows = [old for old in self._rows if old["env_steps"] <= row["env_steps"]]
        columns = list(dict.fromkeys((*self._columns, *row)))
        # The first time always anew: the last session may have been cut off within a line.
        anew = not self._has_written or len(rows) < len(self._rows) or columns != self._columns
        if rows and rows[-1]["env_steps"] == row["env_steps"]:
            row, anew = rows.pop() | row, True
        self._rows, self._columns, self._has_written = [*rows, row], columns, True
        if anew:
            write_rows(self._path, self._rows, columns)
        else:
            with self._path.open("a", newline="") as file:
                file.write(format_rows([row], columns))
