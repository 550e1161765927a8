"""Nested state as one flat dict of tensors, the form that goes into a safetensors file as it is."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def join(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return copies of all tensors under `part/name`."""
    return {f"{part}/{name}": value.detach().clone() for part, values in parts.items() for name, value in values.items()}


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return what `join` put under `name`."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
