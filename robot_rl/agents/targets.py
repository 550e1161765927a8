"""Temporal-difference targets, the same for every agent."""

from __future__ import annotations

from torch import Tensor


def td_target(reward: Tensor, terminated: Tensor, next_value: Tensor, discount: Tensor | float) -> Tensor:
    """Bootstrapped target. Time-outs bootstrap, terminations do not.

    Args:
        reward: [B], summed over the steps that `discount` spans.
        terminated: [B], 1 where the task ended.
        next_value: [B], soft value of the next state, entropy bonus included.
        discount: What multiplies the next value; [B] where steps were summed.
    """
    return reward + discount * (1.0 - terminated) * next_value
