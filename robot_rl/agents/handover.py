"""Agency handover: how often the planner acts instead of the cloned policy, by schedule and by what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robot_rl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HandoverConfig:
    """MoDem-V2's, with the gate that its hardware settings describe and no script of it turns on."""

    start: int = 0
    """environment steps of learning before which the cloned policy alone acts"""
    end: int = 0
    """environment steps of learning from which the planner may act always; not after `start`: from the first step on"""
    is_gated: bool = False
    """let the planner's share grow only at evaluations in which it did at least as well as in any before"""
    gate_step: float = 0.25
    """by how much it then grows"""
    by: Literal["step", "episode"] = "episode"
    """how long whoever is drawn acts"""

    def __post_init__(self) -> None:
        if self.start < 0 or self.end < 0:
            raise ConfigError(f"handover start {self.start} or end {self.end} is negative")
        if not 0.0 < self.gate_step <= 1.0:
            raise ConfigError(f"handover gate_step {self.gate_step:g} is not in 0..1")


class Handover:
    """The planner's share of agency. The gate's limit never falls."""

    def __init__(self, config: HandoverConfig) -> None:
        self.config = config
        self.limit = 0.0 if config.is_gated else 1.0
        """what the gate allows"""
        self.best = 0.0
        """highest success rate measured so far"""

    def scheduled(self, step: int) -> float:
        """Return the share by schedule after `step` environment steps of learning: 0 until `start`, 1 from `end` on."""
        start, end = self.config.start, self.config.end
        if end <= start:
            return float(step >= start)
        return min(max((step - start) / (end - start), 0.0), 1.0)

    def share(self, step: int) -> float:
        """Return how probable it is that the planner acts."""
        return min(self.scheduled(step), self.limit)

    def measured(self, success_rate: float, step: int) -> None:
        """Take note of an evaluation: of the clone at step 0, of the planner later.

        The gate opens a little if the planner is as good as anything measured before, and no further ahead of the schedule.
        """
        if step > 0 and success_rate >= self.best and self.limit <= self.scheduled(step):
            self.limit = min(1.0, self.limit + self.config.gate_step)
        self.best = max(self.best, success_rate)

    def state_dict(self) -> dict[str, float]:
        """Return what has been measured."""
        return {"limit": self.limit, "best": self.best}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore what `state_dict` returned."""
        self.limit, self.best = float(state["limit"]), float(state["best"])
