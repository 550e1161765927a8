"""Learning curves: success and help over environment steps and over time, read from runs and drawn as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robot_rl.csv_table import read_rows
from robot_rl.errors import RunError
from robot_rl.training.statistics import wilson_interval

EVALUATIONS = "evaluations.csv"


@dataclass(frozen=True, slots=True)
class Curve:
    """The evaluations of one run, `P` of them, in order."""

    env_steps: np.ndarray
    """[P]."""
    wall_s: np.ndarray
    """[P], s."""
    successes: np.ndarray
    """[P]."""
    episodes: np.ndarray
    """[P], episodes of each evaluation."""
    intervention_rate: np.ndarray
    """[P], share of the steps of the last training episodes on which a person acted."""

    @property
    def rate(self) -> np.ndarray:
        """[P], share of successes."""
        return self.successes / self.episodes


def read_curve(run: Path) -> Curve:
    """Return the curve of a run folder.

    Raises:
        RunError: If it has no evaluations, or a damaged table.
    """
    rows = read_rows(run / EVALUATIONS)
    if not rows:
        raise RunError(f"{run / EVALUATIONS} holds no evaluation yet")
    try:
        rows = [{"intervention_rate": 0.0, **row} for row in rows]  # tables from before there were interventions
        columns = [np.array([float(row[name] or 0) for row in rows]) for name in Curve.__slots__]
    except (KeyError, ValueError) as error:
        raise RunError(f"{run / EVALUATIONS} is damaged: {error!r}") from error
    return Curve(*columns)


def plot_success(
    curves: Mapping[str, Sequence[Curve]],
    path: Path,
    title: str = "",
    references: Mapping[str, float] | None = None,
) -> None:
    """Write a PNG: success over environment steps and over minutes, and how much a person helped if one did.

    Runs under one label share a colour. Bands are Wilson 95% intervals; of several runs with the same evaluation
    points the pooled rate is drawn with its band, and each run as a thin line.

    Args:
        curves: Runs by label; usually the seeds of one method.
        path: Of the PNG.
        title: Above the picture.
        references: Success rates to draw as dashed lines, by label (`clone`, `demonstrator`).
    """
    has_help = any(run.intervention_rate.any() for runs in curves.values() for run in runs)
    figure = Figure(figsize=(13 if has_help else 9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    by_steps, by_time, *help_by_steps = figure.subplots(1, 3 if has_help else 2, sharey=True)
    for index, (label, runs) in enumerate(curves.items()):
        _draw(by_steps, by_time, runs, label, f"C{index}")
        for axes in help_by_steps:
            _draw_help(axes, runs, f"C{index}")
    for style, (label, rate) in zip(cycle(("--", ":", "-.")), (references or {}).items(), strict=False):
        for axes in (by_steps, by_time):
            axes.axhline(rate, color="0.35", linestyle=style, linewidth=1.2, label=label)
    by_steps.set(xlabel="environment steps", ylabel="success", ylim=(-0.03, 1.03))
    by_time.set(xlabel="minutes")
    by_steps.legend(loc="lower right", fontsize="small")
    for axes in help_by_steps:
        axes.set(xlabel="environment steps", ylabel="share of steps on which a person acted")
    for axes in (by_steps, by_time, *help_by_steps):
        axes.grid(alpha=0.25)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, pil_kwargs={"optimize": True})


def pooled(runs: Sequence[Curve]) -> Curve | None:
    """Return the curve of all runs' episodes together; None if they were not measured at the same steps."""
    if not runs or any(not np.array_equal(run.env_steps, runs[0].env_steps) for run in runs):
        return None
    return Curve(
        runs[0].env_steps,
        np.mean([run.wall_s for run in runs], axis=0),
        np.sum([run.successes for run in runs], axis=0),
        np.sum([run.episodes for run in runs], axis=0),
        np.mean([run.intervention_rate for run in runs], axis=0),
    )


def _draw(by_steps: Axes, by_time: Axes, runs: Sequence[Curve], label: str, color: str) -> None:
    """Draw the runs of one label on both panels."""
    together = pooled(runs)
    thin: dict[str, Any] = {"color": color, "linewidth": 0.8, "alpha": 0.45}
    bold: dict[str, Any] = {"color": color, "linewidth": 1.8, "marker": ".", "label": label}
    for index, run in enumerate(runs if together is None or len(runs) > 1 else ()):
        style: dict[str, Any] = thin | ({"label": label} if together is None and index == 0 else {})
        by_steps.plot(run.env_steps, run.rate, **style)
        by_time.plot(run.wall_s / 60, run.rate, **style)
    if together is None:
        return
    bounds = [wilson_interval(int(k), int(n)) for k, n in zip(together.successes, together.episodes, strict=True)]
    low, high = zip(*bounds, strict=True)
    for axes, x in ((by_steps, together.env_steps), (by_time, together.wall_s / 60)):
        axes.plot(x, together.rate, **bold)
        axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


def _draw_help(axes: Axes, runs: Sequence[Curve], color: str) -> None:
    """Draw the intervention rates of one label: each run as a thin line, their mean as a thick one."""
    together = pooled(runs)
    for run in runs:
        axes.plot(run.env_steps, run.intervention_rate, color=color, linewidth=0.8, alpha=0.45)
    if together is not None:
        axes.plot(together.env_steps, together.intervention_rate, color=color, linewidth=1.8, marker=".")
