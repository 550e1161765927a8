"""Waiting on a station's clock, and whether it wakes in time."""

from __future__ import annotations

import numpy as np
from check_row import Check, within

from robot_rl.protocols import Clock
from robot_rl.specs import EnvSpec

GRID_S = 0.01
"""s: what is waited is a whole number of these, on which steps of a simulation's physics fall."""
WAKE_UPS = 60
MAX_LATE_S = 0.005
"""s by which the computer may wake up late for a control period (99th percentile)."""


def pause(clock: Clock, duration: float) -> None:
    """Let about `duration` s pass, at least 10 ms."""
    clock.sleep_until(clock.now() + max(1, round(duration / GRID_S)) * GRID_S)


def punctuality(spec: EnvSpec | None, clock: Clock) -> Check:
    """Sleep to the grid of a control period, as a loop does, and judge how late it wakes."""
    period = min(spec.control_dt if spec else 0.1, 0.05)
    due, late = clock.now(), []
    for _ in range(WAKE_UPS):
        due += period
        clock.sleep_until(due)
        late.append(clock.now() - due)
    fix = "end other programs; give the process a real-time priority (chrt -f 20)"
    return within("wakes up late by (p99)", 1e3 * float(np.quantile(late, 0.99)), 1e3 * MAX_LATE_S, "ms", fix)
