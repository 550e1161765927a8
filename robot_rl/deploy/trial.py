"""Counting successes of deployed policies: one, or two that are compared blindly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_rl.envs.rollout import EpisodeResult
from robot_rl.errors import ConfigError
from robot_rl.wilson import wilson_interval


@dataclass(slots=True)
class Trial:
    """How the episodes of one policy went.

    A success counts only if nobody helped. An episode that a device fault cut, or that a person discarded or stopped, tells
    nothing of the policy and is counted apart.
    """

    successes: int = 0
    failures: int = 0
    """Helped ones included."""
    helped: int = 0
    faults: int = 0
    discarded: int = 0
    lengths: list[int] = field(default_factory=list)
    """Steps of the successes."""

    def add(self, result: EpisodeResult) -> None:
        """Count an episode."""
        if result.is_discarded:
            self.discarded += 1
        elif result.fault:
            self.faults += 1
        elif result.success and not result.interventions:
            self.successes += 1
            self.lengths.append(result.length)
        else:
            self.failures += 1
            self.helped += result.interventions > 0

    @property
    def episodes(self) -> int:
        """How many episodes tell something of the policy."""
        return self.successes + self.failures

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the success rate."""
        return wilson_interval(self.successes, self.episodes)

    def summary(self) -> dict[str, Any]:
        """Return plain values: `{k, n, low, high, ...}`."""
        low, high = self.interval
        return {
            "k": self.successes, "n": self.episodes, "low": low, "high": high, "helped": self.helped,
            "faults": self.faults, "discarded": self.discarded,
            "mean_length": float(np.mean(self.lengths)) if self.lengths else None,
        }  # fmt: skip

    def __str__(self) -> str:
        low, high = self.interval
        rate = f"{self.successes}/{self.episodes}  (95% interval {low:.0%} to {high:.0%})"
        others = [f"{count} {name}" for name in ("helped", "faults", "discarded") if (count := getattr(self, name))]
        return "  ".join([rate, *others])


def blind_order(num_policies: int, episodes: int, seed: int) -> list[int]:
    """Return which policy acts in each of `episodes * num_policies` episodes.

    Every round has each policy once, in an order that is drawn: what drifts in the course of a day meets all alike, and
    nobody can tell who is next.

    Raises:
        ConfigError: If there is no policy or no episode.
    """
    if num_policies < 1 or episodes < 1:
        raise ConfigError(f"a trial of {num_policies} policies in {episodes} episodes is none; give at least one of each")
    rng = np.random.default_rng(seed)
    return [int(index) for _ in range(episodes) for index in rng.permutation(num_policies)]


def fisher_p(first: Trial, second: Trial) -> float:
    """Return the two-sided p value of Fisher's exact test that both policies succeed equally often; 1 without episodes."""
    rows = (first.episodes, second.episodes)
    successes, total = first.successes + second.successes, sum(rows)

    def chance(count: int) -> float:
        return math.comb(rows[0], count) * math.comb(rows[1], successes - count) / math.comb(total, successes)

    seen = chance(first.successes)
    possible = range(max(0, successes - rows[1]), min(rows[0], successes) + 1)
    return min(1.0, sum(each for count in possible if (each := chance(count)) <= seen * (1 + 1e-9)))


def periods(stamps: Sequence[float], control_dt: float) -> dict[str, float]:
    """Return how regular a control loop was: p50, p99 and worst of its periods, s, and how many missed a whole one.

    Args:
        stamps: s, of consecutive observations.
        control_dt: s, the period that was wanted.
    """
    gaps = np.diff(np.asarray(stamps))
    if gaps.size == 0:
        return {"p50": 0.0, "p99": 0.0, "worst": 0.0, "missed": 0.0}
    p50, p99 = np.quantile(gaps, [0.5, 0.99])
    return {
        "p50": float(p50), "p99": float(p99), "worst": float(gaps.max()),
        "missed": float((gaps >= 2 * control_dt - 1e-9).sum()),
    }  # fmt: skip
