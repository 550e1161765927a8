"""The actor and the critic ensemble."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from robot_rl.nn.blocks import MLP, Activation, EnsembleMLP
from robot_rl.nn.distributions import bound_log_std


class Actor(nn.Module):
    """Mean and log standard deviation of a squashed Gaussian, from the state vector."""

    def __init__(
        self,
        state_dim: int,
        action_dim: int,
        hidden_dims: Sequence[int],
        *,
        activation: Activation,
        layer_norm: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.mlp = MLP(
            state_dim, hidden_dims, 2 * action_dim, activation=activation, layer_norm=layer_norm, generator=generator
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map [..., D] to mean [..., A] before the squashing and log standard deviation [..., A]."""
        mean, raw = self.mlp(x).chunk(2, dim=-1)
        return mean, bound_log_std(raw)


class CriticEnsemble(nn.Module):
    """`N` action values with nothing in common but their inputs."""

    def __init__(
        self,
        num_critics: int,
        state_dim: int,
        action_dim: int,
        hidden_dims: Sequence[int],
        *,
        activation: Activation,
        layer_norm: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.mlp = EnsembleMLP(
            num_critics,
            (state_dim, action_dim),
            hidden_dims,
            activation=activation,
            layer_norm=layer_norm,
            generator=generator,
        )

    def forward(self, x: Tensor, action: Tensor, members: Tensor | None = None, *, frozen: bool = False) -> Tensor:
        """Return the values [N, B] of `action` [B, A] in `x` [B, D].

        With `members` [M] only theirs, [M, B]. With `frozen` no gradient by the weights is ever computed.
        """
        return self.mlp(x, action, members=members, frozen=frozen)
