"""Pictures as JPEG, each encoded once for all who look."""

from __future__ import annotations

import asyncio
import io
from collections import defaultdict

import numpy as np

from robot_rl.cockpit.frames import FrameReader

QUALITY = 80


class Pictures:
    """The newest picture of each camera as JPEG. Nothing is encoded that nobody asks for."""

    def __init__(self, frames: FrameReader) -> None:
        """Encode what `frames` reads."""
        self._frames = frames
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def newest(self, camera: str, after: int) -> tuple[int, bytes] | None:
        """Return number and JPEG of a camera's newest picture, or None if there is none with another number than `after`."""
        number = self._frames.newest(camera)
        if number in (0, after):
            return None
        async with self._locks[camera]:
            known = self._newest.get(camera)
            if known is None or known[0] != number:
                image = self._frames.read(camera, number)
                if image is None:  # overwritten: the next one is there
                    return None
                known = self._newest[camera] = (number, await asyncio.to_thread(encode_jpeg, image))
        return known


def encode_jpeg(image: np.ndarray) -> bytes:
    """Return an image, uint8 [H, W, 3], RGB, as JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
