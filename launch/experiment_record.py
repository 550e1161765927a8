"""What the repository keeps of a run of a study: its evaluations, its summary, and what it was made with."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies import Study, StudyRun

from robot_rl.atomic_file import write_json
from robot_rl.csv_table import write_rows
from robot_rl.errors import RunError
from robot_rl.runs import ENVIRONMENT, EVALUATIONS, RunFolder
from robot_rl.training.curves import Curve, read_curve

SUMMARY = "summary.json"


@dataclass(frozen=True, slots=True)
class Record:
    """A finished run, as read back."""

    run: StudyRun
    command: str
    git: str
    """short revision, `+changes` if the checkout had some"""
    cpu: str
    date: str
    """on which it was started, ISO"""
    summary: dict[str, Any]
    """summary.json of the run"""
    curve: Curve


def folder_of(run: StudyRun, docs: Path) -> Path:
    """Return where a run's record lies."""
    return docs / "data" / run.study / run.name


def command_of(run: StudyRun) -> str:
    """Return what to type to repeat a run."""
    return " ".join(("python launch/train.py", *run.arguments))


def keep_record(run: StudyRun, finished: RunFolder, docs: Path) -> None:
    """Copy the few kilobytes of a finished run that curves and tables are made of."""
    session = json.loads((finished.path / ENVIRONMENT).read_text())["sessions"][0]
    git = session["git"] or {"revision": "unknown", "dirty": False}
    folder = folder_of(run, docs)
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / EVALUATIONS, finished.evaluations())
    known = _read_json(folder / SUMMARY) if (folder / SUMMARY).exists() else {}
    write_json(
        folder / SUMMARY,
        {
            "command": command_of(run),
            "git": git["revision"][:10] + "+changes" * bool(git["dirty"]),
            # A record that is made again, perhaps elsewhere, keeps the processor on which the run took place.
            "cpu": known["cpu"] if known.get("date") == session["started_at"] else cpu_model(),
            "date": session["started_at"],
            "summary": finished.summary,
        },
    )


def read_records(study: Study, docs: Path) -> list[Record]:
    """Return the records of a study's runs, those that exist and were made by the command that the study has now."""
    return [
        Record(run, curve=read_curve(folder), **values)
        for run in study.runs()
        if (folder := folder_of(run, docs)).joinpath(SUMMARY).exists()
        and (values := _read_json(folder / SUMMARY)).get("command") == command_of(run)
    ]


def cpu_model() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from error
