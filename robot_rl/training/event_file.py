"""Scalars in TensorBoard's file format, without its writer thread and without the machine's name in the file name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.summary.writer.record_writer import RecordWriter


class EventFile:
    """One file of events that TensorBoard reads; each session of a run adds another to the folder."""

    def __init__(self, folder: Path, start_step: int = 0) -> None:
        """Open a new file.

        Args:
            folder: Where.
            start_step: Earlier files' points from this step on are hidden, as a resumed run writes them again.
        """
        folder.mkdir(parents=True, exist_ok=True)
        taken = len(list(folder.glob("events.out.tfevents.*")))
        self._file = (folder / f"events.out.tfevents.{time.time_ns()}.{taken}").open("wb")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if start_step:
            session = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=start_step, session_log=session))

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write one point of every metric."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()
