"""What a policy's eyes are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from robot_rl.errors import ConfigError
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.nn.pooling import Pool


@dataclass(frozen=True, slots=True)
class GoalConfig:
    """How it is learned where the tool has to go (`nn/goal_estimator.py`)."""

    folds: int = 4
    """networks that tell of demonstrations which they have not seen, so that policies do not learn them by heart"""
    steps: int = 1000
    """updates of each network"""
    batch_size: int = 128
    """frames an update"""
    refit_every: int = 10
    """successes of the agent's own after which it is learned anew from demonstrations and successes; 0: never"""
    max_successes: int = 200
    """newest successes that are remembered for that"""
    learning_rate: float = 1e-3
    """largest step size; it rises at first and falls to nothing"""
    pool: Pool = "keypoints"
    """how its eyes come from a feature map to a vector; keypoints need the fewest demonstrations"""
    hidden_dims: tuple[int, ...] = (128, 128)
    """widths of the hidden layers behind the eyes"""
    hidden_share: float = 0.2
    """share of places and of channels of the features that are hidden at random while learning"""
    quantities: tuple[str, ...] = ("height",)
    """of proprioception that it looks at beside the cameras"""

    def __post_init__(self) -> None:
        for name, least in (("folds", 2), ("steps", 1), ("batch_size", 1), ("refit_every", 0), ("max_successes", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"vision.goal.{name} is {getattr(self, name)}; it must be at least {least}")
        if not 0.0 < self.learning_rate < 1.0:
            raise ConfigError(f"vision.goal.learning_rate is {self.learning_rate:g}; it must be between 0 and 1")
        if not 0.0 <= self.hidden_share < 1.0:
            raise ConfigError(f"vision.goal.hidden_share is {self.hidden_share:g}; it must be at least 0 and below 1")
        if not self.hidden_dims or min(self.hidden_dims) < 1:
            raise ConfigError(f"vision.goal.hidden_dims {self.hidden_dims} needs at least one width, each at least 1")


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """Settings of the featurizer (frozen encoder only) and of the trainable part behind it."""

    encoder: Literal["frozen", "cnn"] = "frozen"
    """frozen: features of a pretrained network, computed once a frame; cnn: a small network that learns from the frames"""
    policy_sees: Literal["features", "goal", "both"] = "features"
    """frozen encoder only: its features, or where by them the tool has to go, learned in hindsight from demonstrations"""
    goal: GoalConfig = field(default_factory=GoalConfig)
    """how that is learned"""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    """the pretrained network of the frozen encoder"""
    components: int = 32
    """numbers kept per location of the pretrained feature map, by PCA on the demonstrations"""
    num_crops: int = 2
    """randomly shifted versions of a frame whose features replay holds; 1: only the frame itself, no augmentation"""
    crop_pad: int = 4
    """px by which a shift moves the frame at most, in each direction"""
    pool: Pool = "flat"
    """from a feature map to a vector: embedding (SERL's), softmax (expected coordinates), keypoints (the same of learned maps)
    or flat (every location)"""
    embeddings: int = 8
    """learned weightings of the map, per channel, that `embedding` sums with (SERL: 8)"""
    keypoints: int = 32
    """things whose places `keypoints` tells"""
    hidden_share: float = 0.1
    """share of the places of a feature map, and of its channels, that are hidden at random while learning; 0: none"""
    bottleneck: int = 64
    """features per camera that actor and critics get"""

    @property
    def estimates_goal(self) -> bool:
        """Whether policies are told where the tool has to go."""
        return self.policy_sees != "features"

    def __post_init__(self) -> None:
        if self.estimates_goal and self.encoder != "frozen":
            raise ConfigError(f"vision.policy_sees {self.policy_sees!r} needs the frozen encoder, not {self.encoder!r}")
        for name in ("components", "num_crops", "embeddings", "keypoints", "bottleneck"):
            if getattr(self, name) < 1:
                raise ConfigError(f"vision.{name} is {getattr(self, name)}; it must be at least 1")
        if not 0.0 <= self.hidden_share < 1.0:
            raise ConfigError(f"vision.hidden_share is {self.hidden_share:g}; it must be at least 0 and below 1")
        if self.crop_pad < 0:
            raise ConfigError(f"vision.crop_pad is {self.crop_pad} px; it must not be negative")
