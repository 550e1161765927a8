"""Evaluation of a policy over fresh episodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robot_rl.envs.exertion import Exertion, total
from robot_rl.envs.factory import Env
from robot_rl.envs.rollout import EpisodeResult, run_episode
from robot_rl.protocols import Policy
from robot_rl.training.seeds import Stream, episode_seed
from robot_rl.training.statistics import wilson_interval
from robot_rl.types import EpisodeInfo


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Results of `len(results)` episodes."""

    results: tuple[EpisodeResult, ...]

    @property
    def episodes(self) -> int:
        """How many episodes were run."""
        return len(self.results)

    @property
    def successes(self) -> int:
        """How many of them succeeded."""
        return sum(result.success for result in self.results)

    @property
    def success_rate(self) -> float:
        """Successes over episodes, 0 without episodes."""
        return self.successes / self.episodes if self.results else 0.0

    @property
    def mean_length(self) -> float:
        """Mean number of steps of all episodes, failures included."""
        return float(np.mean([result.length for result in self.results])) if self.results else 0.0

    @property
    def mean_return(self) -> float:
        """Mean undiscounted return."""
        return float(np.mean([result.return_ for result in self.results])) if self.results else 0.0

    @property
    def helped(self) -> int:
        """In how many of them a person acted."""
        return sum(result.interventions > 0 for result in self.results)

    @property
    def intervention_rate(self) -> float:
        """Share of all steps on which a person acted."""
        num_steps = sum(result.length for result in self.results)
        return sum(result.interventions for result in self.results) / num_steps if num_steps else 0.0

    @property
    def exertion(self) -> Exertion | None:
        """How hard the arm touched and how roughly it moved in all of them; None where nobody can tell."""
        return total(result.exertion for result in self.results)

    @property
    def success(self) -> dict[str, float]:
        """`{k, n, low, high}` with Wilson's 95% interval, for summaries."""
        low, high = wilson_interval(self.successes, self.episodes)
        return {"k": self.successes, "n": self.episodes, "low": low, "high": high}


def evaluate(
    env: Env,
    policy: Policy,
    episodes: int,
    seed: int,
    *,
    stream: Stream = "evaluate",
    explore: bool = False,
    on_episode: Callable[[int, EpisodeResult], None] | None = None,
) -> Evaluation:
    """Run `policy` for `episodes` episodes whose starts depend on `seed`, `stream` and the episode's index only.

    Args:
        env: Where to act.
        policy: Who acts.
        episodes: How many.
        seed: The run's seed.
        stream: Which set of starts.
        explore: Whether actions are sampled.
        on_episode: Called with (index, result) after each episode.
    """
    results: list[EpisodeResult] = []
    for index in range(episodes):
        info = EpisodeInfo(env.env_spec.name, "evaluation", episode_seed(seed, stream, index))
        result = run_episode(env, policy, seed=info.seed, explore=explore, info=info)
        if not result.is_discarded:  # a person says that it tells nothing
            results.append(result)
        if on_episode is not None:
            on_episode(index, result)
    return Evaluation(tuple(results))


def first_reaching(points: Sequence[tuple[int, float]], threshold: float) -> int | None:
    """Return the first env_steps of (env_steps, success rate) points at or above `threshold`, or None."""
    return next((steps for steps, rate in points if rate >= threshold), None)
