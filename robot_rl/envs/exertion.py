"""Exertion: how hard an arm touched things and how roughly it moved, in one control step or in many."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

REPORTED = {"peak_force": 3, "mean_force": 4, "peak_speed": 4, "rms_jerk": 3, "violation_rate": 5}
"""What tables show, to decimals."""


@dataclass(frozen=True, slots=True)
class Exertion:
    """Sums and maxima over samples between control steps, so that two stretches of time together are their sum `+`."""

    steps: int
    """control steps"""
    violations: int
    """of them, those in which force, place or speed was beyond its bound"""
    samples: int
    """instants at which force, place and speed were looked at"""
    force_sum: float
    """N, over the samples: net contact force at the hand"""
    peak_force: float
    """N, the largest of them"""
    peak_speed: float
    """m/s, of the tcp"""
    num_jerks: int
    """samples for which a jerk is known: all but the first few of an episode"""
    squared_jerk_sum: float
    """m^2/s^6, over these: of the tcp"""

    def __add__(self, other: Exertion) -> Exertion:
        return Exertion(
            steps=self.steps + other.steps,
            violations=self.violations + other.violations,
            samples=self.samples + other.samples,
            force_sum=self.force_sum + other.force_sum,
            peak_force=max(self.peak_force, other.peak_force),
            peak_speed=max(self.peak_speed, other.peak_speed),
            num_jerks=self.num_jerks + other.num_jerks,
            squared_jerk_sum=self.squared_jerk_sum + other.squared_jerk_sum,
        )

    @property
    def mean_force(self) -> float:
        """N, over all samples, those without contact included; 0 without samples."""
        return self.force_sum / self.samples if self.samples else 0.0

    @property
    def rms_jerk(self) -> float:
        """m/s^3, root of the mean square; 0 where none is known."""
        return math.sqrt(self.squared_jerk_sum / self.num_jerks) if self.num_jerks else 0.0

    @property
    def violation_rate(self) -> float:
        """Share of the control steps in violation; 0 without steps."""
        return self.violations / self.steps if self.steps else 0.0

    def report(self) -> dict[str, float]:
        """Return what tables show."""
        return {name: round(getattr(self, name), decimals) for name, decimals in REPORTED.items()}


class ExertionMeter(Protocol):
    """Watches an arm without disturbing it."""

    def begin_episode(self) -> None:
        """Forget what was before."""
        ...

    def take(self) -> Exertion:
        """Return what happened since the last call, as one control step."""
        ...


def total(exertions: Iterable[Exertion | None]) -> Exertion | None:
    """Return the sum of those that were measured; None if none was."""
    known = [exertion for exertion in exertions if exertion is not None]
    return reduce(add, known) if known else None
