"""A small convolutional network that learns to see from the frames of the task alone."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError

_CHANNELS = (32, 32, 64, 64)
_MIN_MAP = 8  # locations along the shorter side that are left to say where things are
_MIN_IMAGE = 16


class SmallCNN(nn.Module):
    """Four 3x3 convolutions with ReLU, strided so that the shorter side of the map has 8 to 15 locations.

    An image may have any number of channels: 3 a frame of a stack, one more for depth.
    """

    def __init__(self, shape: tuple[int, int, int], generator: torch.Generator) -> None:
        """Build it for images of one size.

        Args:
            shape: (H, W, channels) of the images.
            generator: Draws the weights.

        Raises:
            ConfigError: If the images are too small to be looked at.
        """
        super().__init__()
        height, width, channels = shape
        if min(height, width) < _MIN_IMAGE:
            raise ConfigError(f"images of {height}x{width} px are too small; a CNN needs at least {_MIN_IMAGE}x{_MIN_IMAGE}")
        convs = [
            nn.Conv2d(inputs, outputs, 3, stride, 1)
            for (inputs, outputs), stride in zip(pairwise((channels, *_CHANNELS)), _strides(min(height, width)), strict=True)
        ]
        for conv in convs:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
            height, width = (-(-size // conv.stride[0]) for size in (height, width))
        self.convs = nn.ModuleList(convs)
        self.out_shape = (_CHANNELS[-1], height, width)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 [B, H, W, channels] to float32 [B, C, h, w]."""
        x = (images / 127.5 - 1.0).movedim(-1, 1)
        for conv in self.convs:
            x = F.relu(conv(x), inplace=True)
        return x


def _strides(size: int) -> list[int]:
    """Return the strides of the layers that shrink `size` as far as `_MIN_MAP` allows; the first layers shrink most."""
    halvings = max(0, (size // _MIN_MAP).bit_length() - 1)
    rounds, rest = divmod(halvings, len(_CHANNELS))
    return [2 ** (rounds + (index < rest)) for index in range(len(_CHANNELS))]
