"""The page of a study: question, commands, tables and curves, made of nothing but its records."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiment_aggregate import ByTask, aggregate_section, by_method, safety_section, shared_tasks, steps_to_good
from experiment_cells import NONE, mean, median, number, percent, success, table
from experiment_record import Record, command_of, read_records
from studies import Study, StudyRun

from robot_rl.atomic_file import write_text
from robot_rl.training.aggregate_curves import aggregate, plot_aggregate
from robot_rl.training.curves import plot_success

log = logging.getLogger("experiments")

BANDS = "Bands are Wilson 95% intervals of all seeds' evaluation episodes; thin lines are single seeds."
AGGREGATE_BANDS = (
    "Interquartile mean over tasks and seeds; bands are 95% bootstrap intervals in which seeds are drawn anew within each task."
)
HELP = ("unaided 95%", "a person's steps")
"""Columns of studies in which one helped."""
SIZE = "replay_bytes_per_step"
"""Entry of a summary that is shown where a study's variants differ in it."""
UNAIDED = (
    "Unaided 95%: the steps after which 95% was measured while a person had acted on less than 2% of the steps of the last 20"
    " training episodes; - where that was never so."
)


def write_page(study: Study, planned: Mapping[StudyRun, Mapping[str, Any]], docs: Path) -> None:
    """Write `<study>.md` and `<study>.png` of the study's `planned` runs; without a single record, nothing."""
    records = read_records(planned, docs)
    if not records:
        return
    by_variant = {name: [record for record in records if record.run.variant == name] for name in study.variants}
    by_variant = {name: runs for name, runs in by_variant.items() if runs}
    methods = by_method(records)
    pictures = _draw_tasks(study, methods, docs) if len(study_tasks(study)) > 1 else _draw_variants(study, by_variant, docs)
    sections = [_head(study, records, pictures), aggregate_section(methods), _overview(by_variant), safety_section(by_variant)]
    sections += [_variant(name, runs) for name, runs in by_variant.items()]
    page = docs / f"{study.name}.md"
    write_text(page, "\n\n".join(section for section in sections if section) + "\n")
    log.info("%s tells of %d of %d runs", page, len(records), len(planned))


def study_tasks(study: Study) -> list[str]:
    """Return the tasks that a method of a study is run on: one, if every variant is a method of its own."""
    tasks_by_method: dict[str, list[str]] = {}
    for run in study.runs()[: len(study.variants)]:
        tasks_by_method.setdefault(run.method, []).append(run.task)
    return max(tasks_by_method.values(), key=len, default=[])


def _draw_variants(study: Study, by_variant: Mapping[str, Sequence[Record]], docs: Path) -> str:
    """Draw all variants in one picture, and return what shows it on the page."""
    curves = {name: [run.curve for run in runs] for name, runs in by_variant.items()}
    records = [record for runs in by_variant.values() for record in runs]
    plot_success(curves, docs / f"{study.name}.png", references=_references(records) if len(by_variant) == 1 else {})
    return f"![Success over environment steps and minutes]({study.name}.png)\n\n{BANDS}"


def _draw_tasks(study: Study, methods: Mapping[str, ByTask], docs: Path) -> str:
    """Draw a picture of all tasks together and one of each, and return what shows them on the page."""
    shown, shared = [], shared_tasks(methods)
    if shared:
        together = {name: aggregate([[run.curve for run in runs[task]] for task in shared]) for name, runs in methods.items()}
        plot_aggregate(together, docs / f"{study.name}.png", ", ".join(shared))
        shown.append(f"![Success over environment steps and minutes, all tasks]({study.name}.png)\n\n{AGGREGATE_BANDS}")
    for task in dict.fromkeys(task for runs in methods.values() for task in runs):
        curves = {name: [run.curve for run in runs[task]] for name, runs in methods.items() if task in runs}
        plot_success(curves, docs / f"{study.name}-{task}.png", task)
        shown.append(f"![Success on {task} over environment steps and minutes]({study.name}-{task}.png)")
    return "\n\n".join((*shown, BANDS))


def _references(records: Sequence[Record]) -> dict[str, float]:
    """Return the success of clone and demonstrator, where they were measured."""
    keys = {"clone": "bc_success", "demonstrator": "demonstrator_success"}
    rates = {name: mean(record.summary.get(key) for record in records) for name, key in keys.items()}
    return {name: rate for name, rate in rates.items() if rate is not None}


