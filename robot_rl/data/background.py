"""Writing episodes on a thread of its own: whoever acts never waits for an encoder or a disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import Queue
from threading import Thread

from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.types import EpisodeInfo, Observation, Transition

MAX_WAITING_BYTES = 1 << 28
"""What may wait to be written: 14 s of two 640x480 cameras at 10 Hz. A disk that is slower for longer does slow who acts."""
MAX_WAITING_STEPS = 256


class BackgroundWriter:
    """An ExperienceSink with the promises of the `EpisodeWriter` that it hands everything to, on another thread.

    Steps are copied, so that drivers may use their buffers again, and none is ever left out. The ends of episodes wait until
    all is on the disk. An error of the writer comes out of the next call; what was handed over before that call is then gone
    with the open episode, as far as it was not flushed.
    """

    def __init__(self, writer: EpisodeWriter) -> None:
        """Write through `writer`, which nobody else uses until `close`."""
        self._writer = writer
        step_bytes = sum(row.nbytes for row in writer.spec.obs.values())
        most = min(max(MAX_WAITING_BYTES // max(1, step_bytes), 2), MAX_WAITING_STEPS)
        self._calls: Queue[Callable[[], object] | None] = Queue(most)
        self._error: Exception | None = None
        self._given: Observation = {}
        self._copied: Observation = {}
        self.worst_add_s = 0.0
        """Longest time that `add` has taken, s."""
        self.most_waiting = 0
        """Most steps that have waited to be written."""
        self._thread = Thread(target=self._write, name="episode writer", daemon=True)
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Of the dataset."""
        return self._writer.folder

    @property
    def last_path(self) -> Path | None:
        """The newest complete episode; None before the first, or if it was discarded."""
        return self._writer.last_path

    @property
    def last_discarded(self) -> Path | None:
        """The newest discarded episode."""
        return self._writer.last_discarded

    def begin_episode(self, info: EpisodeInfo) -> None:
        """Start an episode; one still open is closed as truncated."""
        self._put(lambda: self._writer.begin_episode(info))

    def add(self, transition: Transition) -> None:
        """Append one step to the open episode. Raises what writing an earlier one raised."""
        started = time.perf_counter()
        copied = replace(transition, obs=self._copy(transition.obs), next_obs=self._copy(transition.next_obs))
        self._put(lambda: self._writer.add(copied))
        self.most_waiting = max(self.most_waiting, self._calls.qsize())
        self.worst_add_s = max(self.worst_add_s, time.perf_counter() - started)

    def end_episode(self) -> None:
        """Close the open episode, and return once it is on the disk."""
        self._put(self._writer.end_episode)
        self._wait()

    def discard_episode(self) -> None:
        """Put the newest episode, open or ended, where no reader of the dataset sees it, and return once it is there."""
        self._put(self._writer.discard_episode)
        self._wait()

    def close(self) -> None:
        """Write what waits, close the open episode and end the thread; idempotent. Raises what writing raised."""
        if self._thread.is_alive():
            try:
                self.end_episode()
            finally:
                self._calls.put(None)
                self._thread.join()

    def _copy(self, obs: Observation) -> Observation:
        """Return a copy; the `obs` of a step is mostly the `next_obs` of the one before, which is copied once."""
        if obs is not self._given:
            self._given, self._copied = obs, {key: value.copy() for key, value in obs.items()}
        return self._copied

    def _put(self, call: Callable[[], object]) -> None:
        self._raise_error()
        self._calls.put(call)

    def _wait(self) -> None:
        self._calls.join()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            self._calls.join()  # what came after it is dropped until somebody knows
            error, self._error = self._error, None
            raise error

    def _write(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                if self._error is None:
                    call()
            except Exception as error:
                self._error = error
            finally:
                self._calls.task_done()
