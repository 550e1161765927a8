"""What becomes of camera entries before a learner sees them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from robot_rl.nn.hidden_places import hide_places
from robot_rl.nn.random_shift import random_shift
from robot_rl.nn.vision_config import VisionConfig


def augmented(
    obs: Mapping[str, Tensor], vision: VisionConfig, generator: torch.Generator, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Return entries [..., *shape] a key with images shifted and places of feature maps hidden; others as they are.

    Feature maps that eyes multiply as they are (`flat`) come in `dtype`, the type of the products: several eyes look at
    them, each of which would convert them for itself.
    """
    return {key: _augmented(key, value, vision, generator, dtype) for key, value in obs.items()}


def _augmented(key: str, value: Tensor, vision: VisionConfig, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    if key.startswith("image/"):
        return random_shift(value, vision.crop_pad, generator)
    if not key.startswith("feature/"):
        return value
    if vision.hidden_share > 0.0:
        value = hide_places(value, vision.hidden_share, generator)
    return value.float().to(dtype) if vision.pool == "flat" else value  # by way of float32, which is ten times as fast
