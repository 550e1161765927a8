"""The folder of a training run: what is in it, who may write to it, and whether it fits a configuration."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from robot_rl import provenance
from robot_rl.atomic_file import write_bytes, write_json
from robot_rl.csv_table import Row, read_rows, write_rows
from robot_rl.errors import RunError
from robot_rl.plain import differences, to_plain

log = logging.getLogger(__name__)

CONFIG, ENVIRONMENT, STATION, SUMMARY = "config.json", "environment.json", "station.toml", "summary.json"
EVALUATIONS, LOCK = "evaluations.csv", ".lock"
FOLDERS = ("checkpoints", "episodes", "videos")


def default_run_dir(task: str, seed: int, root: Path = Path("runs")) -> Path:
    """Return `runs/<task>/<time>-seed<S>`, a path that does not exist yet."""
    folder = root / re.sub(r"[^\w.-]+", "-", task)
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-seed{seed}"
    names = (stem if count == 1 else f"{stem}-{count}" for count in range(1, 1000))
    return next(folder / name for name in names if not (folder / name).exists())


class RunFolder:
    """A run on disk. `config.json` is written last, so a folder that has one is complete.

    `create` and `resume` hold a lock until `close`, or until the process dies in whatever way; `open` only reads.
    """

    def __init__(self, path: Path, config: dict[str, Any], lock: int | None) -> None:
        """Use `create`, `resume` or `open`."""
        self.path = path
        self.config = config
        """The configuration as plain JSON values."""
        self._lock = lock

    @classmethod
    def create(cls, path: Path | str, config: Any, station: Path | None = None) -> Self:
        """Start a run in a new or empty folder.

        Args:
            path: Where.
            config: A dataclass instance or a mapping.
            station: The station file to copy into the run.

        Raises:
            RunError: If the folder holds something already, or another process is making a run in it.
        """
        path = Path(path)
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is not a folder; choose another run folder")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{path} cannot be made ({error}); choose another run folder") from error
        lock = _acquire(path)
        try:
            if (path / CONFIG).exists():
                raise RunError(f"{path} already holds a run; continue it with --resume {path}, or choose another folder")
            foreign = sorted(item.name for item in path.iterdir() if item.name != LOCK)
            if foreign and not (path / ENVIRONMENT).exists():
                raise RunError(f"{path} is not empty (it holds {', '.join(foreign[:3])}); choose another run folder")
            run = cls(path, to_plain(config), lock)
            run._fill(station)
        except BaseException:
            os.close(lock)
            raise
        return run

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a run for reading.

        Raises:
            RunError: If the folder is not a run, or its config.json is damaged.
        """
        return cls(Path(path), _read_config(Path(path)), None)

    @classmethod
    def resume(cls, path: Path | str, config: Any = None, *, may_differ: Collection[str] = ()) -> Self:
        """Continue a run.

        Args:
            path: Its folder.
            config: What the caller wants to run; None: what the run was started with.
            may_differ: Dotted keys in which `config` may deviate (`env_steps`, say); config.json then follows it.

        Raises:
            RunError: If the folder is no run, is damaged or in use, or was made with other settings, which are named.
        """
        path = Path(path)
        stored = _read_config(path)
        wanted = stored if config is None else to_plain(config)
        differing = [line for key, line in differences(stored, wanted).items() if key not in may_differ]
        if differing:
            raise RunError(f"{path} is another run and cannot be resumed with these settings: {'; '.join(differing)}")
        lock = _acquire(path)
        try:
            run = cls(path, wanted, lock)
            run._append_session()
            if wanted != stored:
                write_json(path / CONFIG, wanted)
        except BaseException:
            os.close(lock)
            raise
        return run

    @property
    def checkpoints(self) -> Path:
        """Folder of the agent's states."""
        return self.path / "checkpoints"

    @property
    def episodes(self) -> Path:
        """Folder of the episodes that were collected."""
        return self.path / "episodes"

    @property
    def videos(self) -> Path:
        """Folder of films."""
        return self.path / "videos"

    @property
    def station(self) -> Path | None:
        """The run's copy of its station file."""
        return self.path / STATION if (self.path / STATION).exists() else None

    @property
    def summary(self) -> dict[str, Any] | None:
        """What `write_summary` wrote, or None before."""
        return _read_json(self.path / SUMMARY) if (self.path / SUMMARY).exists() else None

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json."""
        write_json(self.path / SUMMARY, to_plain(summary))

    def append_evaluation(self, row: Mapping[str, Any]) -> None:
        """Add a line to evaluations.csv.

        `env_steps` rises down the file: lines at or after the new one's, left by a process that died before its
        checkpoint, are replaced.
        """
        kept = [old for old in self.evaluations() if _step(old) < row["env_steps"]]
        write_rows(self.path / EVALUATIONS, [*kept, row])

    def evaluations(self) -> list[Row]:
        """Return the lines of evaluations.csv, numbers as numbers."""
        return read_rows(self.path / EVALUATIONS)

    def close(self) -> None:
        """Release the lock; idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _fill(self, station: Path | None) -> None:
        # First, because it is what tells a run that died here from somebody else's folder.
        write_json(self.path / ENVIRONMENT, {"sessions": [provenance.describe()]})
        if station is not None:
            write_bytes(self.path / STATION, station.read_bytes())
        for name in FOLDERS:
            (self.path / name).mkdir(exist_ok=True)
        write_json(self.path / CONFIG, self.config)

    def _append_session(self) -> None:
        """Note that the run went on, perhaps with other versions. What was noted before is worth less than going on."""
        path = self.path / ENVIRONMENT
        try:
            sessions = list(_read_json(path)["sessions"])
        except (RunError, KeyError, TypeError) as error:
            log.warning("%s is written anew, without the run's earlier sessions: %s", path, error)
            sessions = []
        write_json(path, {"sessions": [*sessions, provenance.describe()]})


def _step(row: Row) -> float:
    """Return the env_steps of a line; of one that is damaged, infinity."""
    value = row.get("env_steps")
    return float(value) if isinstance(value, int | float) else float("inf")


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise RunError(f"{path} {'is not a folder' if path.exists() else 'does not exist'}; runs lie under runs/<task>/")
    if not (path / CONFIG).exists():
        raise RunError(f"{path} is not a run: it has no {CONFIG}")
    return _read_json(path / CONFIG)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: it holds a {type(value).__name__}, not an object")
    return value


def _acquire(folder: Path) -> int:
    """Return a descriptor that holds the lock. The kernel drops it with the process, so no lock is ever stale."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise RunError(f"{folder} is in use by process {holder}; wait for it, stop it, or choose another run folder") from None
    except OSError as error:
        os.close(descriptor)
        raise RunError(f"{folder} cannot be locked ({error}); put runs on a file system that supports flock") from error
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
