"""Metrics that cost nothing until somebody reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class LazyMetrics(dict[str, Any]):
    """A `Metrics` dict that holds scalar tensors and converts on reading, so that an update never waits for its device.

    `float`s come out of every way of reading it, `dict(metrics)` and `other.update(metrics)` included.
    """

    def __getitem__(self, key: str) -> float:
        return float(super().__getitem__(key))

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
        return [self[key] for key in self]

    def items(self) -> Any:
        """Return (name, float) pairs."""
        return [(key, self[key]) for key in self]