def _head(study: Study, records: Sequence[Record], pictures: str) -> str:
    missing = len(study.runs()) - len(records)
    made = [
        f"Revision {_distinct(record.git for record in records)}",
        _distinct(record.date[:10] for record in records),
        _distinct(record.cpu for record in records),
    ]
    return "\n\n".join(
        [
            f"# {study.name}",
            study.question,
            pictures,
            f"{', '.join(made)}. Repeat it with `python launch/experiments.py {study.name}`."
            + (f" **{missing} of {len(study.runs())} runs are missing.**" if missing else ""),
        ]
    )


def _overview(by_variant: dict[str, list[Record]]) -> str:
    """Return a line a variant, over its seeds."""
    columns = (
        "variant", "seeds", "success, all seeds", "clone", "seeds that reached 95%", "steps to 95%, median",
        "seeds that reached 80%", "steps to 80%, median",
        "lowest after start", "steps an episode", "demonstrator's", "minutes",
    )  # fmt: skip
    has_help = any(_has_help(records) for records in by_variant.values())
    sizes = {name: mean(record.summary.get(SIZE) for record in records) for name, records in by_variant.items()}
    has_sizes = len(set(sizes.values())) > 1
    rows = []
    for name, records in by_variant.items():
        summaries = [record.summary for record in records]
        reached = [summary["steps_to_95"] for summary in summaries if summary["steps_to_95"] is not None]
        good = [steps for record in records if (steps := steps_to_good(record)) is not None]
        lowest = [summary["min_success_after_start"] for summary in summaries]
        rows.append(
            (
                name,
                str(len(records)),
                success(*(sum(summary["success"][key] for summary in summaries) for key in ("k", "n"))),
                percent(mean(summary["bc_success"] for summary in summaries)),
                f"{len(reached)} of {len(records)}",
                median(reached),
                f"{len(good)} of {len(records)}",
                median(good),
                percent(min((value for value in lowest if value is not None), default=None)),
                number(mean(summary["mean_length"] for summary in summaries)),
                number(mean(summary.get("demonstrator_length") for summary in summaries)),
                number(mean(summary["wall_s"] / 60 for summary in summaries)),
                *((median(summary.get("steps_to_95_unaided") for summary in summaries), _help(summaries)) if has_help else ()),
                *((number(sizes[name], 0),) if has_sizes else ()),
            )
        )
    columns += (HELP if has_help else ()) + (("replay, B a step",) if has_sizes else ())
    return table(columns, rows) + (f"\n\n{UNAIDED}" if has_help else "")


def _variant(name: str, records: Sequence[Record]) -> str:
    """Return a variant's section: its command, and a line a seed."""
    columns = (
        "seed", "success (95% interval)", "sampled", "clone", "demonstrator", "steps to 95%", "lowest after start",
        "steps an episode", "clone's", "demonstrator's", "updates", "s",
    )  # fmt: skip
    has_help = _has_help(records)
    rows = []
    for record in records:
        summary = record.summary
        sampled = summary.get("success_sampled")
        rows.append(
            (
                str(record.run.seed),
                success(summary["success"]["k"], summary["success"]["n"]),
                f"{sampled['k']}/{sampled['n']}" if sampled else NONE,
                percent(summary["bc_success"]),
                percent(summary.get("demonstrator_success")),
                NONE if summary["steps_to_95"] is None else str(summary["steps_to_95"]),
                percent(summary["min_success_after_start"]),
                number(summary["mean_length"]),
                number(summary.get("clone_length")),
                number(summary.get("demonstrator_length")),
                str(summary["updates"]),
                f"{summary['wall_s']:.0f}",
                *((median([summary.get("steps_to_95_unaided")]), _help([summary])) if has_help else ()),
            )
        )
    lines = table((*columns, *(HELP if has_help else ())), rows)
    return f"## {name}\n\n```\n{command_of(records[0].run)}\n```\n\n{lines}"


def _has_help(records: Iterable[Record]) -> bool:
    return any(record.summary.get("human_steps") for record in records)


def _help(summaries: Iterable[dict[str, Any]]) -> str:
    """Return how many steps a person acted on, the mean of some runs."""
    return f"{statistics.fmean(summary.get('human_steps', 0) for summary in summaries):.0f}"


def _distinct(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))
