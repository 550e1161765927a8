"""How far the values of a batch lie apart, slowly followed: what makes a policy's loss independent of the reward's size."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RunningScale(nn.Module):
    """Moving average of the distance between the 5th and the 95th percentile; never below `least`, and saved."""

    value: Tensor

    def __init__(self, tau: float, least: float = 1.0) -> None:
        super().__init__()
        self.tau, self.least = tau, least
        self.register_buffer("value", torch.ones(()))

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Follow the numbers `x`, of any shape."""
        low, high = torch.quantile(x.flatten(), torch.linspace(0.05, 0.95, 2, dtype=x.dtype, device=x.device)).unbind()
        self.value.lerp_((high - low).clamp_min(self.least), self.tau)
