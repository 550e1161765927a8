"""A workspace from places that the tool was led to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.station import Workspace

MIN_SIDE_M = 0.02
"""m: a thinner box leaves no room to move, and was taught by mistake."""


def workspace_of(corners: Sequence[np.ndarray], margin_m: float = 0.0) -> Workspace:
    """Return the box around taught places, smaller by a margin on every side but the lowest.

    Downwards the taught height counts as it is: the tool was led to the table itself, and work is done there.

    Args:
        corners: [3] each, m, base frame.
        margin_m: m.

    Raises:
        ConfigError: If the places leave no box.
    """
    if len(corners) < 2 or not np.isfinite(np.array(corners)).all():
        raise ConfigError(f"{len(corners)} places make no box; lead the tool to two opposite corners at least")
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    low, high = low + np.array([margin_m, margin_m, 0.0]), high - margin_m
    if np.any(high - low < MIN_SIDE_M):
        sides = " x ".join(f"{side:.3f}" for side in high - low)
        raise ConfigError(
            f"the places leave a box of {sides} m with a margin of {margin_m:g} m; each side needs {MIN_SIDE_M:g} m: "
            "lead the tool to corners that are opposite in all of x, y and z"
        )
    return Workspace((float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2])))


def workspace_toml(part: str, workspace: Workspace) -> str:
    """Return the lines of a station file."""
    rows = [f"{name} = [{', '.join(f'{value:.3f}' for value in box)}]"
            for name, box in (("low_m", workspace.low_m), ("high_m", workspace.high_m))]  # fmt: skip
    return "\n".join([f"[workspace.{part}]", *rows]) + "\n"
