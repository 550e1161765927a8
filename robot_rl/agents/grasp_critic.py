"""The discrete half of a hybrid agent: a deep Q network that chooses gripper commands."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from robot_rl.agents.sac_config import SACConfig
from robot_rl.errors import ConfigError
from robot_rl.nn.actor_critic import Inputs, SightedNetwork
from robot_rl.nn.blocks import MLP
from robot_rl.nn.visual_encoder import VisualEncoder
from robot_rl.specs import EnvSpec

OPEN_ABOVE = 0.85
"""Opening above which a gripper counts as open, so that one closed on a large object counts as closed."""

MAX_GRIPPERS = 4
"""Joint commands grow as 3**G."""


class GraspCritic(SightedNetwork):
    """Values of the joint commands of `G` grippers, each of which closes, stays or opens: 3**G numbers a state."""

    def __init__(
        self,
        spec: EnvSpec,
        state_dim: int,
        config: SACConfig,
        generator: torch.Generator,
        eyes: VisualEncoder | None = None,
    ) -> None:
        super().__init__(state_dim, eyes)
        self.indices = list(spec.action.discrete)
        if len(self.indices) > MAX_GRIPPERS:
            raise ConfigError(f"{len(self.indices)} discrete action dimensions; at most {MAX_GRIPPERS} are supported")
        self.penalty = config.grasp_penalty
        self._opening_keys = [f"state/{spec.action.names[index].split('/')[0]}/opening" for index in self.indices]
        missing = [key for key in self._opening_keys if key not in spec.obs]
        if missing and self.penalty > 0.0:
            raise ConfigError(f"grasp_penalty {self.penalty:g} needs the observation {missing[0]!r}; set it to 0")
        self.num_commands = 3 ** len(self.indices)
        self.mlp = MLP(
            self.in_dim,
            config.hidden_dims,
            self.num_commands,
            activation=config.activation,
            layer_norm=config.layer_norm,
            generator=generator,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the values [B, 3**G] of all commands in `x` [B, D]."""
        return self.mlp(x)

    def decode(self, command: Tensor) -> Tensor:
        """Map joint commands [...] in 0..3**G-1 to gripper actions [..., G] in {-1, 0, 1}."""
        return torch.stack([command // 3**place % 3 for place in range(len(self.indices))], dim=-1).float() - 1.0

    def encode(self, action: Tensor) -> Tensor:
        """Map actions [B, A] to joint commands [B]; gripper values are read by thresholds at +-0.5."""
        grip = self._grip(action)
        digits = (grip > 0.5).long() - (grip < -0.5).long() + 1  # [B, G]
        return torch.stack([digit * 3**place for place, digit in enumerate(digits.unbind(-1))]).sum(0)

    def toggle_penalty(self, obs: Mapping[str, Tensor], action: Tensor) -> Tensor:
        """Return what the commands in `action` [B, A] cost, [B]: closing an open gripper, opening a closed one."""
        if self.penalty == 0.0:
            return torch.zeros_like(action[:, 0])
        # The last entry is the newest one of a frame stack.
        is_open = torch.stack([obs[key][:, -1] for key in self._opening_keys], dim=-1) > OPEN_ABOVE  # [B, G]
        grip = self._grip(action)
        toggles = torch.where(is_open, grip < -0.5, grip > 0.5)
        return self.penalty * toggles.float().sum(-1)

    def _grip(self, action: Tensor) -> Tensor:
        """Return the gripper values [B, G], one by one: a list of indices would be copied to the device, and waited for."""
        return torch.stack([action[:, index] for index in self.indices], dim=-1)


@torch.no_grad()
def double_q_value(online: GraspCritic, target: GraspCritic, following: Inputs) -> Tensor:
    """Return the target network's value [B] of the command that the online network prefers in `following`."""
    best = online(online.see(following)).argmax(-1, keepdim=True)
    return target(target.see(following)).gather(-1, best).squeeze(-1)


def margin_loss(q: Tensor, command: Tensor, weight: Tensor, margin: float) -> Tensor:
    """How far demonstrated commands are from leading all others by `margin` (the large-margin loss of DQfD).

    Args:
        q: [B, 3**G], values of all commands.
        command: [B], the demonstrated ones.
        weight: [B], 1 where the row is a demonstration.
        margin: Lead wanted, in value.

    Returns:
        Mean over the weighted rows; 0 without any.
    """
    chosen = q.gather(-1, command[:, None])
    others = q + margin * (1.0 - F.one_hot(command, q.shape[-1]))
    lack = others.amax(-1) - chosen.squeeze(-1)
    return (lack * weight).sum() / weight.sum().clamp_min(1.0)
