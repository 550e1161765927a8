"""From a feature map [B, C, h, w], float32 or stored in float16, to a vector [B, F] that still knows where things are."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pool = Literal["embedding", "softmax", "keypoints", "flat"]


class SpatialEmbedding(nn.Module):
    """Sums each channel over the map with `E` learned weightings of the locations: SERL's spatial learned embeddings."""

    def __init__(self, shape: tuple[int, int, int], embeddings: int, generator: torch.Generator) -> None:
        """Start with random weightings.

        Args:
            shape: (C, h, w) of the map.
            embeddings: E, weightings per channel.
            generator: Draws them.
        """
        super().__init__()
        channels, height, width = shape
        self.dim = channels * embeddings
        kernel = torch.randn(channels, height * width, embeddings, generator=generator)
        self.kernel = nn.Parameter(kernel / (height * width) ** 0.5)  # keeps the variance of what it sums

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C * E]; entry c * E + e is channel c under its weighting e."""
        # One copy changes the type and puts rows together, without which the kernel's gradient takes twice as long.
        by_channel = x.flatten(2).transpose(0, 1).to(self.kernel.dtype, memory_format=torch.contiguous_format)
        return torch.bmm(by_channel.contiguous(), self.kernel).transpose(0, 1).flatten(1)


class SpatialSoftmax(nn.Module):
    """Where each channel is strongest: expected coordinates under a softmax over the locations."""

    coordinates: Tensor

    def __init__(self, shape: tuple[int, int, int]) -> None:
        """Start at temperature 1.

        Args:
            shape: (C, h, w) of the map.
        """
        super().__init__()
        channels, height, width = shape
        self.dim = 2 * channels
        self.log_temperature = nn.Parameter(torch.zeros(()))
        self.register_buffer("coordinates", _coordinates(height, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C * 2]: x (right) and y (down) of each channel, both in -1..1."""
        attention = F.softmax(x.flatten(2).float() * torch.exp(-self.log_temperature), dim=-1)  # [B, C, h*w]
        return (attention @ self.coordinates).flatten(1)


class Keypoints(nn.Module):
    """Where learned things are, and how surely: expected coordinates on maps that two layers make of the channels.

    The layers are the same at every place (1x1). So what was learned of a thing in one place holds in all others, which is
    what few demonstrations need: nothing here knows how a thing looks in just that corner.
    """

    coordinates: Tensor

    def __init__(self, shape: tuple[int, int, int], count: int, hidden: int, generator: torch.Generator) -> None:
        """Start with random layers.

        Args:
            shape: (C, h, w) of the map.
            count: P, things looked for.
            hidden: Channels between the layers.
            generator: Draws the layers.
        """
        super().__init__()
        channels, height, width = shape
        self.dim = 3 * count
        self.first, self.second = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, count, 1)
        for layer in (self.first, self.second):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        self.register_buffer("coordinates", _coordinates(height, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, 3 * P]: x (right), y (down) and sureness of each, all in -1..1."""
        score = self.second(F.relu(self.first(x.float()))).flatten(2)  # [B, P, h*w]
        place = (F.softmax(score, dim=-1) @ self.coordinates).flatten(1)
        sureness = torch.tanh(torch.logsumexp(score, dim=-1) - math.log(score.shape[-1]))
        return torch.cat([place, sureness], dim=-1)


class Flat(nn.Module):
    """Every channel at every location, as it is."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = shape
        self.dim = channels * height * width

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C * h * w], in the type that it comes in."""
        return x.flatten(1)


def build_pooling(
    pool: Pool, shape: tuple[int, int, int], *, embeddings: int, keypoints: int = 32, generator: torch.Generator
) -> SpatialEmbedding | SpatialSoftmax | Keypoints | Flat:
    """Return the pooling of that name for maps of `shape` (C, h, w)."""
    if pool == "embedding":
        return SpatialEmbedding(shape, embeddings, generator)
    if pool == "keypoints":
        return Keypoints(shape, keypoints, 2 * keypoints, generator)
    return SpatialSoftmax(shape) if pool == "softmax" else Flat(shape)


def _coordinates(height: int, width: int) -> Tensor:
    """Return x and y of every location, [h * w, 2]."""
    rows, columns = torch.meshgrid(_centres(height), _centres(width), indexing="ij")
    return torch.stack([columns, rows], dim=-1).reshape(-1, 2)


def _centres(size: int) -> Tensor:
    """Return the middles of `size` equal parts of -1..1."""
    return (torch.arange(size) + 0.5) * (2.0 / size) - 1.0
