"""Pretrained networks of torchvision and timm, cut at a feature map, where these libraries are installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError

Cut = tuple[nn.Module, tuple[float, ...], tuple[float, ...]]
"""A network up to its feature map; mean [3] and standard deviation [3] of the RGB values 0..255 it expects."""

_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)
_PROBE_PX = 256  # every stride up to 64 leaves a map that a global pooling cannot be mistaken for


class _Map(nn.Module):
    """The one feature map that an extractor returns among others, or under a name."""

    def __init__(self, extractor: nn.Module, key: int | str) -> None:
        super().__init__()
        self.extractor = extractor
        self._key = key

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images [B, 3, H, W] to [B, C, h, w]."""
        return self.extractor(x)[self._key]


def cut_torchvision(name: str, stride: int, pretrained: bool) -> Cut:
    """Return torchvision's network `name` up to its last layer whose map has that stride, in px."""
    models = _import("torchvision.models", "torchvision")
    extraction = _import("torchvision.models.feature_extraction", "torchvision")
    if name not in models.list_models():
        raise ConfigError(f"torchvision has no model {name!r}; torchvision.models.list_models() names them")
    model = _seeded(lambda: models.get_model(name, weights="DEFAULT" if pretrained else None)).eval()
    layer = _last_layer(f"torchvision:{name}", model, stride)
    return _Map(extraction.create_feature_extractor(model, {layer: "map"}), "map"), _IMAGENET_MEAN, _IMAGENET_STD


def cut_timm(name: str, stride: int, pretrained: bool) -> Cut:
    """Return timm's network `name` up to its last feature map of that stride, in px."""
    timm = _import("timm", "timm")
    if not timm.is_model(name):
        raise ConfigError(f"timm has no model {name!r}; timm.list_models() names them")
    strides = list(timm.create_model(name, pretrained=False, features_only=True).feature_info.reduction())
    if stride not in strides:
        raise ConfigError(f"timm:{name} has no feature map of stride {stride}; strides: {_list(strides)}")
    index = len(strides) - 1 - strides[::-1].index(stride)
    model = _seeded(lambda: timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=(index,)))
    mean, std = (tuple(255.0 * value for value in model.default_cfg[key]) for key in ("mean", "std"))
    return _Map(model, 0), mean, std


LIBRARIES: dict[str, Callable[[str, int, bool], Cut]] = {"torchvision": cut_torchvision, "timm": cut_timm}


def _import(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # a torchvision built for another torch fails with a RuntimeError
        raise ConfigError(f"backbones '{package}:...' need {package}: pip install {package} ({error})") from error


def _seeded(build: Callable[[], Any]) -> Any:
    """Return what `build` returns with torch's global generator at seed 0, and leave that as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


@torch.no_grad()
def _last_layer(title: str, model: nn.Module, stride: int) -> str:
    """Return the name of the last layer, in the order of execution, whose output is a map of that stride."""
    by_stride: dict[int, str] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4:
                by_stride[_PROBE_PX // output.shape[-1]] = name

        return hook

    handles = [layer.register_forward_hook(note(name)) for name, layer in _layers(model)]
    try:
        model(torch.zeros(1, 3, _PROBE_PX, _PROBE_PX))
    except AssertionError as error:  # of a transformer
        raise ConfigError(f"{title} does not take images of any size ({error}); choose a convolutional network") from error
    for handle in handles:
        handle.remove()
    if stride not in by_stride:
        raise ConfigError(f"{title} has no feature map of stride {stride}; strides: {_list(sorted(by_stride))}")
    return by_stride[stride]


def _layers(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the top layers of `model` and those inside its plain sequences, by their full names."""
    for name, child in model.named_children():
        if type(child) is nn.Sequential:
            yield from _layers(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def _list(strides: Sequence[int]) -> str:
    return ", ".join(map(str, strides)) or "none"
