"""The episodes of a deployment: policies act in turn, are counted, and nobody is told whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.atomic_file import write_json
from robot_rl.data.background import BackgroundWriter
from robot_rl.deploy.bundle import Bundle
from robot_rl.deploy.trial import Trial, periods
from robot_rl.envs.factory import Env
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.rollout import EpisodeResult, run_episode
from robot_rl.errors import DeviceError
from robot_rl.protocols import Policy
from robot_rl.types import EpisodeInfo, Metrics, Transition

MAX_DEAD_STARTS = 3
"""Episodes in a row that a fault ends in their first step, after which the device is given up."""


@dataclass(slots=True)
class Contestant:
    """A policy, and how it does."""

    bundle: Bundle
    policy: Policy
    difference: float | None
    """From the trained policy, on recorded observations; None: not tried."""
    trial: Trial = field(default_factory=Trial)
    stamps: list[list[float]] = field(default_factory=list)
    """s, of the observations of each episode."""


class Stamps:
    """An ExperienceSink that notes when observations were made."""

    def __init__(self) -> None:
        self.stamps: list[float] = []

    def begin_episode(self, info: EpisodeInfo) -> None:
        """Start anew."""
        self.stamps = []

    def add(self, transition: Transition) -> None:
        """Note one step."""
        self.stamps.append(transition.stamp)

    def end_episode(self) -> None:
        """Keep what was noted."""

    def discard_episode(self) -> None:
        """Forget it."""
        self.stamps = []


def run_trials(
    env: Env,
    contestants: Sequence[Contestant],
    order: Sequence[int],
    writer: BackgroundWriter,
    *,
    seed: int,
    say: Callable[[str], None],
    publish: Callable[[Metrics], None],
) -> None:
    """Let policies act in the given order.

    Args:
        env: Where, with a person beside it who may stop it.
        contestants: Who; their trials are counted on in place.
        order: Index of the one that acts in each episode. Contestants of one round get the same start.
        writer: Where episodes go; they do not say who acted.
        seed: Of the starts.
        say: Told in a line what is going on.
        publish: Told points of curves, where that gives nothing away.

    Raises:
        KeyboardInterrupt: If a person stops it.
        DeviceError: If a device fails again and again before the first step.
    """
    is_blind, dead_starts = len(contestants) > 1, 0
    for number, index in enumerate(order):
        now = contestants[index]
        say(f"episode {number + 1} of {len(order)}: resetting, keep clear of the robot")
        start = int(np.random.SeedSequence([seed, number // len(contestants)]).generate_state(1)[0])
        info = EpisodeInfo(env.env_spec.name, "deployment", start, {"trial": number, "order_seed": seed})
        stamps = Stamps()
        result = run_episode(env, now.policy, seed=start, explore=False, info=info, sinks=(writer, stamps))
        if result.fault == STOPPED:
            raise KeyboardInterrupt
        now.trial.add(result)
        now.stamps.append(stamps.stamps)
        say(f"episode {number + 1}: {_outcome(result)}" + ("" if is_blind else f"; {now.trial}"))
        if not is_blind:
            publish({"episode/success": float(result.success), "episode/length": float(result.length)})
        dead_starts = dead_starts + 1 if result.fault and result.length <= 1 else 0
        if dead_starts >= MAX_DEAD_STARTS:
            raise DeviceError(f"{dead_starts} episodes in a row ended in their first step; the last by: {result.fault}")


def write_results(folder: Path, contestants: Sequence[Contestant], order: Sequence[int], seed: int, control_dt: float) -> None:
    """Write `results.json`: how each did, how regular its loop was, and who acted in which episode."""
    folder.mkdir(parents=True, exist_ok=True)
    names = labels(contestants)
    write_json(
        folder / "results.json",
        {
            "seed": seed,
            "order": [names[index] for index in order],
            "policies": [_described(each, control_dt) for each in contestants],
        },
    )


def labels(contestants: Sequence[Contestant]) -> list[str]:
    """Return what each is called where it is told who is who: by the bundle's name, A and B before it if both have the same."""
    names = [each.bundle.name for each in contestants]
    if len(set(names)) == len(names):
        return names
    return [f"{letter}: {name}" for letter, name in zip("AB", names, strict=True)]


def _described(each: Contestant, control_dt: float) -> dict[str, Any]:
    regular = [periods(stamps, control_dt) for stamps in each.stamps if len(stamps) > 1]
    worst = {name: max(episode[name] for episode in regular) for name in regular[0]} if regular else None
    bundle = each.bundle
    about = {"name": bundle.name, "path": str(bundle.path), "version": bundle.version, "provenance": bundle.provenance}
    return about | {"success": each.trial.summary(), "worst_period_s": worst}


def _outcome(result: EpisodeResult) -> str:
    if result.is_discarded:
        return "discarded"
    if result.fault:
        return f"cut by a fault: {result.fault}"
    how = "success" if result.success else "no success"
    return f"{how} after {result.length} steps" + (f", {result.interventions} of them by a person" * bool(result.interventions))
