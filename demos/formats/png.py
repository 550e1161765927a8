"""Images as PNG: smaller, and not a bit lost."""

from __future__ import annotations

import io

import numpy as np

from demos.formats.library import need


def encode_png(image: np.ndarray) -> bytes:
    """Return an image, uint8 [H, W, 3], as the bytes of a PNG file."""
    buffer = io.BytesIO()
    need("PIL.Image", "PNG images").fromarray(np.ascontiguousarray(image)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode_image(data: bytes) -> np.ndarray:
    """Return the image, uint8 [H, W, 3], RGB, that the bytes of a PNG or JPEG file hold."""
    with need("PIL.Image", "PNG and JPEG images").open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.uint8)
