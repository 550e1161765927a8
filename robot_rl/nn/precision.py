"""Which number type matrix products are computed in."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""auto: bfloat16 where the processor multiplies in it, which is about twice as fast; elsewhere float32."""


def product_dtype(precision: Precision, device: str | torch.device = "cpu") -> torch.dtype:
    """Return the type that `precision` means on `device`."""
    if precision == "auto":
        return torch.bfloat16 if _is_fast_in_bfloat16(torch.device(device)) else torch.float32
    return getattr(torch, precision)


def _is_fast_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older releases do not tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
