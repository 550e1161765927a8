"""Learning curves of methods over several tasks: interquartile means over tasks and seeds, with bootstrap bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robot_rl.training.curves import Curve
from robot_rl.training.statistics import interquartile_mean, stratified_interval

NUM_RESAMPLES = 1000
"""Of each point of a band; the eye does not see the difference to more."""


@dataclass(frozen=True, slots=True)
class AggregateCurve:
    """Success of one method over tasks and seeds at the `P` steps at which all its runs were measured."""

    env_steps: np.ndarray
    """[P]."""
    minutes: np.ndarray
    """[P], mean over the runs."""
    rate: np.ndarray
    """[P], interquartile mean."""
    low: np.ndarray
    """[P], lower end of the 95% interval; seeds are drawn anew within each task."""
    high: np.ndarray
    """[P]."""


def aggregate(tasks: Sequence[Sequence[Curve]]) -> AggregateCurve:
    """Return what the runs of a method, those of each task together, come to.

    Raises:
        ValueError: If a task has no runs.
    """
    runs = [run for task in tasks for run in task]
    if not runs or not all(tasks):
        raise ValueError("a method needs a run of each task")
    steps: np.ndarray = reduce(np.intersect1d, [run.env_steps for run in runs])
    rates = [np.array([run.rate[np.isin(run.env_steps, steps)] for run in task]) for task in tasks]  # of [seeds, P]
    minutes = np.mean([run.wall_s[np.isin(run.env_steps, steps)] / 60 for run in runs], axis=0)
    bands = [stratified_interval([task[:, p] for task in rates], num_resamples=NUM_RESAMPLES) for p in range(len(steps))]
    low, high = np.array(bands).reshape(-1, 2).T
    middle = np.array([interquartile_mean(np.concatenate([task[:, p] for task in rates])) for p in range(len(steps))])
    return AggregateCurve(steps, minutes, middle, low, high)


def plot_aggregate(curves: Mapping[str, AggregateCurve], path: Path, title: str = "") -> None:
    """Write a PNG: success of each method over environment steps and over minutes."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    by_steps, by_time = figure.subplots(1, 2, sharey=True)
    for index, (method, curve) in enumerate(curves.items()):
        for axes, x in ((by_steps, curve.env_steps), (by_time, curve.minutes)):
            axes.plot(x, curve.rate, color=f"C{index}", linewidth=1.8, marker=".", label=method)
            axes.fill_between(x, curve.low, curve.high, color=f"C{index}", alpha=0.15, linewidth=0)
    by_steps.set(xlabel="environment steps", ylabel="success, interquartile mean", ylim=(-0.03, 1.03))
    by_time.set(xlabel="minutes")
    by_steps.legend(loc="lower right", fontsize="small")
    for axes in (by_steps, by_time):
        axes.grid(alpha=0.25)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
