"""From observations to the vector [B, D] that actors and critics see."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.normalizer import Normalizer
from robot_rl.specs import ArraySpec


class StateEncoder(nn.Module):
    """Concatenates the `state/*` entries in sorted order and standardises them. Other entries are not looked at.

    Standardised by demonstrations that cross decimetres, half a millimetre is next to nothing. With a `fine_scale`,
    positions and rotations are seen a second time, that much magnified about zero, where object and tool meet.
    """

    _fine: Tensor

    def __init__(self, obs: Mapping[str, ArraySpec], fine_scale: float = 0.0) -> None:
        """Prepare for observations of these shapes.

        Args:
            obs: Of the environment.
            fine_scale: Standard deviations by which the magnified view of a pose is multiplied; 0: no such view.
        """
        super().__init__()
        self.keys = tuple(sorted(key for key in obs if key.startswith("state/")))
        if not self.keys:
            raise ConfigError(f"this agent learns from state, and the observations are only {', '.join(sorted(obs))}")
        wrong = [key for key in self.keys if len(obs[key].shape) != 1]
        if wrong:
            raise SpecMismatch(f"state entries must be vectors; {wrong[0]!r} has shape {obs[wrong[0]].shape}")
        sizes = [obs[key].shape[0] for key in self.keys]
        is_pose = [key.endswith(("/position", "/rotation")) for key in self.keys]
        self.normalizer = Normalizer(sum(sizes))
        self.fine_scale = fine_scale
        mask = torch.tensor([pose for pose, size in zip(is_pose, sizes, strict=True) for _ in range(size)])
        fine = mask.nonzero().squeeze(-1) if fine_scale else torch.zeros(0, dtype=torch.long)
        self.register_buffer("_fine", fine, persistent=False)  # a list would be copied to the device at every look
        self.dim = sum(sizes) + len(fine)

    def fit(self, obs: Mapping[str, Tensor]) -> None:
        """Take the normalisation from observations [T, ...] a key."""
        self.normalizer.fit(self._concatenate(obs))

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Map observations [..., D_key] a key to [..., D]."""
        x = self._concatenate(obs)
        standard = self.normalizer(x)
        if len(self._fine) == 0:
            return standard
        fine = torch.tanh(self.fine_scale * (x * self.normalizer.scale)[..., self._fine])
        return torch.cat([standard, fine], dim=-1)

    def _concatenate(self, obs: Mapping[str, Tensor]) -> Tensor:
        try:
            return torch.cat([obs[key] for key in self.keys], dim=-1)
        except KeyError as error:
            raise SpecMismatch(f"observation lacks {error}; it has {', '.join(sorted(obs))}") from error
