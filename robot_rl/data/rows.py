"""Time steps as rows of a ring, stored once, and batches gathered from them at the speed of memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.data.memory import BatchMemory
from robot_rl.errors import ConfigError
from robot_rl.specs import ArraySpec, EnvSpec

START_ROWS = 1024
EAGER_BYTES = 256 << 20
"""Above this, a ring takes its full size at once: copying gigabytes would stall a control loop, and the system hands
out the memory only as it is written."""


class PackedEntry(NamedTuple):
    """An entry that is stored as whole words beside the float32 row: an image, a feature map."""

    shape: tuple[int, ...]
    dtype: np.dtype
    word: np.dtype
    """what it is copied as"""
    num_words: int
    """of one variant"""
    variants: int

    @classmethod
    def of(cls, array: ArraySpec) -> PackedEntry:
        """Pack by eight bytes where they fit: gathering uint8 rows element by element is a quarter slower."""
        word = np.dtype("int64" if array.nbytes % 8 == 0 else "uint8")
        return cls(array.shape, np.dtype(array.dtype), word, array.nbytes // word.itemsize, array.variants)


class RowLayout:
    """Where the parts of a time step sit: float32 entries, action, reward and flags in one row, the rest beside it."""

    def __init__(self, spec: EnvSpec) -> None:
        """Lay out the rows.

        Raises:
            ConfigError: If an entry has no variants at all, or a float32 entry has several.
        """
        self.state: dict[str, tuple[int, int, tuple[int, ...]]] = {}
        """Key to (first column, end column, shape)."""
        self.packed: dict[str, PackedEntry] = {}
        column = 0
        for key, array in spec.obs.items():
            if array.variants < 1 or (array.variants > 1 and array.dtype == "float32"):
                raise ConfigError(f"{array.variants} variants of {array.dtype} {key!r}; float32 has 1, other types 1 or more")
            if array.dtype == "float32":
                self.state[key] = (column, column + math.prod(array.shape), array.shape)
                column += math.prod(array.shape)
            else:
                self.packed[key] = PackedEntry.of(array)
        self.action = slice(column, column + spec.action.dim)
        self.reward = self.action.stop
        self.terminated = self.reward + 1
        self.is_step = self.reward + 2
        """1 where the row has an action; 0 in the last row of a segment."""
        self.width = self.reward + 3
        self.batch_memory = BatchMemory()

    def empty_rows(self, size: int, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
        """Return a table [size, width] and, for each packed entry, words [size, variants, num_words]; uninitialised."""
        words = {
            key: torch.empty(size, entry.variants, entry.num_words, dtype=getattr(torch, entry.word.name), device=device)
            for key, entry in self.packed.items()
        }
        return torch.empty(size, self.width, device=device), words

    def empty_batch(self, *leading: int, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
        """Return a table [*leading, width] and words [*leading, num_words], of memory used before; uninitialised."""
        words: dict[str, Tensor] = {}
        for key, entry in self.packed.items():
            dtype = getattr(torch, entry.word.name)
            if device.type == "cpu":
                words[key] = self.batch_memory.empty(*leading, entry.num_words, dtype=dtype)
            else:
                words[key] = torch.empty(*leading, entry.num_words, dtype=dtype, device=device)
        return torch.empty(*leading, self.width, device=device), words

    @property
    def nbytes(self) -> int:
        """Bytes of a row, all variants included."""
        packed = sum(entry.variants * entry.num_words * entry.word.itemsize for entry in self.packed.values())
        return 4 * self.width + packed


class BatchFrame:
    """Room for one batch, filled in slices by one or more replay buffers."""

    def __init__(self, layout: RowLayout, spec: BatchSpec, device: torch.device) -> None:
        self._layout = layout
        self.table, self.words = layout.empty_batch(spec.horizon + 1, spec.batch_size, device=device)
        self.discount = torch.full((spec.horizon, spec.batch_size), spec.discount, device=device)
        self.is_demo = torch.zeros(spec.batch_size, device=device)
        self.inside = torch.ones(spec.horizon, spec.batch_size, device=device) if spec.overhang else None

    def batch(self) -> Batch:
        """Return the batch as views of this frame."""
        layout, leading, steps = self._layout, self.table.shape[:2], self.table[:-1]
        obs = {key: self.table[..., a:b].unflatten(-1, shape) for key, (a, b, shape) in layout.state.items()}
        for key, entry in layout.packed.items():
            obs[key] = self.words[key].view(getattr(torch, entry.dtype.name)).view(*leading, *entry.shape)
        return Batch(
            obs=obs,
            action=steps[..., layout.action],
            reward=steps[..., layout.reward],
            terminated=steps[..., layout.terminated],
            discount=self.discount,
            is_demo=self.is_demo,
            inside=self.inside,
        )


class RowRing:
    """Rows addressed by numbers that only grow: row `n` lies in slot `n % size`. The owner says which are alive."""

    def __init__(self, layout: RowLayout, capacity: int, device: torch.device) -> None:
        self._layout, self._capacity, self._device = layout, capacity, device
        self._scratch = np.zeros(layout.width, np.float32)
        self.size = min(START_ROWS, capacity + 1)
        self._table, self._words = self._allocate()

    def write_obs(self, row: int, obs: Mapping[str, np.ndarray]) -> None:
        """Write an observation; the row has no action until `write_step`."""
        slot, scratch = row % self.size, self._scratch
        for key, (a, b, _) in self._layout.state.items():
            scratch[a:b] = obs[key].reshape(-1)
        scratch[self._layout.action.start :] = 0.0
        self._table[slot].copy_(torch.from_numpy(scratch))
        for key, entry in self._layout.packed.items():
            # A copy, because torch refuses to look at read-only arrays.
            words = np.array(obs[key], entry.dtype, order="C").reshape(-1).view(entry.word)
            self._words[key][slot].view(-1).copy_(torch.from_numpy(words))

    def write_step(self, row: int, action: np.ndarray, reward: float, terminated: bool) -> None:
        """Write what was done in the row's observation."""
        layout, scratch = self._layout, self._scratch
        scratch[layout.action] = action
        scratch[layout.reward] = reward
        scratch[layout.terminated] = terminated
        scratch[layout.is_step] = 1.0
        first = layout.action.start
        self._table[row % self.size, first:].copy_(torch.from_numpy(scratch[first:]))

    def gather(self, rows: Tensor, frame: BatchFrame, step: int, start: int, stop: int, generator: torch.Generator) -> None:
        """Copy rows [stop - start] into column `start:stop` of the frame's time step `step`.

        Of an entry with variants, `generator` (of the CPU) draws one for each row; nothing else is drawn.
        """
        slots = rows % self.size
        torch.index_select(self._table, 0, slots, out=frame.table[step, start:stop])
        for key, words in self._words.items():
            variants, index = words.shape[1], slots
            if variants > 1:
                drawn = torch.randint(variants, (stop - start,), generator=generator)
                index = slots * variants + drawn.to(self._device)
            torch.index_select(words.flatten(0, 1), 0, index, out=frame.words[key][step, start:stop])

    def outcomes(self, rows: Tensor) -> Tensor:
        """Return reward, terminated and is_step of rows [...], as [..., 3]."""
        return self._table[rows % self.size, self._layout.reward :]

    def make_room(self, oldest: int, end: int) -> None:
        """Grow, if need be, so that rows `oldest..end - 1` fit together; they keep their contents.

        Raises:
            ConfigError: If the machine does not have the memory.
        """
        if end - oldest <= self.size:
            return
        size, old_table, old_words = self.size, self._table, self._words
        self.size = self._next_size()
        try:
            self._table, self._words = self._allocate()
        except RuntimeError as error:
            needed = self.size * self._layout.nbytes / 1e9
            raise ConfigError(
                f"replay of {self._capacity} steps needs {needed:.1f} GB, which cannot be had; lower its capacity"
            ) from error
        alive = torch.arange(oldest, end - 1, device=self._device)
        self._table[alive % self.size] = old_table[alive % size]
        for key, words in old_words.items():
            self._words[key][alive % self.size] = words[alive % size]

    def _allocate(self) -> tuple[Tensor, dict[str, Tensor]]:
        table, words = self._layout.empty_rows(self.size, self._device)
        return table.zero_(), words  # an n-step look past the newest row multiplies by 0, which no NaN would survive

    def _next_size(self) -> int:
        full = self._capacity + 1 + self._capacity // 32  # a segment has one row more than it has steps
        if self.size >= full:  # segments are shorter than 32 steps
            return self.size + max(self.size // 8, 64)
        is_large = 2 * self.size * self._layout.nbytes > EAGER_BYTES
        return full if is_large else min(2 * self.size, full)
