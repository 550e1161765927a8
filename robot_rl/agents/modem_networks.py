"""Everything that the world-model agent sees, plans and acts with."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.sight import Sight
from robot_rl.nn.actor_critic import Inputs, gather_inputs
from robot_rl.nn.backbone import Backbone
from robot_rl.nn.blocks import EnsembleMLP
from robot_rl.nn.distributions import bound_log_std
from robot_rl.nn.encoders import StateEncoder
from robot_rl.nn.latent_encoder import LatentEncoder
from robot_rl.nn.optimizer import polyak_
from robot_rl.nn.visual_encoder import VisualEncoder
from robot_rl.nn.world_model import ModelSizes, WorldModel
from robot_rl.specs import EnvSpec


class ReactivePolicy(nn.Module):
    """A policy that does not plan, with an encoder of its own, since the model's goes on learning."""

    def __init__(self, encoder: LatentEncoder, actor: EnsembleMLP) -> None:
        super().__init__()
        self.encoder, self.actor = copy.deepcopy(encoder), copy.deepcopy(actor)
        self.requires_grad_(False)

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return mean before the squashing and log standard deviation [B, A] of the first actor."""
        mean, raw = self.actor(self.encoder(inputs))[0].chunk(2, dim=-1)
        return mean, bound_log_std(raw)

    def follow(self, encoder: LatentEncoder, actor: EnsembleMLP, share: float) -> None:
        """Move towards encoder and actor by `share`."""
        polyak_(self.encoder.parameters(), encoder.parameters(), share)
        polyak_(self.actor.parameters(), actor.parameters(), share)


class ModemNetworks(nn.Module):
    """Sight, encoder, world model, averaged policy and, after cloning, the clone. Two agents in one process share nothing."""

    def __init__(
        self,
        spec: EnvSpec,
        config: ModemConfig,
        generator: torch.Generator,
        *,
        backbone: Backbone | None = None,
        mirrored: bool = False,
    ) -> None:
        """Build with random weights.

        Args:
            spec: Of the environment.
            config: Of the agent.
            generator: Draws the weights.
            backbone: Of a frozen camera encoder; None: the pretrained one that the config names.
            mirrored: The task looks the same with left and right exchanged.
        """
        super().__init__()
        self.sight = Sight(spec, config.vision, generator, backbone=backbone, mirrored=mirrored)
        self.replay_obs = self.sight.replay_obs
        """Observations as replay keeps them."""
        self.view_keys = tuple(sorted(key for key in self.replay_obs if key.startswith(("image/", "feature/"))))
        has_state = any(key.startswith("state/") for key in self.replay_obs)
        self.state = StateEncoder(self.replay_obs, config.fine_scale) if has_state or not self.view_keys else None
        eyes = VisualEncoder(self.replay_obs, config.vision, generator) if self.view_keys else None
        state_dim = 0 if self.state is None else self.state.dim
        self.encoder = LatentEncoder(
            state_dim,
            eyes,
            config.encoder_dims,
            config.latent_dim,
            simnorm_dim=config.simnorm_dim,
            keeps_state=config.keep_state,
            activation=config.activation,
            generator=generator,
        )
        sizes = ModelSizes(
            action_dim=spec.action.dim,
            latent_dim=config.latent_dim,
            simnorm_dim=config.simnorm_dim,
            state_dim=state_dim if config.keep_state else 0,
            hidden_dims=config.hidden_dims,
            num_critics=config.num_critics,
            num_actors=config.num_actors,
            num_bins=config.num_bins,
            bin_limit=config.bin_limit,
            activation=config.activation,
        )
        self.model = WorldModel(sizes, generator)
        self.average = ReactivePolicy(self.encoder, self.model.actor) if config.average_tau < 1.0 else None
        self.clone: ReactivePolicy | None = None

    def keep_clone(self) -> None:
        """Keep the policy as it is now for good."""
        self.clone = ReactivePolicy(self.encoder, self.model.actor)

    def follow(self, share: float) -> None:
        """Move the averaged policy towards what is learned by `share`."""
        if self.average is not None:
            self.average.follow(self.encoder, self.model.actor, share)

    def react(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return mean before the squashing and log standard deviation [B, A] of the averaged policy, or of the first actor."""
        if self.average is not None:
            return self.average(inputs)
        mean, log_std = self.model.policy(self.encoder(inputs))
        return mean[0], log_std[0]

    def inputs(self, obs: Mapping[str, Tensor]) -> Inputs:
        """Return what the encoder gets of observations [..., *shape] a key, as replay keeps them."""
        return gather_inputs(obs, self.state, self.view_keys)


class Snap:
    """Makes actions executable: within -1..1, and discrete dimensions at -1, 0 or 1, as `ActionSpec` reads them."""

    def __init__(self, spec: EnvSpec, device: torch.device | str) -> None:
        discrete = [float(index in spec.action.discrete) for index in range(spec.action.dim)]
        self._discrete = torch.tensor(discrete, device=device) if spec.action.discrete else None

    def __call__(self, action: Tensor) -> Tensor:
        """Map [..., A] to [..., A]. Gradients pass where values are rounded."""
        action = action.clamp(-1.0, 1.0)
        if self._discrete is None:
            return action
        return action + ((2.0 * action).trunc().sign() - action).detach() * self._discrete
