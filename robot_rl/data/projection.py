"""Fewer numbers at every location of a feature map: a projection on its principal components."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError

LIMIT = 1e4
"""Standard deviations at which a feature is cut: a frame unlike all others must not become infinite in float16."""
MIN_VARIANCE = 1e-5
"""Share of the mean square below which what varies from frame to frame is but rounding."""


class Projection(nn.Module):
    """Principal components of the channels, the same at all locations, scaled as a whole to a variance of 1.

    Variance is over time: each location's mean, which is the scenery, says nothing and is taken off first. One factor
    for all components, and not one each: those that hardly vary would become noise of size 1.
    """

    mean: Tensor
    components: Tensor
    scale: Tensor
    spectrum: Tensor

    def __init__(self, shape: tuple[int, int, int], num_components: int) -> None:
        """Prepare for feature maps.

        Args:
            shape: (C, h, w) of the map.
            num_components: Numbers kept of the C channels.

        Raises:
            ConfigError: If there are fewer channels than components.
        """
        super().__init__()
        channels = shape[0]
        if not 1 <= num_components <= channels:
            raise ConfigError(f"{num_components} components of features with {channels} channels; 1..{channels} work")
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("components", torch.zeros(num_components, channels))
        self.register_buffer("scale", torch.zeros(()))  # 0 until fitted
        self.register_buffer("spectrum", torch.zeros(channels))  # variance along every axis, largest first

    @property
    def is_fitted(self) -> bool:
        """Whether there is a projection yet."""
        return bool(self.scale > 0)

    def explained_variance(self, num_components: int | None = None) -> float:
        """Return the share of the variance over time that so many components hold; None: those kept."""
        kept = len(self.components) if num_components is None else num_components
        return float(self.spectrum[:kept].sum() / self.spectrum.sum())

    def fit(self, features: Tensor) -> None:
        """Take the projection from the features of frames, float32 [T, C, h, w]; the same features, the same projection.

        Raises:
            ConfigError: If the frames do not differ.
        """
        mean = features.double().mean(0)
        rows = (features - mean).movedim(1, -1).flatten(0, -2).cpu()  # [T * h * w, C]
        variances, axes = torch.linalg.eigh(rows.T @ rows / len(rows))  # ascending; an axis is a column
        spectrum, components = variances.flip(0).clamp_min(0.0), axes.T.flip(0)[: len(self.components)]
        if not spectrum.sum() > MIN_VARIANCE * features.double().square().mean((0, 2, 3)).sum().cpu():
            raise ConfigError(f"{len(features)} frames of demonstrations all look the same: is the camera stuck or covered?")
        largest = components.gather(1, components.abs().argmax(1, keepdim=True))
        self.mean.copy_(mean)
        self.components.copy_(components * largest.sign())  # an axis has no direction until it is given one
        self.scale.copy_(spectrum[: len(components)].mean().rsqrt())
        self.spectrum.copy_(spectrum)

    def forward(self, features: Tensor) -> Tensor:
        """Map float32 [B, C, h, w] to float16 [B, num_components, h, w]."""
        projected = torch.einsum("kc,bchw->bkhw", self.components * self.scale, features - self.mean)
        return projected.clamp(-LIMIT, LIMIT).half()
