"""The part of a success classifier that is trained: from feature maps and state to one score."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_rl.nn.blocks import MLP
from robot_rl.nn.pooling import build_pooling
from robot_rl.rewards.config import ClassifierConfig
from robot_rl.rewards.state_code import StateCode


class ClassifierHead(nn.Module):
    """Each camera's feature map is pooled and narrowed; joined with the state they make a score."""

    def __init__(
        self, maps: Mapping[str, tuple[int, int, int]], state_dim: int, config: ClassifierConfig, generator: torch.Generator
    ) -> None:
        """Prepare for inputs of these shapes.

        Args:
            maps: (C, h, w) of each camera's feature map.
            state_dim: D, numbers of state; may be 0.
            config: Of the classifier.
            generator: Of the initial weights.
        """
        super().__init__()
        self.config = config
        self.cameras = tuple(maps)
        self.narrow = nn.ModuleList(_narrow(shape, config, generator) for shape in maps.values())
        self.state_code = StateCode(state_dim)
        self.mlp = MLP(
            config.bottleneck * len(maps) + self.state_code.dim,
            config.hidden_dims,
            1,
            activation="relu",
            layer_norm=True,
            generator=generator,
        )

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.state_code.edges.device

    def forward(self, features: Mapping[str, Tensor], state: Tensor) -> Tensor:
        """Return scores [B] from feature maps [B, C, h, w] a camera and state [B, D]."""
        narrow = [layers(features[camera]) for camera, layers in zip(self.cameras, self.narrow, strict=True)]
        return self.mlp(torch.cat([*narrow, self.state_code(state)], dim=-1)).squeeze(-1)


def _narrow(shape: tuple[int, int, int], config: ClassifierConfig, generator: torch.Generator) -> nn.Sequential:
    """Return layers [B, C, h, w] -> [B, bottleneck]."""
    pool = build_pooling(config.pool, shape, embeddings=config.embeddings, generator=generator)
    linear = nn.Linear(pool.dim, config.bottleneck)
    nn.init.xavier_uniform_(linear.weight, generator=generator)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(pool, nn.LayerNorm(pool.dim), linear, nn.LayerNorm(config.bottleneck), nn.Tanh())
