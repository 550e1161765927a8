"""Where a run stands: what its checkpoints hold beside the agent."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from robot_rl.envs.exertion import REPORTED, Exertion, total
from robot_rl.envs.rollout import EpisodeResult
from robot_rl.training.evaluate import Evaluation
from robot_rl.types import Metrics


@dataclass(frozen=True, slots=True)
class EpisodeOutcome:
    """What is remembered of a training episode."""

    success: bool
    length: int
    """steps"""
    interventions: int
    """of them, those on which a person acted"""


class RecentEpisodes:
    """The last training episodes, and how they went."""

    def __init__(self, count: int = 20) -> None:
        self._outcomes = deque[EpisodeOutcome](maxlen=count)

    def add(self, *outcomes: EpisodeOutcome) -> None:
        """Take note of the next ones."""
        self._outcomes.extend(outcomes)

    @property
    def success_rate(self) -> float | None:
        """Share of successes, helped ones included; None before the first episode."""
        return sum(outcome.success for outcome in self._outcomes) / len(self._outcomes) if self._outcomes else None

    @property
    def intervention_rate(self) -> float | None:
        """Share of the steps on which a person acted; None before the first episode."""
        num_steps = sum(outcome.length for outcome in self._outcomes)
        return sum(outcome.interventions for outcome in self._outcomes) / num_steps if num_steps else None

    @property
    def metrics(self) -> Metrics:
        """What metrics.csv shows of them."""
        shown = {"episode/recent_success": self.success_rate, "human/recent_intervention_rate": self.intervention_rate}
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One line of evaluations.csv."""

    env_steps: int
    wall_s: float
    successes: int
    episodes: int
    mean_length: float
    mean_return: float
    sampled_successes: int | None
    """successes of the exploring policy on the same starts; None: not measured"""
    intervention_rate: float = 0.0
    """share of the steps of the last 20 training episodes on which a person acted"""
    human_steps: int = 0
    """environment steps so far on which a person acted"""
    peak_force: float | None = None
    """N, largest net contact force at the hand with mean actions; None here and below where nobody can tell"""
    mean_force: float | None = None
    """N, over the time of these episodes"""
    peak_speed: float | None = None
    """m/s, of the tcp"""
    rms_jerk: float | None = None
    """m/s^3, of the tcp"""
    violation_rate: float | None = None
    """share of their steps in which force, place or speed was beyond its bound"""

    @property
    def success_rate(self) -> float:
        """Successes over episodes."""
        return self.successes / self.episodes

    @property
    def metrics(self) -> Metrics:
        """What metrics.csv shows of it."""
        may_lack = {f"evaluation/{name}": getattr(self, name) for name in REPORTED}
        if self.sampled_successes is not None:
            may_lack["evaluation/sampled_success"] = self.sampled_successes / self.episodes
        return {"evaluation/success": self.success_rate, "evaluation/length": self.mean_length} | {
            name: value for name, value in may_lack.items() if value is not None
        }

    @classmethod
    def of(
        cls,
        env_steps: int,
        wall_s: float,
        greedy: Evaluation,
        sampled: Evaluation | None,
        *,
        intervention_rate: float = 0.0,
        human_steps: int = 0,
    ) -> EvaluationRow:
        """Return the line of two evaluations on the same starts."""
        return cls(
            env_steps=env_steps,
            wall_s=round(wall_s, 2),
            successes=greedy.successes,
            episodes=greedy.episodes,
            mean_length=round(greedy.mean_length, 2),
            mean_return=round(greedy.mean_return, 4),
            sampled_successes=None if sampled is None else sampled.successes,
            intervention_rate=round(intervention_rate, 4),
            human_steps=human_steps,
            **reported(greedy.exertion),
        )


@dataclass(slots=True)
class Counters:
    """Counts of a run; they go on where a resumed run stopped."""

    env_steps: int = 0
    episodes: int = 0
    """episodes begun; decides the start of the next"""
    human_steps: int = 0
    """environment steps on which a person acted"""
    is_learning: bool = False
    """whether the warm start is over"""
    evaluations: list[EvaluationRow] = field(default_factory=list)
    claimed_successes: int = 0
    """training episodes that the reward called a success"""
    false_successes: int = 0
    """of these, how many were none by the environment itself: a learned reward was fooled"""
    exertion: Exertion | None = None
    """of all training episodes that came to an end; None where nobody can tell"""
    wall_s_before: float = 0.0
    """s of earlier sessions"""
    started: float = field(default_factory=time.monotonic)

    @property
    def wall_s(self) -> float:
        """Return s of the run so far: warm start, acting, learning and evaluations; demonstrations left out."""
        return self.wall_s_before + time.monotonic() - self.started

    def count(self, result: EpisodeResult) -> None:
        """Count whether a training episode was called a success, and was one, and what it exerted."""
        self.exertion = total((self.exertion, result.exertion))
        self.claimed_successes += result.success
        self.false_successes += result.success and not result.true_success

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "env_steps": self.env_steps,
            "episodes": self.episodes,
            "human_steps": self.human_steps,
            "is_learning": self.is_learning,
            "claimed_successes": self.claimed_successes,
            "false_successes": self.false_successes,
            "exertion": None if self.exertion is None else asdict(self.exertion),
            "wall_s": self.wall_s,
            "evaluations": [asdict(row) for row in self.evaluations],
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> Counters:
        """Return what `state_dict` was taken of; its clock goes on from here."""
        rows = [EvaluationRow(**row) for row in state["evaluations"]]
        names = ("env_steps", "episodes", "human_steps", "is_learning", "claimed_successes", "false_successes")
        known = {"human_steps": 0, "exertion": None, **state}  # checkpoints from before there were interventions, exertions
        exertion = None if known["exertion"] is None else Exertion(**known["exertion"])
        counts = {name: known[name] for name in names}
        return cls(**counts, exertion=exertion, evaluations=rows, wall_s_before=state["wall_s"])


def episode_metrics(result: EpisodeResult) -> Metrics:
    """Return what metrics.csv shows of a training episode."""
    return {
        "episode/success": float(result.success),
        "episode/true_success": float(result.true_success),
        "episode/length": float(result.length),
        "episode/return": result.return_,
        "human/intervention_rate": result.interventions / result.length,
    } | {f"safety/{name}": value for name, value in reported(result.exertion).items()}


def reported(exertion: Exertion | None) -> dict[str, float]:
    """Return what tables show of an exertion; nothing where there is none."""
    return {} if exertion is None else exertion.report()
