"""Policies measured on the same episodes, side by side: as a table for the terminal and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from robot_rl.training.statistics import wilson_interval


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """How one policy did."""

    name: str
    """For people: `demonstrator`, `clone`, `agent`."""
    successes: int
    episodes: int
    mean_length: float
    """Steps of an episode, failures included."""

    @property
    def rate(self) -> float:
        """Share of successes; 0 without episodes."""
        return self.successes / self.episodes if self.episodes else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the rate."""
        return wilson_interval(self.successes, self.episodes)


def comparison_table(results: Sequence[PolicyResult], title: str = "") -> Table:
    """Return a rich table with a row a policy."""
    table = Table(title=escape(title) or None)
    for name in ("policy", "success", "rate", "95% interval", "mean episode"):
        table.add_column(name, justify="left" if name == "policy" else "right")
    for result in results:
        low, high = result.interval
        table.add_row(
            result.name,
            f"{result.successes}/{result.episodes}",
            f"{result.rate:.0%}",
            f"{low:.0%} to {high:.0%}",
            f"{result.mean_length:.1f} steps",
        )
    return table


def plot_comparison(results: Sequence[PolicyResult], path: Path, title: str = "") -> None:
    """Write a PNG with success rates (bars with Wilson 95% intervals) and mean episode lengths beside each other."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    success, length = figure.subplots(1, 2)
    names = [result.name for result in results]
    colors = [f"C{index}" for index in range(len(results))]
    rates = [result.rate for result in results]
    below = [result.rate - result.interval[0] for result in results]
    above = [result.interval[1] - result.rate for result in results]
    success.bar(names, rates, color=colors, yerr=[below, above], capsize=4, alpha=0.85)
    success.set(ylim=(0, 1.12), ylabel="success", title="success (95% interval)")
    for index, result in enumerate(results):
        success.text(index, 0.03, f"{result.successes}/{result.episodes}", ha="center", color="white", weight="bold")
    bars = length.bar(names, [result.mean_length for result in results], color=colors, alpha=0.85)
    length.bar_label(bars, fmt="%.0f")
    length.set(ylabel="steps", title="mean episode")
    length.margins(y=0.12)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
