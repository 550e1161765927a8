"""What the repository keeps of a run of a study: its evaluations, its summary, and what it was made with."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies import StudyRun

from robot_rl.atomic_file import write_json
from robot_rl.csv_table import write_rows
from robot_rl.errors import RunError
from robot_rl.plain import differences, to_plain
from robot_rl.provenance import processor
from robot_rl.runs import CONFIG, ENVIRONMENT, EVALUATIONS, RunFolder
from robot_rl.training.config import config_from_json
from robot_rl.training.curves import Curve, read_curve

log = logging.getLogger("experiments")

SUMMARY = "summary.json"
WHERE = ("device", "threads")
"""Settings of what computes a run, which its study leaves open."""


@dataclass(frozen=True, slots=True)
class Record:
    """A finished run, as read back."""

    run: StudyRun
    command: str
    git: str
    """short revision, `+changes` if the checkout had some"""
    cpu: str
    """processor, and the GPU if one was used"""
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
    write_json(folder / CONFIG, finished.config)
    known = _read_json(folder / SUMMARY) if (folder / SUMMARY).exists() else {}
    write_json(
        folder / SUMMARY,
        {
            "command": command_of(run),
            "git": git["revision"][:10] + "+changes" * bool(git["dirty"]),
            # A record that is made again, perhaps elsewhere, keeps the processor on which the run took place.
            "cpu": known["cpu"] if known.get("date") == session["started_at"] else _computer(finished, session),
            "date": session["started_at"],
            "summary": finished.summary,
        },
    )


def read_records(planned: Mapping[StudyRun, Mapping[str, Any]], docs: Path) -> list[Record]:
    """Return the records of planned runs, those that exist and were made with the settings that the run has now.

    What is left out for its settings is told in the log: a preset that changed, say, under the same command.
    """
    records: list[Record] = []
    for run, settings in planned.items():
        folder = folder_of(run, docs)
        if not (folder / SUMMARY).exists():
            continue
        values = _read_json(folder / SUMMARY)
        if outdated := _outdated(run, settings, folder, values):
            log.warning("left out %s, a record of other settings: %s", folder, outdated)
        else:
            records.append(Record(run, curve=read_curve(folder), **values))
    return records


def _outdated(run: StudyRun, settings: Mapping[str, Any], folder: Path, values: Mapping[str, Any]) -> str:
    """Return in what a record differs from its run as it would be now. Early records hold the command only."""
    if not (folder / CONFIG).exists():
        return "" if values.get("command") == command_of(run) else f"it was made by {values.get('command')}"
    try:
        return deviations(_read_json(folder / CONFIG), settings)
    except RunError as error:
        return str(error)


def deviations(made: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return in what a run's configuration differs from `settings`, `WHERE` apart.

    A setting that it lacks came later, and has its default.

    Raises:
        RunError: If it is none that this version can read.
    """
    differing = differences(to_plain(config_from_json(made)), settings)
    return "; ".join(text for name, text in differing.items() if name not in WHERE)


def _computer(finished: RunFolder, session: Mapping[str, Any]) -> str:
    gpu = None if finished.config["device"] == "cpu" else session.get("gpu")
    return " with ".join(filter(None, (session.get("processor") or processor(), gpu)))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from error
