"""Fixed standardisation of the state."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MIN_STD = 0.01
"""Floor on the standard deviation (1 cm, 10 mrad, ...): what hardly varies must not become noise of size 1."""

CLIP = 10.0
"""Standard deviations at which a reading is cut: a faulty sensor must not drive the networks out of their range."""


class Normalizer(nn.Module):
    """(x - mean) / std, clipped. The identity until `fit`; it never moves during learning."""

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def fit(self, x: Tensor) -> None:
        """Take mean and standard deviation from `x` [T, D]."""
        x = x.to(self.mean.device, torch.float64)
        std = x.std(0, unbiased=False).clamp_min(MIN_STD)
        self.mean.copy_(x.mean(0))
        self.scale.copy_(1.0 / std)

    def forward(self, x: Tensor) -> Tensor:
        """Standardise [..., D]."""
        return ((x - self.mean) * self.scale).clamp(-CLIP, CLIP)
