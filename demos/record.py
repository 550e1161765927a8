"""Recording demonstrations: a demonstrator acts in an environment, and what is worth keeping is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from demos.past_success import PastSuccess
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.envs.factory import Env
from robot_rl.envs.rollout import EpisodeResult, run_episode
from robot_rl.errors import ConfigError
from robot_rl.protocols import ExperienceSink, Policy
from robot_rl.types import EpisodeInfo, Transition

ATTEMPTS_PER_EPISODE = 10
"""Attempts that a demonstrator may need for each episode wanted, unless told otherwise."""

NOTHING: Mapping[str, Any] = MappingProxyType({})

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What a recording session gave."""

    kept: int
    attempted: int
    successes: int
    mean_length: float
    """Steps, of the kept episodes; 0 without any."""


class SuccessFilter:
    """An ExperienceSink that holds an episode back until it ends, and passes it on if a step of it was a success."""

    def __init__(self, sink: ExperienceSink) -> None:
        self._sink = sink
        self._info: EpisodeInfo | None = None
        self._transitions: list[Transition] = []

    def begin_episode(self, info: EpisodeInfo) -> None:
        """Start an episode."""
        self.end_episode()
        self._info = info

    def add(self, transition: Transition) -> None:
        """Hold one step back."""
        self._transitions.append(transition)

    def end_episode(self) -> None:
        """Pass the episode on, or forget it."""
        info, transitions = self._info, self._transitions
        self._info, self._transitions = None, []
        if info is None or not any(transition.success for transition in transitions):
            return
        self._sink.begin_episode(info)
        for transition in transitions:
            self._sink.add(transition)
        self._sink.end_episode()

    def discard_episode(self) -> None:
        """Forget the open episode."""
        self._info, self._transitions = None, []


def record(
    env: Env,
    policy: Policy,
    target: ExperienceSink | str | Path,
    episodes: int,
    seed: int,
    *,
    keep: Literal["success", "all"] = "success",
    past_success: int = 0,
    max_attempts: int | None = None,
    source: str = "demo",
    notes: Mapping[str, str | int | float | bool] = NOTHING,
    explore: bool = False,
    on_episode: Callable[[int, EpisodeResult, bool], None] | None = None,
) -> RecordSummary:
    """Let `policy` act until `episodes` episodes are kept.

    Args:
        env: Where to act.
        policy: The demonstrator.
        target: Where kept episodes go: a sink, or the folder of a dataset, which is added to.
        episodes: How many to keep.
        seed: The start of attempt i depends on `seed` and i alone, and is none that training or evaluation use.
        keep: Whether failures are kept too.
        past_success: Steps for which an episode goes on after its first success; more than 0 needs an environment that does
            not end there (`EnvOptions.end_at_success`).
        max_attempts: Give up after as many; None: ten for each episode. Too few kept episodes are logged as a warning.
        source: What the episodes say of their origin.
        notes: Stored with every episode.
        explore: Whether the policy samples its actions.
        on_episode: Called with (attempt, result, is_kept) after each attempt.
    """
    if episodes < 1:
        raise ConfigError(f"cannot record {episodes} episodes; ask for at least 1")
    sink = EpisodeWriter(target, env.env_spec) if isinstance(target, str | Path) else target
    if keep == "success":
        sink = SuccessFilter(sink)
    if past_success:
        env = PastSuccess(env, past_success)
    limit = ATTEMPTS_PER_EPISODE * episodes if max_attempts is None else max_attempts
    results: list[EpisodeResult] = []
    kept: list[EpisodeResult] = []
    while len(kept) < episodes and len(results) < limit:
        info = EpisodeInfo(env.env_spec.name, source, attempt_seed(seed, len(results)), notes)
        result = run_episode(env, policy, seed=info.seed, explore=explore, info=info, sinks=(sink,))
        is_kept = (result.success or keep == "all") and not result.is_discarded
        if on_episode is not None:
            on_episode(len(results), result, is_kept)
        results.append(result)
        if is_kept:
            kept.append(result)
    if len(kept) < episodes:
        _logger.warning("kept %d of %d wanted episodes in %d attempts", len(kept), episodes, len(results))
    return RecordSummary(
        kept=len(kept),
        attempted=len(results),
        successes=sum(result.success for result in results),
        mean_length=float(np.mean([result.length for result in kept])) if kept else 0.0,
    )


def attempt_seed(seed: int, attempt: int) -> int:
    """Return the seed of the start of an attempt; none that training or evaluation use."""
    # A spawn key keeps these apart from seeds made of a plain list of numbers, as training and evaluation make theirs.
    return int(np.random.SeedSequence(seed, spawn_key=(attempt,)).generate_state(1)[0])
