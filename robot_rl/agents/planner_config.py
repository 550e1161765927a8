"""Settings of the planner."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from robot_rl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PlannerConfig:
    """MPPI in latent space. A plan costs num_iterations x num_samples x horizon steps of the model."""

    num_samples: int = 128
    """plans drawn in each iteration"""
    num_elites: int = 24
    """best of them, which the next iteration is drawn around"""
    num_pi_trajs: int = 16
    """plans of the policy, beside them"""
    num_iterations: int = 3
    """rounds of drawing and choosing"""
    horizon: int = 3
    """steps of a plan"""
    proposal: Literal["annealed", "policy", "gaussian"] = "annealed"
    """what the first iteration draws around. policy: all plans are the policies' own with noise (MoDem-V2's exploration
    centering); gaussian: the last plan, widely (MoDem, TD-MPC2); annealed: from the policy's to that, with the steps (Newt)"""
    anneal_start: int = 0
    """environment steps of learning until which the policy alone is drawn around; only annealed"""
    anneal_end: int = 5000
    """environment steps of learning from which its weight is `anneal_weight`; only annealed"""
    anneal_weight: float = 0.0
    """weight of the policy's plans in what is drawn around, in the end; only annealed"""
    min_std: float = 0.05
    """standard deviation that drawing does not fall below"""
    max_std: float = 2.0
    """standard deviation that it starts with, away from the policy"""
    pi_std: float = 0.1
    """noise on the policies' own plans where they are all that is drawn"""
    warm_start: bool = True
    """start from the last plan, moved on by a step"""
    momentum: float = 0.0
    """share of the mean that an iteration keeps"""
    temperature: float = 1.0
    """how much better plans count more: weight exp(temperature x lead)"""
    relative_temperature: bool = True
    """measure leads in standard deviations of the elites' scores: sparse rewards differ by far less than 1"""
    pessimism: float = 1.0
    """standard deviations of the critics by which a plan's score is lowered"""
    pessimism_at: Literal["terminal", "horizon"] = "horizon"
    """where critics may disagree at a cost: at the plan's end (MoDem-V2), or at each of its steps too (FOWM)"""
    explore_std: float = 0.3
    """largest standard deviation of the noise on exploring actions"""
    within_s: float = 0.0
    """s that a plan may take on the device that it is made on; measured before anything moves. 0: as long as it takes"""
    if_late: Literal["reduce", "refuse"] = "reduce"
    """what to do where a plan takes longer than `within_s`: fewer iterations and samples, or an error"""

    def __post_init__(self) -> None:
        limits = {"num_samples": 100_000, "num_elites": 100_000, "num_iterations": 1000, "horizon": 100}
        for name, largest in limits.items():
            if not 1 <= getattr(self, name) <= largest:
                raise ConfigError(f"planner {name} {getattr(self, name)} is not in 1..{largest}")
        for name in ("num_pi_trajs", "anneal_start", "pessimism", "explore_std", "within_s", "pi_std", "temperature"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"planner {name} {getattr(self, name):g} is negative or not finite")
        if self.num_elites > self.num_samples:
            raise ConfigError(f"planner num_elites {self.num_elites} is above num_samples {self.num_samples}")
        if not 0.0 < self.min_std <= self.max_std < math.inf:
            raise ConfigError(f"planner min_std {self.min_std:g} is not in 0..max_std {self.max_std:g}")
        if not 0.0 <= self.momentum < 1.0 or not 0.0 <= self.anneal_weight <= 1.0:
            raise ConfigError(f"planner momentum {self.momentum:g} or anneal_weight {self.anneal_weight:g} is not in 0..1")
        if self.anneal_end < self.anneal_start:
            raise ConfigError(f"planner anneal_end {self.anneal_end} is before anneal_start {self.anneal_start}")

    def prior_weight(self, step: int) -> float:
        """Return the weight of the policy in what plans are drawn around, after `step` environment steps of learning."""
        if self.proposal != "annealed":
            return float(self.proposal == "policy")
        length = max(1, self.anneal_end - self.anneal_start)  # Newt divides by the end instead, and ends late
        share = min(max((step - self.anneal_start) / length, 0.0), 1.0)
        return 1.0 + share * (self.anneal_weight - 1.0)
