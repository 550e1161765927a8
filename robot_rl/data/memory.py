"""Memory for batches that is used again once nobody looks at it."""

from __future__ import annotations

import weakref

import numpy as np
import torch
from torch import Tensor


class BatchMemory:
    """Hands out CPU tensors, and takes their memory back when the last tensor or view that shares it is gone.

    A batch of images is tens of megabytes. Fresh from the system, its page faults take six times as long as filling it.
    """

    def __init__(self, num_spare: int = 4) -> None:
        """Keep at most `num_spare` unused blocks of each size."""
        self._num_spare = num_spare
        self._spare: dict[int, list[np.ndarray]] = {}

    def empty(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """Return an uninitialised tensor [*shape]."""
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        spare = self._spare.setdefault(nbytes, [])
        block = spare.pop() if spare else np.empty(nbytes, np.uint8)
        lease = block[:]  # the tensor's storage holds this array, so it dies with the last view of the tensor
        weakref.finalize(lease, self._take_back, spare, block).atexit = False
        return torch.from_numpy(lease).view(dtype).view(shape)

    def _take_back(self, spare: list[np.ndarray], block: np.ndarray) -> None:
        if len(spare) < self._num_spare:
            spare.append(block)
