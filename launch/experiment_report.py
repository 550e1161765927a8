"""The page of a study: question, commands, tables and curves, made of nothing but its records."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiment_record import Record, command_of, read_records
from studies import Study

from robot_rl.atomic_file import write_text
from robot_rl.training.curves import plot_success
from robot_rl.training.statistics import wilson_interval

NONE = "-"
"""In a table: not measured, or never reached."""
HELP = ("unaided 95%", "a person's steps")
"""Columns of studies in which one helped."""
UNAIDED = (
    "Unaided 95%: the steps after which 95% was measured while a person had acted on less than 2% of the steps of the last 20"
    " training episodes; - where that was never so."
)


def write_page(study: Study, docs: Path) -> None:
    """Write `<study>.md` and `<study>.png`; without a single record, nothing."""
    records = read_records(study, docs)
    if not records:
        return
    by_variant = {name: [record for record in records if record.run.variant == name] for name in study.variants}
    by_variant = {name: runs for name, runs in by_variant.items() if runs}
    curves = {name: [run.curve for run in runs] for name, runs in by_variant.items()}
    plot_success(curves, docs / f"{study.name}.png", references=_references(records) if len(by_variant) == 1 else {})
    sections = [_head(study, records), _overview(by_variant)]
    sections += [_variant(name, runs) for name, runs in by_variant.items()]
    write_text(docs / f"{study.name}.md", "\n\n".join(sections) + "\n")


def _references(records: Sequence[Record]) -> dict[str, float]:
    """Return the success of clone and demonstrator, where they were measured."""
    keys = {"clone": "bc_success", "demonstrator": "demonstrator_success"}
    rates = {name: _mean(record.summary.get(key) for record in records) for name, key in keys.items()}
    return {name: rate for name, rate in rates.items() if rate is not None}


def _head(study: Study, records: Sequence[Record]) -> str:
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
            f"![Success over environment steps and minutes]({study.name}.png)",
            "Bands are Wilson 95% intervals of all seeds' evaluation episodes; thin lines are single seeds.",
            f"{', '.join(made)}. Repeat it with `python launch/experiments.py {study.name}`."
            + (f" **{missing} of {len(study.runs())} runs are missing.**" if missing else ""),
        ]
    )


def _overview(by_variant: dict[str, list[Record]]) -> str:
    """Return a line a variant, over its seeds."""
    columns = (
        "variant", "seeds", "success, all seeds", "clone", "seeds that reached 95%", "steps to 95%, median",
        "lowest after start", "steps an episode", "demonstrator's", "minutes",
    )  # fmt: skip
    has_help = any(_has_help(records) for records in by_variant.values())
    rows = []
    for name, records in by_variant.items():
        summaries = [record.summary for record in records]
        reached = [summary["steps_to_95"] for summary in summaries if summary["steps_to_95"] is not None]
        lowest = [summary["min_success_after_start"] for summary in summaries]
        rows.append(
            (
                name,
                str(len(records)),
                _success(*(sum(summary["success"][key] for summary in summaries) for key in ("k", "n"))),
                _percent(_mean(summary["bc_success"] for summary in summaries)),
                f"{len(reached)} of {len(records)}",
                _median(reached),
                _percent(min((value for value in lowest if value is not None), default=None)),
                _number(_mean(summary["mean_length"] for summary in summaries)),
                _number(_mean(summary.get("demonstrator_length") for summary in summaries)),
                _number(_mean(summary["wall_s"] / 60 for summary in summaries)),
                *((_median(summary.get("steps_to_95_unaided") for summary in summaries), _help(summaries)) if has_help else ()),
            )
        )
    return _table((*columns, *(HELP if has_help else ())), rows) + (f"\n\n{UNAIDED}" if has_help else "")


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
                _success(summary["success"]["k"], summary["success"]["n"]),
                f"{sampled['k']}/{sampled['n']}" if sampled else NONE,
                _percent(summary["bc_success"]),
                _percent(summary.get("demonstrator_success")),
                NONE if summary["steps_to_95"] is None else str(summary["steps_to_95"]),
                _percent(summary["min_success_after_start"]),
                _number(summary["mean_length"]),
                _number(summary.get("clone_length")),
                _number(summary.get("demonstrator_length")),
                str(summary["updates"]),
                f"{summary['wall_s']:.0f}",
                *((_median([summary.get("steps_to_95_unaided")]), _help([summary])) if has_help else ()),
            )
        )
    table = _table((*columns, *(HELP if has_help else ())), rows)
    return f"## {name}\n\n```\n{command_of(records[0].run)}\n```\n\n{table}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _has_help(records: Iterable[Record]) -> bool:
    return any(record.summary.get("human_steps") for record in records)


def _help(summaries: Iterable[dict[str, Any]]) -> str:
    """Return how many steps a person acted on, the mean of some runs."""
    return f"{statistics.fmean(summary.get('human_steps', 0) for summary in summaries):.0f}"


def _median(steps: Iterable[int | None]) -> str:
    """Return the median of those that were reached."""
    reached = [value for value in steps if value is not None]
    return f"{statistics.median(reached):.0f}" if reached else NONE


def _success(k: int, n: int) -> str:
    low, high = wilson_interval(k, n)
    return f"{k}/{n} ({low:.0%} to {high:.0%})"


def _percent(rate: float | None) -> str:
    return NONE if rate is None else f"{rate:.0%}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}"


def _mean(values: Iterable[Any]) -> float | None:
    """Return the mean of those that were measured."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _distinct(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))
