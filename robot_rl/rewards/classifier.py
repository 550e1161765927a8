"""A success classifier: a frozen backbone, a small trained head, and a threshold with a known false-positive rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.backbone import Backbone, load_backbone
from robot_rl.rewards.calibration import Calibration
from robot_rl.rewards.config import ClassifierConfig
from robot_rl.rewards.head import ClassifierHead
from robot_rl.specs import ArraySpec, EnvSpec
from robot_rl.types import Observation

CROP = "crop/{camera}"
"""Key of `EnvSpec.extra` under which an environment says which part of a camera's picture is observed."""

CHUNK = 64
"""Frames judged at once."""


class SuccessClassifier(nn.Module):
    """Tells how probable it is that an observation shows a success. The backbone is never trained."""

    def __init__(
        self, spec: EnvSpec, config: ClassifierConfig, *, seed: int = 0, device: str = "cpu", backbone: Backbone | None = None
    ) -> None:
        """Prepare to judge observations of an environment.

        Args:
            spec: Of the environment; only the entries that are looked at are kept.
            config: `cameras` and `state` name these entries.
            seed: Of the initial weights of the head.
            device: Where to compute.
            backbone: Already loaded; None loads it.

        Raises:
            ConfigError: If an entry is not observed.
        """
        super().__init__()
        self.config = config
        self.cameras = config.cameras
        self.state_keys = config.state
        self.entries = _entries(spec, config)
        """what is looked at, by observation key"""
        self.crops = {camera: spec.extra.get(CROP.format(camera=camera), "") for camera in config.cameras}
        self.calibration = Calibration()
        self.version = "untrained"
        """changes with weights and calibration"""
        self.about: dict[str, Any] = {}
        """what it was trained on and how good it is"""
        self.backbone = backbone or load_backbone(config.backbone)
        maps = {camera: self.backbone.out_shape(*self.entries[f"image/{camera}"].shape[:2]) for camera in self.cameras}
        state_dim = sum(self.entries[key].shape[0] for key in self.state_keys)
        self._shapes = maps, state_dim
        self.to(device)
        self.head = self.new_head(seed)

    @property
    def threshold(self) -> float:
        """Probability from which a frame is a success."""
        return self.calibration.threshold

    @property
    def consecutive(self) -> int:
        """Frames in a row that must reach the threshold."""
        return self.config.consecutive

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.backbone.mean.device

    def new_head(self, seed: int) -> ClassifierHead:
        """Return an untrained head that fits the backbone."""
        maps, state_dim = self._shapes
        return ClassifierHead(maps, state_dim, self.config, torch.Generator().manual_seed(seed)).to(self.device)

    def encode_images(self, images: Tensor) -> Tensor:
        """Return feature maps [B, C, h, w] of images uint8 [B, H, W, 3]."""
        with torch.inference_mode():
            return self.backbone(images.to(self.device))

    @torch.inference_mode()
    def scores(self, obs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the head's scores [T] of observations [T, ...] a key, before calibration."""
        length = len(next(iter(obs.values())))
        scores = [self._score({key: obs[key][i : i + CHUNK] for key in self.entries}) for i in range(0, length, CHUNK)]
        return np.concatenate(scores) if scores else np.zeros(0)

    def probabilities(self, obs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the probabilities of success [T] of observations [T, ...] a key."""
        return self.calibration.probability(self.scores(obs))

    def probability(self, obs: Observation) -> float:
        """Return the probability that one observation shows a success.

        Raises:
            SpecMismatch: If an entry is missing.
        """
        missing = [key for key in self.entries if key not in obs]
        if missing:
            raise SpecMismatch(f"the success classifier looks at {missing[0]!r}; observed are {', '.join(sorted(obs))}")
        return float(self.probabilities({key: obs[key][None] for key in self.entries})[0])

    def check(self, spec: EnvSpec) -> None:
        """Raise SpecMismatch, showing both sides, unless an environment's observations are like those trained on."""
        crops = {camera: spec.extra.get(CROP.format(camera=camera), "") for camera in self.cameras}
        if crops == self.crops and all(spec.obs.get(key) == entry for key, entry in self.entries.items()):
            return
        images = {key: entry for key, entry in spec.obs.items() if key.startswith("image/") or key in self.entries}
        every_crop = {key.removeprefix("crop/"): crop for key, crop in spec.extra.items() if key.startswith("crop/")}
        raise SpecMismatch(
            f"success classifier {self.version} does not fit {spec.name!r}: it was trained on "
            f"{_describe(self.entries, self.crops)}; the environment observes {_describe(images, every_crop)}"
        )

    def save(self, folder: str | Path) -> str:
        """Write `classifier.safetensors`, all that is needed to judge, into `folder`; return the version."""
        from robot_rl.rewards.classifier_file import save  # that module builds what this one defines

        return save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "cpu") -> SuccessClassifier:
        """Read what `save` wrote. Raises ConfigError if the folder holds no classifier, or a damaged one."""
        from robot_rl.rewards.classifier_file import load

        return load(Path(folder), device)

    def _score(self, obs: Mapping[str, np.ndarray]) -> np.ndarray:
        features = {camera: self.encode_images(torch.from_numpy(obs[f"image/{camera}"])).float() for camera in self.cameras}
        length = len(obs[f"image/{self.cameras[0]}"])
        state = np.concatenate([np.zeros((length, 0), np.float32), *(obs[key] for key in self.state_keys)], axis=-1)
        return self.head(features, torch.from_numpy(state).to(self.device)).double().cpu().numpy()


def with_cameras(config: ClassifierConfig, spec: EnvSpec) -> ClassifierConfig:
    """Return `config` naming the cameras: those that it names, or all that `spec` observes."""
    observed = sorted(key.removeprefix("image/") for key in spec.obs if key.startswith("image/"))
    return replace(config, cameras=config.cameras or tuple(observed))


def _entries(spec: EnvSpec, config: ClassifierConfig) -> dict[str, ArraySpec]:
    if not config.cameras:
        raise ConfigError(f"a success classifier needs a camera; {spec.name!r} observes {', '.join(sorted(spec.obs))}")
    keys = [*(f"image/{camera}" for camera in config.cameras), *config.state]
    missing = [key for key in keys if key not in spec.obs]
    if missing:
        raise ConfigError(f"{spec.name!r} does not observe {missing[0]!r}; it observes {', '.join(sorted(spec.obs))}")
    return {key: spec.obs[key] for key in keys}


def _describe(entries: Mapping[str, ArraySpec], crops: Mapping[str, str]) -> str:
    def one(key: str, entry: ArraySpec) -> str:
        crop = crops.get(key.removeprefix("image/"), "")
        return f"{key} {entry.dtype} {list(entry.shape)}" + (f" cropped to {crop}" if crop else "")

    return ", ".join(one(key, entry) for key, entry in sorted(entries.items())) or "no camera"
