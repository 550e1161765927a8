"""Numbers of state spread out so that a small network tells near values apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BINS_PER_CLASS = 16
"""Bins whose edges lie at quantiles of the successes, and as many at quantiles of the failures."""

MIN_WIDTH = 1e-4
"""Narrowest bin, in the number's own unit: 0.1 mm."""


class StateCode(nn.Module):
    """Piecewise linear encoding (Gorishniy et al. 2022, section 3.2): how far a number has come through each of its bins.

    A success often hangs on millimetres of a number that ranges over half a metre; standardised, that is next to nothing.
    """

    edges: Tensor

    def __init__(self, dim: int) -> None:
        """Prepare for states of `dim` numbers, which may be 0."""
        super().__init__()
        self.register_buffer("edges", torch.zeros(dim, 2 * BINS_PER_CLASS + 2))
        self.dim = self.edges.numel() - dim
        """numbers of the code"""

    def fit(self, state: Tensor, labels: Tensor) -> None:
        """Take the bins from states [N, D] with labels [N], bool, of both classes."""
        if not state.shape[1]:
            return
        at = torch.linspace(0.0, 1.0, BINS_PER_CLASS + 1)
        quantiles = [torch.quantile(state[labels == kind], at, dim=0) for kind in (True, False)]
        self.edges.copy_(torch.cat(quantiles).T.sort(dim=1).values)

    def forward(self, state: Tensor) -> Tensor:
        """Map states [B, D] to [B, dim], each number in 0..1."""
        low, width = self.edges[:, :-1], self.edges.diff(dim=1).clamp_min(MIN_WIDTH)  # [D, bins]
        return ((state[..., None] - low) / width).clamp(0.0, 1.0).flatten(1)
