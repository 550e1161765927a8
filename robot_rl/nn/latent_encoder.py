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
    """Fuses state and all cameras: one perceptron looks at the state and at what the eyes say. Its output is SimNorm'ed.

    Few demonstrations teach no latent that tells places apart to the millimetre, so the standardised state itself may stand
    beside it, as actors and critics that learn from state see it.
    """

    def __init__(
        self,
        state_dim: int,
        eyes: VisualEncoder | None,
        hidden_dims: Sequence[int],
        latent_dim: int,
        *,
        simnorm_dim: int,
        keeps_state: bool,
        activation: Activation,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.eyes, self.simnorm_dim, self.keeps_state = eyes, simnorm_dim, keeps_state
        in_dim = state_dim + (0 if eyes is None else eyes.dim)
        self.mlp = MLP(in_dim, hidden_dims, latent_dim, activation=activation, layer_norm=True, generator=generator)

    def forward(self, inputs: Inputs) -> Tensor:
        """Map one moment, [..., D] and views [..., *shape], to z [..., latent_dim], or [..., latent_dim + D] with the state."""
        x = inputs.state if self.eyes is None else torch.cat([inputs.state, self.eyes(inputs.views)], dim=-1)
        latent = simnorm(self.mlp(x), self.simnorm_dim)
        return torch.cat([latent, inputs.state], dim=-1) if self.keeps_state else latent
