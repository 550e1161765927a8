"""Regression by classification: numbers as distributions over bins that are evenly spaced in symlog space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError


def symlog(x: Tensor) -> Tensor:
    """Compress [...] symmetrically about zero: near the identity for small numbers, a logarithm for large ones."""
    return torch.sign(x) * torch.log1p(x.abs())


def symexp(x: Tensor) -> Tensor:
    """Invert `symlog`."""
    return torch.sign(x) * torch.expm1(x.abs())


class TwoHot(nn.Module):
    """`num_bins` bins over symlog values -limit .. limit; a number lies between two of them and is shared by both."""

    centres: Tensor

    def __init__(self, num_bins: int, limit: float) -> None:
        super().__init__()
        if num_bins < 2 or not 0.0 < limit < 80.0:
            raise ConfigError(f"num_bins {num_bins} must be at least 2, and bin_limit {limit:g} in 0..80")
        self.num_bins, self.limit = num_bins, limit
        self.register_buffer("centres", torch.linspace(-limit, limit, num_bins), persistent=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lower bin [...] of each number and the share [...] of the bin above it. What lies beyond is cut."""
        place = (symlog(x).clamp(-self.limit, self.limit) + self.limit) * ((self.num_bins - 1) / (2.0 * self.limit))
        lower = place.floor().clamp_max(self.num_bins - 2)
        return lower.long(), place - lower

    def decode(self, logits: Tensor) -> Tensor:
        """Return the numbers [...] that logits [..., num_bins] stand for: symexp of the expected bin."""
        return symexp(logits.softmax(-1) @ self.centres)

    def cross_entropy(self, logits: Tensor, x: Tensor) -> Tensor:
        """Return the cross-entropy [...] of logits [..., num_bins] to numbers `x` [...], which may lack leading dimensions."""
        lower, upper_share = self.encode(x)
        lower = lower.expand(logits.shape[:-1])[..., None]
        below, above = logits.gather(-1, lower).squeeze(-1), logits.gather(-1, lower + 1).squeeze(-1)
        return logits.logsumexp(-1) - below.lerp(above, upper_share.expand_as(below))
