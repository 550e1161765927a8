"""Shifted and mirrored copies of an image, and a memory of what was made of recent ones."""

from __future__ import annotations

import zlib
from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor

from robot_rl.errors import SpecMismatch
from robot_rl.nn.random_shift import shift
from robot_rl.specs import ArraySpec

REMEMBERED = 4
"""Images remembered: what is seen now and before, with a margin for a look at either in between."""


def check_image(key: str, image: np.ndarray | None, spec: ArraySpec) -> np.ndarray:
    """Return `image` if it is what its spec says. Raises SpecMismatch, showing both, if not."""
    if image is None:
        raise SpecMismatch(f"the observation lacks {key!r}, which should be {spec.dtype} {list(spec.shape)}")
    if image.shape != spec.shape or image.dtype != spec.dtype:
        raise SpecMismatch(f"{key!r} is {image.dtype} {list(image.shape)}; its spec says {spec.dtype} {list(spec.shape)}")
    return image


def crops(image: np.ndarray, start: int, stop: int, *, num_crops: int, pad: int, seed: int) -> Tensor:
    """Return crops `start..stop - 1` of an image, uint8 [H, W, C], as [stop - start, H, W, C].

    Crop 0 is the image, the others up to `num_crops` are shifted at random by up to `pad` px in each direction; as many
    more are the same ones, left and right exchanged. The same image and seed, the same crops, whenever they are made.
    """
    offsets = np.zeros((2, num_crops), np.int64)
    if num_crops > 1:
        rng = np.random.default_rng((seed, zlib.crc32(image.tobytes())))
        offsets[:, 1:] = rng.integers(-pad, pad, (2, num_crops - 1), endpoint=True)
    copies = torch.from_numpy(np.array(image)).expand(stop - start, -1, -1, -1)  # a copy: torch wants no read-only array
    indices = np.arange(start, stop)
    shifted = shift(copies, torch.from_numpy(offsets[:, indices % num_crops]))
    is_mirrored = torch.from_numpy(indices >= num_crops)[:, None, None, None]
    return torch.where(is_mirrored, shifted.flip(-2), shifted) if is_mirrored.any() else shifted


class CropMemory:
    """The features of the newest images, found by identity: the image is held, so that its id is not given away."""

    def __init__(self) -> None:
        self._entries: OrderedDict[int, tuple[np.ndarray, list[Tensor]]] = OrderedDict()

    def remember(self, image: np.ndarray, features: list[Tensor]) -> None:
        """Keep what was made of the first crops of `image`, [C, h, w] each, in place of what was kept of it before."""
        self._entries[id(image)] = (image, features)
        self._entries.move_to_end(id(image))
        if len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)

    def recall(self, image: np.ndarray | None, device: torch.device) -> list[Tensor]:
        """Return what was kept of `image` on this device; nothing, if it is not known."""
        _, features = self._entries.get(id(image), (None, []))
        return features if features and features[0].device == device else []

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
