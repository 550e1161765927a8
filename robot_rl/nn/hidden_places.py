"""Feature maps with holes: what few demonstrations could be learnt by heart from is not always there."""

from __future__ import annotations

import torch
from torch import Tensor


def hide_places(features: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return feature maps [..., C, h, w], float32, with that share of their places, and of their channels, set to zero.

    Zero is what a place shows of the scenery on average (`Projection`), so a place that is hidden looks as if nothing
    were there. What is left is scaled up, as with dropout (Srivastava et al. 2014).

    Args:
        features: Of any type.
        share: Of the places, and apart from that of the channels: 0..1.
        generator: Draws what is hidden, for each map anew.
    """
    *leading, channels, height, width = features.shape
    draw = {"generator": generator, "device": features.device}
    places = (torch.rand(*leading, 1, height, width, **draw) >= share) / (1.0 - share)
    layers = (torch.rand(*leading, channels, 1, 1, **draw) >= share) / (1.0 - share)
    return features.to(torch.float32, copy=True).mul_(places).mul_(layers)
