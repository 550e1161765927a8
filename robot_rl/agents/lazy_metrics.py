"""Metrics that cost nothing until somebody reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


class LazyMetrics(dict[str, Any]):
    """A `Metrics` dict that holds scalar tensors and converts on reading, so that an update never waits for its device.

    `float`s come out of every way of reading it, `dict(metrics)` and `other.update(metrics)` included. The first
    reading converts everything, so there is one wait.
    """

    def __getitem__(self, key: str) -> float:
        self._convert()
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:  # a subclass with its own __iter__ is copied through __getitem__
        return super().__iter__()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key` as a float, or `default`."""
        try:
            return self[key]
        except KeyError:
            return default

    def values(self) -> Any:
        """Return the values as floats."""
        self._convert()
        return super().values()

    def items(self) -> Any:
        """Return (name, float) pairs."""
        self._convert()
        return super().items()

    def unread(self) -> dict[str, Any]:
        """Return the values as they are, for those who go on computing with them on their device."""
        return dict(super().items())

    def _convert(self) -> None:
        self.update(as_floats(self.unread()))


def as_floats(values: Mapping[str, Any]) -> dict[str, float]:
    """Return numbers and 0-d tensors as floats, waiting once for each device."""
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    floats: dict[str, float] = {}
    for device in {tensor.device for tensor in tensors.values()}:
        there = {name: tensor for name, tensor in tensors.items() if tensor.device == device}
        floats.update(zip(there, torch.stack([tensor.detach() for tensor in there.values()]).tolist(), strict=True))
    return {name: floats[name] if name in floats else float(value) for name, value in values.items()}
