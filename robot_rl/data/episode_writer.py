"""Writing episodes to a dataset folder as they happen, so that a crash costs a second at most."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from robot_rl.data.check import check_transition
from robot_rl.data.episode import Episode, step_columns, step_values
from robot_rl.data.image_array import LOSSLESS, ImageCompression, JpegArrayWriter
from robot_rl.data.spec_json import spec_to_json
from robot_rl.data.zarr_array import METADATA, ArrayWriter, write_group
from robot_rl.errors import DatasetError
from robot_rl.specs import ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Observation, Transition

FORMAT = "robot-rl episode"
FORMAT_VERSION = 1
OPEN_PREFIX = ".open-"
"""What the name of an episode begins with while it is being written."""
DISCARDED_PREFIX = ".discarded-"
"""And of one that a person rejected: no reader of the dataset sees it, and taking the prefix away brings it back."""

FLUSH_S = 0.8
"""Seconds of experience that may wait in memory; less than the promised one, as a step may take its time."""

CHUNK_BYTES = 1 << 16
"""Chunks hold this much, or one second of steps if that is more: few files for numbers, no second write for images."""


class EpisodeWriter:
    """An ExperienceSink that keeps every episode, each a zarr group, in one folder.

    While an episode is written its name begins with `.open-`; complete ones are renamed, and never touched again. Names
    sort in order of time.
    """

    def __init__(
        self,
        folder: str | Path,
        spec: EnvSpec,
        *,
        images: ImageCompression = LOSSLESS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to write; the folder is made with the first episode.

        Args:
            folder: Of the dataset.
            spec: Of the environment; steps that do not fit are refused.
            images: Which images are stored as JPEG.
            now: s, tells when a second is over.
        """
        self.folder, self.spec = Path(folder), spec
        self.last_path: Path | None = None
        """The newest complete episode; None before the first, or if it was discarded."""
        self.last_discarded: Path | None = None
        """The newest discarded episode."""
        self._images, self._now = images, now
        self._columns = step_columns(spec)
        self._last_ns = 0
        self._info: EpisodeInfo | None = None  # of the open episode
        self._name = ""
        self._steps: dict[str, ArrayWriter] = {}
        self._obs: dict[str, ArrayWriter | JpegArrayWriter] = {}
        self._num_steps = 0
        self._is_ended = False  # whether the newest step is terminated or truncated
        self._flushed_at = 0.0

    def begin_episode(self, info: EpisodeInfo) -> None:
        """Start an episode; one still open is closed as truncated."""
        self.end_episode()
        self._begin(info, self._new_name())

    def add(self, transition: Transition) -> None:
        """Append one step to the open episode, which ends by itself at `terminated` or `truncated`.

        Its `obs` must be the `next_obs` of the step before.

        Raises:
            DatasetError: If no episode is open or the transition does not fit the spec: nothing is stored. If the disk
                refuses: the open episode ends with what was flushed (`recover` closes it).
        """
        if self._info is None:
            raise DatasetError(f"a step was added to {self.folder} outside an episode; call begin_episode first")
        check_transition(transition, self.spec, is_first=self._num_steps == 0)
        with self._disk_errors_named():
            if self._num_steps == 0:
                self._flushed_at = self._now()
                self._append_obs(transition.obs)
            self._append_obs(transition.next_obs)
            for name, value in step_values(transition).items():
                self._steps[name].append(value)
            self._num_steps += 1
            self._is_ended = transition.terminated or transition.truncated
            if not self._is_ended and self._now() - self._flushed_at >= FLUSH_S:
                self._flush(self._info)
        if self._is_ended:
            self.end_episode()

    def end_episode(self) -> None:
        """Close the open episode, as truncated unless it has ended; without a step there is nothing to keep."""
        if self._close_as(self._name):
            self.last_path = self.folder / self._name

    def discard_episode(self) -> None:
        """Put the newest episode, open or ended, under a name that no reader of the dataset sees.

        Nothing happens if it has no steps, or is there already.
        """
        complete, discarded = self.folder / self._name, f"{DISCARDED_PREFIX}{self._name}"
        if self._close_as(discarded):
            self.last_discarded = self.folder / discarded
        elif self.last_path == complete:
            with self._disk_errors_named():
                self.last_discarded = complete.rename(self.folder / discarded)
            self.last_path = None

    def write(self, episode: Episode, *, name: str | None = None) -> Path:
        """Write a whole episode, under a new name unless one is given, and return its path."""
        self.end_episode()
        self._begin(episode.info, name or self._new_name())
        path = self.folder / self._name
        for transition in episode.transitions():
            self.add(transition)
        self.end_episode()
        return path

    @property
    def _open_path(self) -> Path:
        return self.folder / f"{OPEN_PREFIX}{self._name}"

    def _close_as(self, name: str) -> bool:
        """Close the open episode under `name`; return whether there was one with a step."""
        info, self._info = self._info, None
        if info is None or not self._num_steps:
            return False
        with self._disk_errors_named():
            if not self._is_ended:
                self._steps["truncated"].amend_last(True)
            self._flush(info)
            self._open_path.rename(self.folder / name)
        return True

    def _begin(self, info: EpisodeInfo, name: str) -> None:
        self._info, self._name, self._num_steps, self._is_ended = info, name, 0, False
        root = self._open_path
        self._steps = {column: self._array(root / column, row) for column, row in self._columns.items()}
        self._obs = {key: self._obs_array(root / "obs" / key, row) for key, row in self.spec.obs.items()}

    def _array(self, path: Path, row: ArraySpec) -> ArrayWriter:
        rows = max(self._rows_per_second, CHUNK_BYTES // max(1, row.nbytes))
        return ArrayWriter(path, row, min(rows, self.spec.max_steps + 1))

    def _obs_array(self, path: Path, row: ArraySpec) -> ArrayWriter | JpegArrayWriter:
        if not self._images.applies_to(row):
            return self._array(path, row)
        rows = min(self._rows_per_second, self.spec.max_steps + 1)
        return JpegArrayWriter(path, row, rows, self._images.jpeg_quality)

    @property
    def _rows_per_second(self) -> int:
        return max(1, round(1.0 / self.spec.control_dt))

    def _append_obs(self, obs: Observation) -> None:
        for key, array in self._obs.items():
            array.append(obs[key])

    def _flush(self, info: EpisodeInfo) -> None:
        """Write what is new, and the number of steps last: a reader trusts no more rows than that."""
        if not (self._open_path / METADATA).exists():
            groups = {str(parent) for key in self.spec.obs for parent in PurePosixPath("obs", key).parents}
            for group in sorted(groups - {"."}):  # zarr does not know groups without a file of their own
                write_group(self._open_path / group, {})
        for array in (*self._steps.values(), *self._obs.values()):
            array.flush()
        write_group(self._open_path, attributes_of(info, self.spec, self._num_steps))
        self._flushed_at = self._now()

    def _new_name(self) -> str:
        self._last_ns = max(time.time_ns(), self._last_ns + 1)  # the machine's clock may be set back
        seconds, nanoseconds = divmod(self._last_ns, 10**9)
        moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S")
        return f"{moment}-{nanoseconds:09d}-{secrets.token_hex(3)}"

    @contextmanager
    def _disk_errors_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._info = None
            raise DatasetError(
                f"cannot write episode {self._name} to {self.folder}: {error.strerror or error}; complete episodes are"
                " intact, and `recover` closes this one with what was flushed"
            ) from error


def attributes_of(info: EpisodeInfo, spec: EnvSpec, num_steps: int) -> dict[str, Any]:
    """Return what the group of an episode says of it."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "num_steps": num_steps,
        "info": {"task": info.task, "source": info.source, "seed": info.seed, "extra": dict(info.extra)},
        "spec": spec_to_json(spec),
    }
