"""From everything that is observed at one moment to the latent state of a world model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from robot_rl.nn.actor_critic import Inputs
from robot_rl.nn.blocks import MLP, Activation
from robot_rl.nn.simnorm import simnorm
from robot_rl.nn.visual_encoder import VisualEncoder


class LatentEncoder(nn.Module):
    """Fuses state and all cameras: one perceptron looks at the state and at what the eyes say. Its output is SimNorm'ed."""

    def __init__(
        self,
        state_dim: int,
        eyes: VisualEncoder | None,
        hidden_dims: Sequence[int],
        latent_dim: int,
        *,
        simnorm_dim: int,
        activation: Activation,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.eyes, self.simnorm_dim = eyes, simnorm_dim
        in_dim = state_dim + (0 if eyes is None else eyes.dim)
        self.mlp = MLP(in_dim, hidden_dims, latent_dim, activation=activation, layer_norm=True, generator=generator)

    def forward(self, inputs: Inputs) -> Tensor:
        """Map one moment, [..., D] and views [..., *shape], to z [..., latent_dim]."""
        x = inputs.state if self.eyes is None else torch.cat([inputs.state, self.eyes(inputs.views)], dim=-1)
        return simnorm(self.mlp(x), self.simnorm_dim)
