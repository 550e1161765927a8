"""One episode as arrays, and the names and types of what is kept of each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from robot_rl.specs import ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode of T steps."""

    spec: EnvSpec
    info: EpisodeInfo
    obs: Mapping[str, np.ndarray]
    """[T+1, ...]: what was seen before each step, and at last what was seen after the final one."""
    action: np.ndarray
    """[T, A] in [-1, 1], float32: what entered the environment's action mapping."""
    reward: np.ndarray
    """[T], float32."""
    terminated: np.ndarray
    """[T], bool; at most the last is true."""
    truncated: np.ndarray
    """[T], bool."""
    successes: np.ndarray
    """[T], bool: whether the step reported success."""
    policy_action: np.ndarray
    """[T, A], float32: what the policy wanted."""
    is_intervention: np.ndarray
    """[T], bool."""
    clamped: np.ndarray
    """[T], bool: whether the safety limit changed the command."""
    policy_version: np.ndarray
    """[T], int64."""
    stamp: np.ndarray
    """[T], s, float64: when `obs` was measured, on the robot's clock."""

    @property
    def length(self) -> int:
        """T."""
        return len(self.action)

    @property
    def success(self) -> bool:
        """Whether any step reported success."""
        return bool(self.successes.any())

    def transitions(self) -> Iterator[Transition]:
        """Yield the steps in order; their arrays are views of this episode's."""
        for t in range(self.length):
            yield Transition(
                obs={key: rows[t] for key, rows in self.obs.items()},
                action=self.action[t],
                reward=float(self.reward[t]),
                next_obs={key: rows[t + 1] for key, rows in self.obs.items()},
                terminated=bool(self.terminated[t]),
                truncated=bool(self.truncated[t]),
                success=bool(self.successes[t]),
                policy_action=self.policy_action[t],
                is_intervention=bool(self.is_intervention[t]),
                clamped=bool(self.clamped[t]),
                policy_version=int(self.policy_version[t]),
                stamp=float(self.stamp[t]),
            )


def step_columns(spec: EnvSpec) -> dict[str, ArraySpec]:
    """Return name and type of everything that is kept once a step, observations apart."""
    action, flag = ArraySpec((spec.action.dim,)), ArraySpec((), "bool")
    return {
        "action": action,
        "reward": ArraySpec(()),
        "terminated": flag,
        "truncated": flag,
        "success": flag,
        "policy_action": action,
        "is_intervention": flag,
        "clamped": flag,
        "policy_version": ArraySpec((), "int64"),
        "stamp": ArraySpec((), "float64"),
    }


def step_values(transition: Transition) -> dict[str, np.ndarray | float | bool]:
    """Return what `step_columns` names."""
    policy_action = transition.action if transition.policy_action is None else transition.policy_action
    return {
        "action": transition.action,
        "reward": transition.reward,
        "terminated": transition.terminated,
        "truncated": transition.truncated,
        "success": transition.success,
        "policy_action": policy_action,
        "is_intervention": transition.is_intervention,
        "clamped": transition.clamped,
        "policy_version": transition.policy_version,
        "stamp": transition.stamp,
    }
