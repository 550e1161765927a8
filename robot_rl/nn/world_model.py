"""TD-MPC2's model of a task: how latents follow each other, what they pay, whether they are the end, actors and critics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robot_rl.nn.blocks import MLP, Activation, EnsembleMLP
from robot_rl.nn.distributions import bound_log_std, squashed_sample
from robot_rl.nn.simnorm import simnorm
from robot_rl.nn.two_hot import TwoHot

MAX_STATE = 10.0
"""Standard deviations beyond which no predicted state lies: plans that nothing was learned for do not run away."""


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """What a world model is made of."""

    action_dim: int
    latent_dim: int
    simnorm_dim: int
    state_dim: int
    """entries of z, after the latent's, that are the standardised state; the model predicts how it changes"""
    hidden_dims: Sequence[int]
    num_critics: int
    num_actors: int
    """critic k judges, and is learned from, actor k modulo this"""
    num_bins: int
    bin_limit: float
    activation: Activation

    @property
    def z_dim(self) -> int:
        """Entries of z."""
        return self.latent_dim + self.state_dim


class WorldModel(nn.Module):
    """Dynamics, reward and termination are one network each; actors and critics are ensembles, evaluated as one.

    Everything is drawn from one generator. Reward and value start at zero everywhere: the last layers' weights are zero.
    """

    def __init__(self, sizes: ModelSizes, generator: torch.Generator) -> None:
        super().__init__()
        self.sizes = sizes
        z, a, hidden = sizes.z_dim, sizes.action_dim, sizes.hidden_dims
        look = {"activation": sizes.activation, "layer_norm": True, "generator": generator}
        self.bins = TwoHot(sizes.num_bins, sizes.bin_limit)
        self.dynamics = MLP(z + a, hidden, z, **look)
        self.reward = MLP(z + a, hidden, sizes.num_bins, **look)
        self.termination = MLP(z, hidden[-1:], 1, **look)
        self.actor = EnsembleMLP(sizes.num_actors, (z,), hidden, 2 * a, **look)
        self.critic = EnsembleMLP(sizes.num_critics, (z, a), hidden, sizes.num_bins, **look)
        nn.init.zeros_(self.reward[-1].weight)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(self.critic.head_weight)

    def next(self, z: Tensor, action: Tensor) -> Tensor:
        """Return the latent [..., Z] that follows `action` [..., A] in `z` [..., Z]."""
        predicted = self.dynamics(torch.cat([z, action], dim=-1))
        if self.sizes.state_dim == 0:
            return simnorm(predicted, self.sizes.simnorm_dim)
        latent, change = predicted.split([self.sizes.latent_dim, self.sizes.state_dim], dim=-1)
        state = (z[..., self.sizes.latent_dim :] + change).clamp(-MAX_STATE, MAX_STATE)
        return torch.cat([simnorm(latent, self.sizes.simnorm_dim), state], dim=-1)

    def distance(self, predicted: Tensor, z: Tensor) -> Tensor:
        """Return the mean squared distance [...] of z [..., Z] to what was predicted, of latent and state apart."""
        squares = (predicted - z).square()
        latent = squares[..., : self.sizes.latent_dim].mean(-1)
        return latent if self.sizes.state_dim == 0 else latent + squares[..., self.sizes.latent_dim :].mean(-1)

    def reward_logits(self, z: Tensor, action: Tensor) -> Tensor:
        """Return the reward of `action` in `z`, as logits [..., num_bins]."""
        return self.reward(torch.cat([z, action], dim=-1))

    def termination_logit(self, z: Tensor) -> Tensor:
        """Return the logit [...] of `z` [..., Z] being an end of the task."""
        return self.termination(z).squeeze(-1)

    def policy(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean before the squashing and log standard deviation of all actors, [num_actors, R, A], in `z` [R, Z]."""
        mean, raw = self.actor(z).chunk(2, dim=-1)
        return mean, bound_log_std(raw)

    def sample(self, z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return all actors' actions [num_actors, R, A] in `z` [R, Z] and their log-density [num_actors, R], squashed.

        `noise` [num_actors, R, A] is standard normal.
        """
        mean, log_std = self.policy(z)
        return squashed_sample(mean, log_std, noise)

    def value_logits(self, z: Tensor, action: Tensor, members: Tensor | None = None, *, frozen: bool = False) -> Tensor:
        """Return the critics' values as logits [N, R, num_bins].

        Args:
            z: [R, Z].
            action: [R, A], or [N, R, A], one for each critic.
            members: Indices [M] of the critics asked; None: all. `action` is then [R, A] or [M, R, A].
            frozen: Differentiate by `z` and `action` only.
        """
        return self.critic(z, action, members=members, frozen=frozen)

    def values(self, z: Tensor, action: Tensor, members: Tensor | None = None, *, frozen: bool = False) -> Tensor:
        """Return the critics' values [N, R]; arguments as of `value_logits`."""
        return self.bins.decode(self.value_logits(z, action, members, frozen=frozen))

    def by_critic(self, actions: Tensor, shift: int = 0) -> Tensor:
        """Return the actions [num_actors, R, A] as critics judge them: [R, A] of a single actor, else [N, R, A].

        With a `shift`, critic k judges actor k + shift instead of its own.
        """
        if self.sizes.num_actors == 1:
            return actions[0]
        owner = (torch.arange(self.sizes.num_critics, device=actions.device) + shift) % self.sizes.num_actors
        return actions[owner]
