"""A batch as the networks of an agent see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from robot_rl.nn.actor_critic import Inputs


@dataclass(frozen=True, slots=True)
class Transitions:
    """One step of each window, all on the device that learns."""

    obs: Mapping[str, Tensor]
    """[B, D_key] a key, not standardised."""
    now: Inputs
    """[B, ...]."""
    following: Inputs
    """[B, ...], n steps later."""
    action: Tensor
    """[B, A], all dimensions."""
    continuous: Tensor
    """[B, Ac], the continuous ones."""
    reward: Tensor
    """[B], scaled and biased."""
    terminated: Tensor
    """[B]."""
    discount: Tensor
    """[B]."""
    is_demo: Tensor
    """[B]."""
