"""A batch of windows as a world model sees it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from robot_rl.nn.actor_critic import Inputs


@dataclass(frozen=True, slots=True)
class Windows:
    """`B` windows of `H` steps, all on the device that learns."""

    inputs: Inputs
    """[H+1, B, ...], what the networks look at."""
    action: Tensor
    """[H, B, A]."""
    reward: Tensor
    """[H, B]."""
    terminated: Tensor
    """[H, B]."""
    weight: Tensor
    """[H, B], of each step: rho**t, of sum 1 over a window, and 0 beyond the end of its episode."""
    is_demo: Tensor
    """[B]."""


def at(inputs: Inputs, index: int | slice) -> Inputs:
    """Return the inputs of one moment of the windows, or of several."""
    return Inputs(inputs.state[index], {key: view[index] for key, view in inputs.views.items()})


def step_weights(inside: Tensor, rho: float) -> Tensor:
    """Return the weights [H, B] of steps of which `inside` [H, B] tells whether there are any."""
    powers = rho ** inside.new_ones(len(inside)).cumsum(0).sub(1.0)
    return inside * (powers / powers.sum())[:, None]
