"""The part of seeing that learns: from camera features, or from the frames themselves, to a vector."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.blocks import HiddenLinear
from robot_rl.nn.pooling import build_pooling
from robot_rl.nn.random_shift import random_shift
from robot_rl.nn.small_cnn import SmallCNN
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.specs import ArraySpec


class VisualEncoder(nn.Module):
    """Looks at every camera with eyes of its own and concatenates what they say, cameras in sorted order."""

    def __init__(self, obs: Mapping[str, ArraySpec], config: VisionConfig, generator: torch.Generator) -> None:
        """Build the eyes.

        Args:
            obs: Of replay: `feature/<camera>` [C, h, w] (frozen encoder) or `image/<camera>` uint8 [H, W, C] (cnn).
            config: What they are made of.
            generator: Draws the weights.

        Raises:
            ConfigError: If there is no camera to look through.
            SpecMismatch: If an entry is not a feature map or not an image.
        """
        super().__init__()
        prefix = "image/" if config.encoder == "cnn" else "feature/"
        self.keys = tuple(sorted(key for key in obs if key.startswith(prefix)))
        if not self.keys:
            raise ConfigError(
                f"encoder {config.encoder!r} looks at {prefix}<camera>, and there is only {', '.join(sorted(obs))}"
            )
        self.crop_pad = config.crop_pad
        self.eyes = nn.ModuleList(_Eye(key, obs[key], config, generator) for key in self.keys)
        self.dim = config.bottleneck * len(self.keys)

    def forward(self, obs: Mapping[str, Tensor], generator: torch.Generator | None = None) -> Tensor:
        """Map entries [..., *shape] to [..., dim] in -1..1.

        Args:
            obs: At least the entries named by `keys`, all with the same leading dimensions.
            generator: Draws random shifts of the frames, for training the cnn; None: they are seen as they are.

        Raises:
            SpecMismatch: If an entry is missing.
        """
        missing = [key for key in self.keys if key not in obs]
        if missing:
            raise SpecMismatch(f"observation lacks {missing[0]!r}; it has {', '.join(sorted(obs))}")
        seen = [eye(self._shifted(key, obs[key], generator)) for key, eye in zip(self.keys, self.eyes, strict=True)]
        return torch.cat(seen, dim=-1)

    def _shifted(self, key: str, view: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return frames shifted at random if there is a generator. Features were made of shifted frames already."""
        return view if generator is None or key.startswith("feature/") else random_shift(view, self.crop_pad, generator)


class _Eye(nn.Module):
    """One camera: the small CNN where it sees frames, then pooling, linear bottleneck, layer norm and tanh."""

    def __init__(self, key: str, entry: ArraySpec, config: VisionConfig, generator: torch.Generator) -> None:
        super().__init__()
        if len(entry.shape) != 3:
            raise SpecMismatch(f"{key!r} has shape {entry.shape}; features are [C, h, w] and images [H, W, channels]")
        shape = (entry.shape[0], entry.shape[1], entry.shape[2])
        self.cnn = SmallCNN(shape, generator) if config.encoder == "cnn" else None
        shape = shape if self.cnn is None else self.cnn.out_shape
        self.pooling = build_pooling(
            config.pool, shape, embeddings=config.embeddings, keypoints=config.keypoints, generator=generator
        )
        self.bottleneck = HiddenLinear(self.pooling.dim, config.bottleneck)
        self.norm = nn.LayerNorm(config.bottleneck)
        nn.init.xavier_uniform_(self.bottleneck.weight, generator=generator)
        nn.init.zeros_(self.bottleneck.bias)

    def forward(self, view: Tensor) -> Tensor:
        """Map features [..., C, h, w] or frames [..., H, W, channels] to [..., bottleneck]."""
        x = view.reshape(-1, *view.shape[-3:])
        x = self.pooling(x if self.cnn is None else self.cnn(x))
        x = torch.tanh(self.norm(self.bottleneck(x)))
        return x.view(*view.shape[:-3], -1)
