"""Settings of a success classifier."""

from __future__ import annotations

from dataclasses import dataclass, field

from robot_rl.errors import ConfigError
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.nn.pooling import Pool


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """What a classifier looks at, and how it is trained and measured."""

    cameras: tuple[str, ...] = ()
    """cameras to look at, for example front wrist; none: all that were recorded"""
    state: tuple[str, ...] = ()
    """state entries to look at besides, for example state/gripper/opening"""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    pool: Pool = "embedding"
    """how a feature map becomes a vector: learned spatial embeddings, expected positions (softmax), or all of it (flat)"""
    embeddings: int = 8
    """learned weightings of the locations for each channel, where `pool` is embedding"""
    bottleneck: int = 32
    """numbers that are kept of each camera"""
    hidden_dims: tuple[int, ...] = (128,)
    """hidden layers behind the bottlenecks"""
    crops: int = 2
    """versions of each frame: one as it is, the others shifted and lit differently"""
    crop_pad_px: int = 4
    """largest shift along each axis, in pixels"""
    jitter: float = 0.1
    """largest relative change of brightness and of contrast"""
    max_frames: int = 4000
    """frames to learn from, and as many of the agent's episodes; of more, some are drawn, both classes alike"""
    steps: int = 200
    """gradient steps"""
    batch_size: int = 128
    """frames in a step, half of them successes"""
    lr: float = 1e-3
    """learning rate of Adam"""
    weight_decay: float = 1e-2
    """decoupled, as in AdamW"""
    hard_share: float = 0.25
    """share of a batch's failures drawn from those that an earlier classifier took for successes, if there are any"""
    folds: int = 4
    """parts the episodes are dealt into: each calibrates and measures a head that was trained on the others"""
    max_false_positive_rate: float = 0.005
    """share of failure frames that may be called a success"""
    consecutive: int = 1
    """frames in a row that must reach the threshold for a success"""
    max_identical: int = 5
    """equal frames in a row, while the robot moves, beyond which a camera counts as frozen"""

    def __post_init__(self) -> None:
        for name in ("embeddings", "bottleneck", "crops", "max_frames", "steps", "consecutive", "max_identical"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} is below 1")
        if self.batch_size < 2:
            raise ConfigError(f"batch_size {self.batch_size} is below 2: a success and a failure")
        if self.crop_pad_px < 0 or not 0.0 <= self.jitter < 1.0:
            raise ConfigError(f"crop_pad_px {self.crop_pad_px} must not be negative, and jitter {self.jitter} be in [0, 1)")
        if self.folds < 2:
            raise ConfigError(f"folds {self.folds} is below 2: a part to measure and one to train on")
        if not 0.0 < self.max_false_positive_rate < 1.0:
            raise ConfigError(f"max_false_positive_rate {self.max_false_positive_rate} is not in (0, 1)")
        if not 0.0 <= self.hard_share <= 1.0:
            raise ConfigError(f"hard_share {self.hard_share} is not in [0, 1]")
