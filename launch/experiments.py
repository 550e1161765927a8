"""Repeat the experiments of docs/experiments: train every variant and seed of a study, and write its page.

python launch/experiments.py --list
python launch/experiments.py peg_insert pick_lift
python launch/experiments.py --report-only
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import train
import tyro
from command_line import parse, run_script, show_log
from experiment_record import deviations, keep_record
from experiment_report import write_page
from rich.console import Console
from rich.table import Table
from studies import STUDIES, Study, StudyRun, choose

from robot_rl.errors import ConfigError, RunError
from robot_rl.plain import to_plain
from robot_rl.runs import CONFIG, RunFolder
from robot_rl.training.config import TrainConfig

log = logging.getLogger("experiments")

ROOT = Path(__file__).resolve().parents[1]

Plan = dict[StudyRun, Mapping[str, Any]]
"""Runs to their whole configurations, as plain JSON values."""


@dataclass(frozen=True, slots=True)
class ExperimentsConfig:
    """What to repeat."""

    studies: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """none given: all of them"""
    list: bool = False
    """say which studies there are, and train nothing"""
    report_only: bool = False
    """write the pages from the runs that are finished, and train nothing"""
    runs: Path = ROOT / "runs" / "experiments"
    """folder of the runs; finished ones are not repeated, stopped ones go on"""
    docs: Path = ROOT / "docs" / "experiments"
    """folder of the pages"""


def main(config: ExperimentsConfig) -> None:
    """Train what is not finished, and write the pages.

    Raises:
        ConfigError: If a study is unknown, or two of its variants are the same; before anything is trained, and so is
            what `launch/train.py` says of settings that do not exist.
        RunError: If a run failed; the other runs are finished first.
    """
    chosen = choose(config.studies)
    if config.list:
        Console().print(_overview())
        return
    plans = {study: plan(study) for study in chosen}
    failures: list[str] = []
    if not config.report_only:
        for study, planned in plans.items():
            failures += train_all(planned, config.runs / study.name)
    for study, planned in plans.items():  # last, because pages that change make a checkout count as changed
        failures += report(study, planned, config)
    if failures:
        raise RunError("\n".join(dict.fromkeys(failures)))


def plan(study: Study) -> Plan:
    """Return the whole configuration of each run of a study. Raises ConfigError if two are the same."""
    made: Plan = {}
    for run in study.runs():
        settings = to_plain(configuration(run))
        same = [other.variant for other, others in made.items() if others == settings]
        if same:
            raise ConfigError(f"study {study.name!r}: variants {same[0]!r} and {run.variant!r} have the same settings")
        made[run] = settings
    return made


def configuration(run: StudyRun) -> TrainConfig:
    """Return what `launch/train.py` makes of a run's arguments."""
    return train.parse(run.arguments).config


def train_all(planned: Plan, runs: Path) -> list[str]:
    """Train what is not finished in the folder `runs`; return what went wrong, a sentence a run."""
    failures: list[str] = []
    for run, settings in planned.items():
        try:
            if not check_run(runs / run.name, settings):
                start_training(run, runs / run.name)
        except RunError as error:
            log.error("%s", error)
            failures.append(str(error))
    return failures


def report(study: Study, planned: Plan, config: ExperimentsConfig) -> list[str]:
    """Keep the records of a study's finished runs, and write its page; return what went wrong, a sentence a run."""
    failures: list[str] = []
    for run, settings in planned.items():
        folder = config.runs / study.name / run.name
        try:
            if check_run(folder, settings):
                keep_record(run, RunFolder.open(folder), config.docs)
        except RunError as error:
            failures.append(str(error))
    write_page(study, planned, config.docs)
    return failures


def check_run(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Return whether a run is finished.

    Raises:
        RunError: If it was made with other settings than the study has now.
    """
    if not (folder / CONFIG).exists():
        return False
    run = RunFolder.open(folder)
    if differing := deviations(run.config, settings):
        raise RunError(f"{folder} was made with other settings: {differing}. Move it away to repeat it")
    return run.summary is not None


def start_training(run: StudyRun, folder: Path) -> None:
    """Train a run, or go on with it, in a process of its own.

    Raises:
        RunError: If it ended before it was finished.
    """
    where = ["--resume", str(folder)] if (folder / CONFIG).exists() else [*run.arguments, "--run-dir", str(folder)]
    log.info("%s %s", run.study, run.name)
    with subprocess.Popen([sys.executable, str(ROOT / "launch" / "train.py"), *where], cwd=ROOT) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:  # the terminal has told the training too: let it save
            process.wait()
            raise
    if status:
        raise RunError(f"{folder}: training ended with status {status}; what it said stands above")


def _overview() -> Table:
    table = Table("study", "runs", "question")
    for study in STUDIES.values():
        table.add_row(study.name, f"{len(study.variants)} x {len(study.seeds)}", study.question)
    return table


if __name__ == "__main__":
    show_log(Console())
    log.setLevel(logging.INFO)
    run_script(lambda: main(parse(ExperimentsConfig, __doc__)))
