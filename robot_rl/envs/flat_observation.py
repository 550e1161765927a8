"""Foreign observation spaces as the house's flat dictionaries of float32 states and square RGB images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gymnasium as gym
import numpy as np

from robot_rl.envs.images import ImageResizer
from robot_rl.errors import ConfigError
from robot_rl.specs import ArraySpec, CameraSpec
from robot_rl.types import Observation


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where one array lies in the foreign observation, and what it becomes."""

    path: tuple[str, ...]
    key: str
    spec: ArraySpec


class FlatObservation:
    """Maps observations of a Box, or of nested Dicts of Boxes, to the house's keys.

    Keys are `state/<path>`, float32 [D], and `image/<path>`, uint8 [image_size, image_size, 3]; a lone Box is called
    `state/obs` or `image/pixels`.
    """

    def __init__(self, space: gym.Space, *, image_size: int, has_state: bool, owner: str) -> None:
        """Prepare the mapping.

        Args:
            space: The foreign observation space.
            image_size: Side of the observed images, pixels.
            has_state: Whether non-image arrays are observed.
            owner: Name of the environment, for messages.

        Raises:
            ConfigError: If the space holds anything but Boxes, or an image that is not [H, W, 3].
        """
        self._image_size = image_size
        entries = (_entry(path, box, image_size, owner) for path, box in _boxes(space, (), owner))
        self._entries = tuple(entry for entry in entries if has_state or entry.key.startswith("image/"))

    @property
    def specs(self) -> dict[str, ArraySpec]:
        """What is observed."""
        return {entry.key: entry.spec for entry in self._entries}

    def __call__(self, obs: Any) -> Observation:
        """Return `obs` under the house's keys, as copies."""
        flat = {}
        for entry in self._entries:
            value = obs
            for name in entry.path:
                value = value[name]
            if entry.spec.dtype == "uint8":
                flat[entry.key] = square(np.asarray(value), self._image_size)
            else:
                flat[entry.key] = np.array(value, dtype=np.float32).reshape(-1)
        return flat


def _boxes(space: gym.Space, path: tuple[str, ...], owner: str) -> Iterator[tuple[tuple[str, ...], gym.spaces.Box]]:
    """Yield every Box of `space` with its path. Raises ConfigError on other spaces."""
    if isinstance(space, gym.spaces.Box):
        yield path, space
    elif isinstance(space, gym.spaces.Dict):
        for name, inner in space.spaces.items():
            yield from _boxes(inner, (*path, name), owner)
    else:
        where = f" under {'/'.join(path)!r}" if path else ""
        raise ConfigError(f"{owner}: observation space{where} is {space}; supported: Box, and (nested) Dict of Box")


def _entry(path: tuple[str, ...], box: gym.spaces.Box, image_size: int, owner: str) -> _Entry:
    """Return what the Box at `path` becomes."""
    if box.dtype == np.uint8 and len(box.shape) == 3:
        if box.shape[-1] != 3:
            where = "/".join(path) or "observation"
            raise ConfigError(f"{owner}: image {where!r} has shape {box.shape}; supported: [H, W, 3]")
        key = "/".join(("image", *(path or ("pixels",))))
        return _Entry(path, key, ArraySpec((image_size, image_size, 3), "uint8"))
    key = "/".join(("state", *(path or ("obs",))))
    return _Entry(path, key, ArraySpec((int(np.prod(box.shape, dtype=int)),)))


def square(image: np.ndarray, size: int) -> np.ndarray:
    """Return a copy of `image` uint8 [H, W, 3] at [size, size, 3].

    Other aspect ratios are squeezed rather than cropped: nothing in view is lost.
    """
    height, width = image.shape[:2]
    return np.array(_resizer(height, width, size)(image))


@lru_cache(maxsize=16)
def _resizer(height: int, width: int, size: int) -> ImageResizer:
    """Return what resizes images of `height` x `width` pixels."""
    return ImageResizer(CameraSpec("foreign", height, width), None, size)
