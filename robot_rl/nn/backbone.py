"""Frozen pretrained image networks, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Self

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError
from robot_rl.nn import efficientnet_lite, model_zoo
from robot_rl.nn.precision import Precision, product_dtype


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Which network, and how much of it."""

    name: str = "efficientnet_lite0"
    """efficientnet_lite0, torchvision:<name> or timm:<name>"""
    stage: int = 16
    """px of the image per location of the feature map, in each direction; of all maps of that stride the last is taken
    (efficientnet_lite0: 8 has 40 channels, 16 has 112, 32 has 320)"""
    num_blocks: int = 0
    """efficientnet_lite0 only: stop after so many of its 16 blocks (8: 80 channels at stride 16); 0: as `stage` says"""
    pretrained: bool = True
    """False: random weights, the same every time"""
    precision: Precision = "auto"
    """type of weights and arithmetic"""


class Backbone(nn.Module):
    """A network that never learns: no parameter asks for a gradient, and it stays in evaluation mode.

    Its weights keep the type that the config's precision means on their device, whatever `to` is told.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, net: nn.Module, config: BackboneConfig, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Freeze a network.

        Args:
            net: Normalised images [B, 3, H, W] to a feature map [B, C, h, w].
            config: What it was built from.
            mean: [3], of the RGB values 0..255 it expects.
            std: [3], likewise.
        """
        super().__init__()
        self.config = config
        self.net = net.requires_grad_(False).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("scale", 1.0 / torch.tensor(std), persistent=False)
        self.eval()._apply(lambda tensor: tensor)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Map images, uint8 [B, H, W, 3] RGB, to float32 [B, C, h, w]."""
        return self.net(self._normalised(images)).float()

    def _normalised(self, images: Tensor) -> Tensor:
        """Return images as [B, 3, H, W] in the type of the weights; channels stay last in memory."""
        width = images.shape[-2]
        rows = images.flatten(-2)  # by whole rows: six times as fast as by three channels
        return ((rows - self.mean.repeat(width)) * self.scale.repeat(width)).view(images.shape).movedim(-1, 1)

    def out_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return (C, h, w) of the feature map of an image of that size."""
        channels, rows, columns = self(torch.zeros(1, height, width, 3, dtype=torch.uint8, device=self.mean.device)).shape[1:]
        return channels, rows, columns

    @property
    def fingerprint(self) -> str:
        """Hash of the weights; the same in every precision."""
        digest = hashlib.sha256()
        for name, tensor in self.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.to("cpu", torch.bfloat16).flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:12]

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        dtype = product_dtype(self.config.precision, self.mean.device)
        return super()._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, recurse)


def build_backbone(config: BackboneConfig) -> Backbone:
    """Return the network with random weights, always the same; `load_state_dict` gives it others."""
    return _build(config, pretrained=False)


@cache
def load_backbone(config: BackboneConfig) -> Backbone:
    """Return the network with its pretrained weights; all callers with equal configs share one.

    Raises:
        ConfigError: If the network is unknown or its weights or its library are not installed.
    """
    return _build(config, pretrained=config.pretrained)


def _build(config: BackboneConfig, *, pretrained: bool) -> Backbone:
    library, _, name = config.name.rpartition(":")
    if config.name == "efficientnet_lite0":
        num_blocks = config.num_blocks or efficientnet_lite.blocks_up_to(config.stage)
        net = efficientnet_lite.EfficientNetLite0(num_blocks, torch.Generator().manual_seed(0))
        if pretrained:
            efficientnet_lite.load_imagenet_weights(net)
        return Backbone(net, config, mean=efficientnet_lite.MEAN, std=efficientnet_lite.STD)
    if library not in model_zoo.LIBRARIES or not name:
        raise ConfigError(f"unknown backbone {config.name!r}; known: efficientnet_lite0, torchvision:<name>, timm:<name>")
    net, mean, std = model_zoo.LIBRARIES[library](name, config.stage, pretrained)
    return Backbone(net, config, mean=mean, std=std)
