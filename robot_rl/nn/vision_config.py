"""What a policy's eyes are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from robot_rl.errors import ConfigError
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.nn.pooling import Pool


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """Settings of the featurizer (frozen encoder only) and of the trainable part behind it."""

    encoder: Literal["frozen", "cnn"] = "frozen"
    """frozen: features of a pretrained network, computed once a frame; cnn: a small network that learns from the frames"""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    """the pretrained network of the frozen encoder"""
    components: int = 32
    """numbers kept per location of the pretrained feature map, by PCA on the demonstrations"""
    num_crops: int = 2
    """randomly shifted versions of a frame whose features replay holds; 1: only the frame itself, no augmentation"""
    crop_pad: int = 4
    """px by which a shift moves the frame at most, in each direction"""
    pool: Pool = "flat"
    """from a feature map to a vector: embedding (SERL's), softmax (expected coordinates) or flat (every location)"""
    embeddings: int = 8
    """learned weightings of the map, per channel, that `embedding` sums with (SERL: 8)"""
    hidden_share: float = 0.1
    """share of the places of a feature map, and of its channels, that are hidden at random while learning; 0: none"""
    bottleneck: int = 64
    """features per camera that actor and critics get"""

    def __post_init__(self) -> None:
        for name in ("components", "num_crops", "embeddings", "bottleneck"):
            if getattr(self, name) < 1:
                raise ConfigError(f"vision.{name} is {getattr(self, name)}; it must be at least 1")
        if not 0.0 <= self.hidden_share < 1.0:
            raise ConfigError(f"vision.hidden_share is {self.hidden_share:g}; it must be at least 0 and below 1")
        if self.crop_pad < 0:
            raise ConfigError(f"vision.crop_pad is {self.crop_pad} px; it must not be negative")
