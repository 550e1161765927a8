"""What the methods of a study come to over tasks and seeds: interquartile means with bootstrap intervals, and safety."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from experiment_cells import number, percent, table
from experiment_record import Record

from robot_rl.training.evaluate import first_reaching
from robot_rl.training.statistics import interquartile_mean, stratified_interval

GOOD = 0.8
"""Success rate whose first evaluation is told beside that of 95%, which small evaluations seldom reach."""

ByTask = Mapping[str, Sequence[Record]]
"""Runs of one method."""


def by_method(records: Sequence[Record]) -> dict[str, ByTask]:
    """Return the runs of each method, by task, in the order of the study."""
    found: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        found.setdefault(record.run.method, {}).setdefault(record.run.task, []).append(record)
    return dict(found)


def shared_tasks(methods: Mapping[str, ByTask]) -> list[str]:
    """Return the tasks of which every method has a run: on others there is nothing to compare."""
    every = [set(tasks) for tasks in methods.values()]
    common = set.intersection(*every) if every else set()
    return [task for task in next(iter(methods.values()), {}) if task in common]


def steps_to_good(record: Record) -> int | None:
    """Return the first evaluation at or above 80%, in environment steps, or None; 0 where that is the clone's."""
    reached = first_reaching(list(zip(record.curve.env_steps.tolist(), record.curve.rate.tolist(), strict=True)), GOOD)
    return None if reached is None else int(reached)


def aggregate_section(methods: Mapping[str, ByTask]) -> str:
    """Return the comparison of several methods over the tasks that all have; nothing where there are none such."""
    tasks = shared_tasks(methods)
    if len(methods) < 2 or not tasks:
        return ""
    columns = ("method", "runs", "success", "steps to 80%", "runs that reached 80%", "minutes")
    rows = []
    for name, runs in methods.items():
        records = [record for task in tasks for record in runs[task]]
        reached = [steps_to_good(record) for record in records]
        rows.append(
            (
                name,
                str(len(records)),
                _interval([[_final(record) for record in runs[task]] for task in tasks], percentage=True),
                _interval([[_steps_or_last(record) for record in runs[task]] for task in tasks], percentage=False),
                f"{sum(steps is not None for steps in reached)} of {len(reached)}",
                number(interquartile_mean([record.summary["wall_s"] / 60 for record in records])),
            )
        )
    return "\n\n".join(
        (
            f"## Over tasks and seeds: {', '.join(tasks)}",
            "Interquartile means over the runs of all these tasks, with 95% bootstrap intervals in which seeds are drawn anew"
            " within each task; where every task has a single one, there is no interval. Success is that of the final"
            " evaluation. Steps to 80% are those of the first evaluation at or above it, which is at 0 where the clone is as"
            " good; a run that never got there counts with its last step, which is too few.",
            table(columns, rows),
        )
    )


def safety_section(by_variant: Mapping[str, Sequence[Record]]) -> str:
    """Return how hard and how roughly each variant acted; nothing where nobody can tell."""
    columns = (
        "variant", "peak force, N", "mean force, N", "peak speed, m/s", "jerk, m/s^3",
        "in violation", "clone's", "while training",
    )  # fmt: skip
    rows = []
    for name, records in by_variant.items():
        final = [told for record in records if (told := record.summary.get("exertion"))]
        if not final:
            continue
        rows.append(
            (
                name,
                number(max(told["peak_force"] for told in final)),
                number(float(np.mean([told["mean_force"] for told in final])), 2),
                number(max(told["peak_speed"] for told in final), 2),
                number(float(np.mean([told["rms_jerk"] for told in final]))),
                _violations(records, "exertion"),
                _violations(records, "exertion_clone"),
                _violations(records, "exertion_training"),
            )
        )
    if not rows:
        return ""
    about = (
        "Final evaluations: peaks are the largest of all seeds, the rest means over seeds. In violation is"
        " the share of steps in which force, place or speed was beyond its bound"
        " ([safety.md](../safety.md#what-is-measured-of-every-policy)); the clone's is that on the same starts, and while"
        " training that of all training episodes."
    )
    return "\n\n".join(("## Force, speed and violations", about, table(columns, rows)))


def _violations(records: Sequence[Record], key: str) -> str:
    rates = [told["violation_rate"] for record in records if (told := record.summary.get(key))]
    return percent(float(np.mean(rates)) if rates else None, 2)


def _final(record: Record) -> float:
    return record.summary["success"]["k"] / record.summary["success"]["n"]


def _steps_or_last(record: Record) -> float:
    reached = steps_to_good(record)
    return float(record.curve.env_steps[-1] if reached is None else reached)


def _interval(strata: Sequence[Sequence[float]], *, percentage: bool) -> str:
    form = ".0%" if percentage else ".0f"
    middle = format(interquartile_mean([value for stratum in strata for value in stratum]), form)
    if all(len(stratum) < 2 for stratum in strata):
        return middle  # of one seed a task nothing can be drawn anew
    low, high = stratified_interval(strata)
    return f"{middle} ({low:{form}} to {high:{form}})"
