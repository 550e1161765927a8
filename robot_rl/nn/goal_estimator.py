"""Where the tool has to go, read off camera features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from robot_rl.nn.blocks import MLP
from robot_rl.nn.normalizer import Normalizer
from robot_rl.nn.vision_config import GoalConfig, VisionConfig
from robot_rl.nn.visual_encoder import VisualEncoder
from robot_rl.specs import ArraySpec

GOAL_DIM = 6


class GoalEstimator(nn.Module):
    """Pose of the goal in the tool's frame [6]: position, m, and rotation vector, rad.

    One member learns from all that is known; of a new frame, it is asked. K others learn from all demonstrations but every
    K-th each; of a demonstration's frames, the one that has not seen it is asked. So what a policy is taught with is as
    uncertain as what it will act upon, and not learnt by heart.
    """

    scale: Tensor

    def __init__(self, features: Mapping[str, ArraySpec], state_dim: int, config: VisionConfig, generator: torch.Generator):
        """Build with random weights.

        Args:
            features: `feature/<camera>` entries [C, h, w].
            state_dim: Numbers of proprioception that help: the tool's height.
            config: Of the eyes, and of the goal.
            generator: Draws the weights.
        """
        super().__init__()
        self.config: GoalConfig = config.goal
        self.normalizer = Normalizer(state_dim)
        self.members = nn.ModuleList(_Member(features, state_dim, config, generator) for _ in range(config.goal.folds + 1))
        """The K of the folds, and last the one that learns from everything."""
        self.register_buffer("scale", torch.zeros(GOAL_DIM))  # 0 until it has learned

    @property
    def is_fitted(self) -> bool:
        """Whether it has learned."""
        return bool((self.scale > 0).all())

    @property
    def folds(self) -> int:
        """K."""
        return len(self.members) - 1

    def member(self, index: int, views: Mapping[str, Tensor], state: Tensor) -> Tensor:
        """Return what one member says, in units of `scale`: features [B, C, h, w] a camera and state [B, D] to [B, 6]."""
        return self.members[index](views, self.normalizer(state))

    @torch.no_grad()
    def forward(self, views: Mapping[str, Tensor], state: Tensor, unseen_by: int | None = None) -> Tensor:
        """Return goals [B, 6], m and rad.

        Args:
            views: Features [B, C, h, w] by `feature/<camera>`.
            state: [B, D].
            unseen_by: Index of the demonstration that the frames are of; None: they are of none.
        """
        return self.member(self.folds if unseen_by is None else unseen_by % self.folds, views, state) * self.scale


class _Member(nn.Module):
    """Eyes, and a perceptron on what they and proprioception say."""

    def __init__(self, features: Mapping[str, ArraySpec], state_dim: int, config: VisionConfig, generator: torch.Generator):
        super().__init__()
        self.eyes = VisualEncoder(features, replace(config, pool=config.goal.pool), generator)
        self.mlp = MLP(
            self.eyes.dim + state_dim,
            config.goal.hidden_dims,
            GOAL_DIM,
            activation="relu",
            layer_norm=True,
            generator=generator,
        )  # fmt: skip

    def forward(self, views: Mapping[str, Tensor], state: Tensor) -> Tensor:
        return self.mlp(torch.cat([self.eyes(views), state], dim=-1))
