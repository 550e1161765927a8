"""What a person should see of a classifier before trusting it: its reliability, and the frames that confuse it most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robot_rl.rewards.calibration import reliability
from robot_rl.rewards.training import TrainedClassifier

MOST_CONFUSED = 12
"""Frames on the picture of that name."""

BINS = np.linspace(0.0, 1.0, 31)


def plot_reliability(trained: TrainedClassifier, path: Path) -> None:
    """Write a PNG: share of successes over probability, and how both classes are spread over probability."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    curve, spread = figure.subplots(1, 2)
    probability, share, frames = zip(*reliability(trained.probability, trained.labels), strict=True)
    curve.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
    curve.plot(probability, share, marker="o", color="C0")
    for x, y, count in zip(probability, share, frames, strict=True):
        curve.annotate(str(count), (x, y), textcoords="offset points", xytext=(4, -11), fontsize="x-small", color="0.3")
    curve.set(xlabel="probability of success", ylabel="share of true successes", title="reliability (frames a bin)")
    curve.set(xlim=(-0.03, 1.03), ylim=(-0.08, 1.05))
    for kind, name, color in ((False, "failures", "C3"), (True, "successes", "C2")):
        spread.hist(trained.probability[trained.labels == kind], BINS, alpha=0.6, color=color, label=name)
    spread.axvline(trained.scores.threshold, color="0.2", linewidth=1.2, label="threshold")
    spread.set(xlabel="probability of success", ylabel="held-out frames", yscale="log")
    spread.legend(fontsize="small")
    for axes in (curve, spread):
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=130)


def most_confused(trained: TrainedClassifier, count: int = MOST_CONFUSED) -> np.ndarray:
    """Return indices of the frames whose probability is furthest from the truth, worst first."""
    return np.argsort(-np.abs(trained.probability - trained.labels), kind="stable")[:count]


def plot_most_confused(trained: TrainedClassifier, path: Path, count: int = MOST_CONFUSED) -> None:
    """Write a PNG with the most confused frames: all cameras, the probability while held out, the truth, episode, step."""
    chosen = most_confused(trained, count)
    columns = min(4, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(2.5 * columns, 1.75 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, index in zip(grid.flat, chosen, strict=False):
        item, step = trained.episodes[trained.origin[index, 0]], trained.origin[index, 1]
        axes.imshow(_side_by_side([item.obs[f"image/{camera}"][step] for camera in trained.classifier.cameras]))
        truth, called = trained.labels[index], trained.probability[index] >= trained.scores.threshold
        title = f"p {trained.probability[index]:.3f}, is {'success' if truth else 'failure'}\n…{item.name[-6:]} step {step}"
        axes.set_title(title, fontsize=6.5, color="black" if called == truth else "C3")
    figure.savefig(path, dpi=100, pil_kwargs={"optimize": True})


def _side_by_side(images: list[np.ndarray]) -> np.ndarray:
    """Return uint8 [H, sum of W, 3] from images of any heights."""
    height = max(len(image) for image in images)
    padded = [np.pad(image, ((0, height - len(image)), (0, 0), (0, 0)), constant_values=255) for image in images]
    return np.concatenate(padded, axis=1)
