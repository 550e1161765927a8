"""Temporal-difference targets, the same for every agent."""

from __future__ import annotations

import torch
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


def lambda_target(
    reward: Tensor, terminated: Tensor, inside: Tensor, next_value: Tensor, discount: float, td_lambda: float
) -> Tensor:
    """TD(lambda) targets [..., H, B] within windows (Sutton and Barto, Reinforcement Learning, 2nd edition, section 12.1).

    They look on for as many steps as the window has: the last step's is one step ahead. At an episode's end within the
    window a time-out bootstraps.

    Args:
        reward: [H, B].
        terminated: [H, B], 1 where the task ended.
        inside: [H, B], 0 where a step lies beyond the end of its episode; its target means nothing.
        next_value: [..., H, B], of the states after the steps.
        discount: Per step.
        td_lambda: Share of what is known of the next step's target; 0: `td_target`, 1: all rewards up to the window's end.
    """
    ahead = next_value[..., -1, :]
    targets: list[Tensor] = []
    for step in reversed(range(len(reward))):
        ahead = td_target(reward[step], terminated[step], ahead, discount)
        targets.append(ahead)
        if step > 0:
            value = next_value[..., step - 1, :]
            ahead = torch.where(inside[step] > 0.0, value.lerp(ahead, td_lambda), value)
    return torch.stack(targets[::-1], dim=-2)
