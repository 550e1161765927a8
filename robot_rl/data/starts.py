"""Which rows of a replay ring a window may start at."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


class StartIndex:
    """Ascending row numbers in a queue: appended at the end, dropped from either end, drawn from anywhere in O(1)."""

    def __init__(self, rows: Iterable[int] = ()) -> None:
        self._count, self._head = 0, 0
        self._resize(64)
        for row in rows:
            self.append(row)

    def __len__(self) -> int:
        return self._count

    @property
    def first(self) -> int:
        """The lowest row number; there must be one."""
        return int(self._rows[self._head])

    @property
    def last(self) -> int:
        """The highest row number; there must be one."""
        return int(self._rows[(self._head + self._count - 1) % len(self._rows)])

    def rows(self) -> np.ndarray:
        """Return all row numbers, int64 [len], ascending."""
        return self._rows[(self._head + np.arange(self._count)) % len(self._rows)]

    def append(self, row: int) -> None:
        """Add a row number higher than all others."""
        if self._count == len(self._rows):
            self._resize(2 * self._count)
        self._rows[(self._head + self._count) % len(self._rows)] = row
        self._count += 1

    def drop_first(self) -> None:
        """Forget the lowest row number."""
        self._head = (self._head + 1) % len(self._rows)
        self._count -= 1

    def drop_last(self) -> None:
        """Forget the highest row number."""
        self._count -= 1

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return row numbers, int64 [count], uniform with replacement."""
        offset = torch.randint(self._count, (count,), generator=generator)
        return self._tensor[(offset + self._head) % len(self._rows)]

    def _resize(self, size: int) -> None:
        rows = self.rows() if self._count else np.zeros(0, np.int64)
        self._rows = np.zeros(size, np.int64)
        self._rows[: len(rows)] = rows
        self._tensor = torch.from_numpy(self._rows)  # the same memory, for drawing
        self._head = 0
