"""Labelled frames seen through a frozen backbone once, so that training the small rest takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robot_rl.rewards.augmentation import augment
from robot_rl.rewards.classifier import SuccessClassifier
from robot_rl.rewards.frames import LabelledEpisode

CHUNK = 64
"""Frames that pass the backbone together."""


@dataclass(frozen=True, slots=True)
class EncodedFrames:
    """N frames, in K versions each, of which version 0 is not augmented."""

    features: dict[str, Tensor]
    """[N, K, C, h, w], float16, by camera."""
    state: Tensor
    """[N, D], float32."""
    labels: Tensor
    """[N], bool."""
    is_hard: Tensor
    """[N], bool: failures that an earlier classifier took for successes."""
    origin: np.ndarray
    """[N, 2]: index of the episode, index of the observation in it."""

    @property
    def versions(self) -> int:
        """K."""
        return next(iter(self.features.values())).shape[1]

    def select(self, chosen: Tensor) -> EncodedFrames:
        """Return the frames where `chosen` [N] is true."""
        return EncodedFrames(
            features={camera: maps[chosen] for camera, maps in self.features.items()},
            state=self.state[chosen],
            labels=self.labels[chosen],
            is_hard=self.is_hard[chosen],
            origin=self.origin[chosen.numpy()],
        )

    def join(self, other: EncodedFrames, first_episode: int) -> EncodedFrames:
        """Return the frames of both; the other's episodes are counted from `first_episode`."""
        return EncodedFrames(
            features={camera: torch.cat([maps, other.features[camera]]) for camera, maps in self.features.items()},
            state=torch.cat([self.state, other.state]),
            labels=torch.cat([self.labels, other.labels]),
            is_hard=torch.cat([self.is_hard, other.is_hard]),
            origin=np.concatenate([self.origin, np.add(other.origin, (first_episode, 0))]),
        )


def choose_frames(episodes: Sequence[LabelledEpisode], max_frames: int | None, seed: int) -> np.ndarray:
    """Return which usable frames to encode, [N, 2]: index of the episode and of the observation, in order.

    Args:
        episodes: Where from.
        max_frames: Most frames; where there are more, half may be successes and half failures. None: all.
        seed: Of the draw.
    """
    pairs = [np.stack([np.full(item.is_usable.sum(), i), np.flatnonzero(item.is_usable)], 1) for i, item in enumerate(episodes)]
    origin = np.concatenate(pairs)
    if max_frames is None or len(origin) <= max_frames:
        return origin
    labels = np.concatenate([item.labels[item.is_usable] for item in episodes])
    rng = np.random.default_rng(seed)
    scarce, plenty = sorted((rng.permutation(np.flatnonzero(labels == kind)) for kind in (True, False)), key=len)
    few = scarce[: max_frames // 2]
    chosen = np.concatenate([few, plenty[: max_frames - len(few)]])
    return origin[np.sort(chosen)]


def encode(
    classifier: SuccessClassifier,
    episodes: Sequence[LabelledEpisode],
    origin: np.ndarray,
    generator: torch.Generator,
) -> EncodedFrames:
    """Return the frames as the backbone sees them.

    Args:
        classifier: Whose backbone, cameras and state entries.
        episodes: Where from.
        origin: [N, 2], which frames, as from `choose_frames`.
        generator: Of the augmentation.
    """
    config, crops = classifier.config, classifier.config.crops
    features: dict[str, list[Tensor]] = {camera: [] for camera in classifier.cameras}
    for rows in np.array_split(origin, max(1, -(-len(origin) // CHUNK))):
        for camera, kept in features.items():
            images = torch.from_numpy(np.stack([episodes[i].obs[f"image/{camera}"][t] for i, t in rows]))
            versions = [augment(images, config.crop_pad_px, config.jitter, generator) for _ in range(crops - 1)]
            maps = classifier.encode_images(torch.cat([images, *versions]))  # [K * n, C, h, w]
            kept.append(maps.unflatten(0, (crops, len(rows))).transpose(0, 1).to("cpu", torch.float16))
    state = [
        np.concatenate([np.zeros(0, np.float32), *(episodes[i].obs[k][t] for k in classifier.state_keys)]) for i, t in origin
    ]
    return EncodedFrames(
        features={camera: torch.cat(kept) for camera, kept in features.items()},
        state=torch.from_numpy(np.stack(state)),
        labels=torch.tensor([bool(episodes[i].labels[t]) for i, t in origin]),
        is_hard=torch.zeros(len(origin), dtype=torch.bool),
        origin=origin,
    )
