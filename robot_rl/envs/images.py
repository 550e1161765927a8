"""Cropping and resizing camera images to what a policy sees."""

from __future__ import annotations

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.specs import CameraSpec

Crop = tuple[int, int, int, int]
"""top, left, height, width in pixels of the camera's image."""


class ImageResizer:
    """Crops, then resizes to a square, averaging over the covered pixels so that thin things do not flicker.

    A bilinear filter as wide as the shrinking factor, applied along each axis by one matrix product.
    """

    def __init__(self, camera: CameraSpec, crop: Crop | None, size: int | None) -> None:
        top, left, height, width = crop or (0, 0, camera.height, camera.width)
        inside = top >= 0 and left >= 0 and top + height <= camera.height and left + width <= camera.width
        if not (inside and height > 0 and width > 0):
            raise ConfigError(
                f"crop {crop} (top, left, height, width) does not fit camera {camera.name!r} "
                f"of {camera.height} x {camera.width} pixels"
            )
        self._camera = camera
        self._crop = (slice(top, top + height), slice(left, left + width))
        self.shape = (height, width, 3) if size is None else (size, size, 3)
        """[3]: height, width and channels of the result."""
        self._rows = _filter(height, self.shape[0])
        self._columns = _filter(width, self.shape[1])

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return uint8 `shape` from `image`, uint8 [H, W, 3]; a view of it where nothing is resized."""
        expected = (self._camera.height, self._camera.width, 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise ValueError(
                f"camera {self._camera.name!r} delivered {image.dtype} {image.shape}; its spec promises uint8 {expected}"
            )
        image = image[self._crop]
        if self._rows is None and self._columns is None:
            return image
        resized = image.astype(np.float32)
        if self._rows is not None:
            resized = np.tensordot(self._rows, resized, (1, 0))  # [h, W, 3]
        if self._columns is not None:
            resized = self._columns @ resized  # [h, w, 3]
        return np.rint(resized).astype(np.uint8)


def _filter(num_in: int, num_out: int) -> np.ndarray | None:
    """Return the weights [num_out, num_in], rows adding up to 1, or None if nothing changes."""
    if num_in == num_out:
        return None
    scale = num_in / num_out
    centre = (np.arange(num_out) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(num_in) - centre[:, None]) / max(scale, 1.0)
    weights = np.maximum(1.0 - distance, 0.0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
