"""JPEG XL and JPEG 2000 images inside zarr stores of diffusion policy and UMI, decoded."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
from numcodecs.abc import Codec

from demos.formats.library import need
from robot_rl.errors import DatasetError


class ImageCodec(Codec):
    """Decodes images by imagecodecs, whatever a store says of how they were encoded.

    Releases of imagecodecs differ in which settings of the encoder they accept, and refuse stores of each other for it.
    """

    decoder = ""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def encode(self, buf: Any) -> bytes:
        """Refuse: these codecs lose detail, and nothing of ours is written by them."""
        raise DatasetError(f"{self.codec_id} is read and not written")

    def decode(self, buf: Any, out: Any = None) -> np.ndarray:
        """Return the image in `buf`, uint8 [H, W, 3]."""
        return getattr(need("imagecodecs", f"images in {self.codec_id}"), self.decoder)(bytes(buf))

    def get_config(self) -> dict[str, Any]:
        """Return what the store says."""
        return {"id": self.codec_id, **self.settings}


class JpegXl(ImageCodec):
    """UMI's."""

    codec_id = "imagecodecs_jpegxl"
    decoder = "jpegxl_decode"


class Jpeg2k(ImageCodec):
    """Diffusion policy's."""

    codec_id = "imagecodecs_jpeg2k"
    decoder = "jpeg2k_decode"


def register_image_codecs() -> None:
    """Make stores with such images readable in this process."""
    for codec in (JpegXl, Jpeg2k):
        numcodecs.register_codec(codec)
