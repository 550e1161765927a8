"""One episode: a policy acts in an environment, and experience sinks are told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_rl.envs.exertion import Exertion, total
from robot_rl.envs.factory import Env
from robot_rl.envs.options import StepInfo
from robot_rl.protocols import ExperienceSink, Policy
from robot_rl.types import EpisodeInfo, Observation, Transition


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """How an episode went."""

    length: int
    """steps"""
    success: bool
    """Whether any step reported success."""
    return_: float
    """Undiscounted sum of rewards."""
    seconds: float
    """Wall time from reset to the last step, s."""
    interventions: int
    """Steps on which a person acted."""
    fault: str = ""
    """What failed, or an empty string."""
    true_success: bool = False
    """Whether any step was a success by the environment itself, whatever a learned reward said."""
    is_discarded: bool = False
    """Whether a person asked to forget the episode."""
    exertion: Exertion | None = None
    """How hard the arm touched and how roughly it moved; None where nobody can tell."""


class EpisodeTally:
    """Adds up an `EpisodeResult` step by step, for loops that do more than `run_episode`."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._length, self._return, self._interventions = 0, 0.0, 0
        self._success, self._true_success, self._fault, self._is_discarded = False, False, "", False
        self._exertion: Exertion | None = None

    def add(self, transition: Transition, step_info: StepInfo | dict[str, Any]) -> None:
        """Count one step."""
        self._length += 1
        self._return += transition.reward
        self._interventions += transition.is_intervention
        self._success = self._success or transition.success
        self._true_success = self._true_success or bool(step_info["true_success"])
        self._fault = step_info["fault"] or self._fault
        self._is_discarded = self._is_discarded or bool(step_info.get("discard", False))
        self._exertion = total((self._exertion, step_info.get("exertion")))

    def result(self) -> EpisodeResult:
        """Return the result so far."""
        seconds = time.monotonic() - self._started
        return EpisodeResult(
            length=self._length,
            success=self._success,
            return_=self._return,
            seconds=seconds,
            interventions=self._interventions,
            fault=self._fault,
            true_success=self._true_success,
            is_discarded=self._is_discarded,
            exertion=self._exertion,
        )


def build_transition(
    obs: Observation,
    action: np.ndarray,
    reward: float,
    next_obs: Observation,
    terminated: bool,
    truncated: bool,
    step_info: StepInfo | dict[str, Any],
    *,
    stamp: float,
    policy_version: int = 0,
) -> Transition:
    """Return one control step as it is stored.

    Args:
        obs: What `action` was chosen on.
        action: [A], what was given to `step`: the policy's, even if a person overrode it.
        reward: Of the step.
        next_obs: What `step` returned.
        terminated: Whether the task ended.
        truncated: Whether the episode was cut.
        step_info: What `step` returned; tells which action was executed.
        stamp: s, when `obs` was measured (`first_stamp`, then the last step's `step_info["stamp"]`).
        policy_version: Of the policy that acted.
    """
    return Transition(
        obs=obs,
        action=step_info["action"],
        reward=float(reward),
        next_obs=next_obs,
        terminated=bool(terminated),
        truncated=bool(truncated),
        success=bool(step_info["success"]),
        policy_action=action,
        is_intervention=bool(step_info["is_intervention"]),
        clamped=bool(step_info["clamped"]),
        policy_version=policy_version,
        stamp=stamp,
    )


def first_stamp(reset_info: dict[str, Any]) -> float:
    """Return when the observation of `reset` was measured, s; 0 from environments that do not tell."""
    return float(reset_info.get("stamp", 0.0))


def run_episode(
    env: Env,
    policy: Policy,
    *,
    seed: int | None,
    explore: bool,
    info: EpisodeInfo,
    sinks: Sequence[ExperienceSink] = (),
) -> EpisodeResult:
    """Let `policy` act in `env` until the episode ends.

    Sinks are closed however it ends, an exception or Ctrl-C included, so that no step is lost; an episode that a person
    rejects (`info["discard"]`) they forget. Whatever is raised, by a sink whose disk is full, say, the robot holds first.

    Args:
        env: Where to act.
        policy: Who acts.
        seed: Of the start; None leaves it to the environment.
        explore: Whether actions are sampled.
        info: What sinks are told of the episode.
        sinks: Who takes the transitions.
    """
    obs, reset_info = env.reset(seed=seed)
    policy.begin_episode()
    tally, stamp, is_over = EpisodeTally(), first_stamp(reset_info), False
    with ExitStack() as open_sinks:
        for sink in sinks:
            sink.begin_episode(info)
            open_sinks.callback(sink.end_episode)
        try:
            while not is_over:
                action = policy.act(obs, explore=explore)
                next_obs, reward, terminated, truncated, step_info = env.step(action)
                transition = build_transition(
                    obs, action, reward, next_obs, terminated, truncated, step_info,
                    stamp=stamp, policy_version=policy.version,
                )  # fmt: skip
                if not step_info["fault"]:  # at a fault nothing was measured: the observation is a repetition
                    for sink in sinks:
                        sink.add(transition)
                tally.add(transition, step_info)
                obs, stamp, is_over = next_obs, step_info["stamp"], terminated or truncated
        except BaseException:
            hold(env)
            raise
        result = tally.result()
        if result.is_discarded:
            for sink in sinks:
                sink.discard_episode()
    return result


def hold(env: Env) -> None:
    """End the episode and hold the robot, where there is one."""
    stop = getattr(getattr(env, "unwrapped", env), "stop", None)
    if stop is not None:
        stop()
