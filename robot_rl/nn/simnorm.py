"""SimNorm: a latent made of small categorical distributions, which can neither explode nor collapse to zero."""

from __future__ import annotations

from torch import Tensor


def simnorm(x: Tensor, group: int) -> Tensor:
    """Return `x` [..., L] with every `group` consecutive entries made a distribution: positive, of sum 1 (TD-MPC2, section 3.1)."""
    return x.unflatten(-1, (-1, group)).softmax(-1).flatten(-2)
