"""What images may look like otherwise without showing anything else: shifted a little, brighter, darker, paler."""

from __future__ import annotations

import torch
from torch import Tensor

from robot_rl.nn.random_shift import random_shift


def augment(images: Tensor, pad: int, jitter: float, generator: torch.Generator) -> Tensor:
    """Return uint8 images [B, H, W, 3], each changed in its own way.

    Args:
        images: uint8 [B, H, W, 3].
        pad: Largest shift along each axis, in pixels.
        jitter: Largest relative change of brightness and of contrast.
        generator: Of the changes.
    """
    return change_light(random_shift(images, pad, generator), jitter, generator)


def change_light(images: Tensor, jitter: float, generator: torch.Generator) -> Tensor:
    """Return the images, uint8 [B, H, W, 3], with brightness and contrast changed by up to the share `jitter`."""
    if jitter == 0.0:
        return images
    factors = torch.empty(2, len(images), 1, 1, 1).uniform_(1.0 - jitter, 1.0 + jitter, generator=generator)
    brightness, contrast = factors.to(images.device)
    pixels = images.float()
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return (((pixels - mean) * contrast + mean) * brightness).round_().clamp_(0, 255).to(torch.uint8)
