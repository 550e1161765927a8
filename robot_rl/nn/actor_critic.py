"""The actor and the critic ensemble, and what they look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robot_rl.errors import SpecMismatch
from robot_rl.nn.blocks import MLP, Activation, EnsembleMLP
from robot_rl.nn.distributions import bound_log_std
from robot_rl.nn.encoders import StateEncoder
from robot_rl.nn.visual_encoder import VisualEncoder


@dataclass(frozen=True, slots=True)
class Inputs:
    """One moment of a batch, as the networks get it."""

    state: Tensor
    """[B, D], standardised; D may be 0."""
    views: Mapping[str, Tensor]
    """Camera features or images by key, [B, ...] each; none without cameras."""


def gather_inputs(obs: Mapping[str, Tensor], encoder: StateEncoder | None, view_keys: Sequence[str]) -> Inputs:
    """Return what networks get of observations [..., *shape] a key, as replay keeps them.

    Args:
        obs: All entries.
        encoder: Of the state; None: there is none.
        view_keys: Entries that eyes look at.

    Raises:
        SpecMismatch: If one of these is missing.
    """
    try:
        views = {key: obs[key] for key in view_keys}
    except KeyError as error:
        raise SpecMismatch(f"observation lacks {error}; it has {', '.join(sorted(obs))}") from error
    if encoder is not None:
        return Inputs(encoder(obs), views)
    view = next(iter(views.values()))
    return Inputs(torch.zeros(*view.shape[:-3], 0, device=view.device), views)


class SightedNetwork(nn.Module):
    """A network on a vector: the state, and what its own eyes make of the cameras where there are any.

    Actor and critics see for themselves: a critic that learns to see does not change what a cloned actor sees.
    """

    def __init__(self, state_dim: int, eyes: VisualEncoder | None) -> None:
        super().__init__()
        self.eyes = eyes
        self.in_dim = state_dim + (0 if eyes is None else eyes.dim)
        """Length of the vector."""

    def see(self, inputs: Inputs) -> Tensor:
        """Return the vector [B, in_dim]."""
        return inputs.state if self.eyes is None else torch.cat([inputs.state, self.eyes(inputs.views)], dim=-1)


class Actor(SightedNetwork):
    """Mean and log standard deviation of a squashed Gaussian."""

    def __init__(
        self,
        state_dim: int,
        action_dim: int,
        hidden_dims: Sequence[int],
        *,
        activation: Activation,
        layer_norm: bool,
        generator: torch.Generator,
        eyes: VisualEncoder | None = None,
    ) -> None:
        super().__init__(state_dim, eyes)
        self.mlp = MLP(
            self.in_dim, hidden_dims, 2 * action_dim, activation=activation, layer_norm=layer_norm, generator=generator
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map [..., D] to mean [..., A] before the squashing and log standard deviation [..., A]."""
        mean, raw = self.mlp(x).chunk(2, dim=-1)
        return mean, bound_log_std(raw)


class CriticEnsemble(SightedNetwork):
    """`N` action values with nothing in common but their inputs, and their eyes."""

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
        eyes: VisualEncoder | None = None,
    ) -> None:
        super().__init__(state_dim, eyes)
        self.mlp = EnsembleMLP(
            num_critics,
            (self.in_dim, action_dim),
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
