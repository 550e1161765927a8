"""From observations to the vector [B, D] that actors and critics see."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.normalizer import Normalizer
from robot_rl.specs import ArraySpec


class StateEncoder(nn.Module):
    """Concatenates the `state/*` entries in sorted order and standardises them. Other entries are not looked at."""

    def __init__(self, obs: Mapping[str, ArraySpec]) -> None:
        super().__init__()
        self.keys = tuple(sorted(key for key in obs if key.startswith("state/")))
        if not self.keys:
            raise ConfigError(f"this agent learns from state, and the observations are only {', '.join(sorted(obs))}")
        wrong = [key for key in self.keys if len(obs[key].shape) != 1]
        if wrong:
            raise SpecMismatch(f"state entries must be vectors; {wrong[0]!r} has shape {obs[wrong[0]].shape}")
        self.dim = sum(obs[key].shape[0] for key in self.keys)
        self.normalizer = Normalizer(self.dim)

    def fit(self, obs: Mapping[str, Tensor]) -> None:
        """Take the normalisation from observations [T, ...] a key."""
        self.normalizer.fit(self._concatenate(obs))

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Map observations [..., D_key] a key to [..., D]."""
        return self.normalizer(self._concatenate(obs))

    def _concatenate(self, obs: Mapping[str, Tensor]) -> Tensor:
        try:
            return torch.cat([obs[key] for key in self.keys], dim=-1)
        except KeyError as error:
            raise SpecMismatch(f"observation lacks {error}; it has {', '.join(sorted(obs))}") from error
