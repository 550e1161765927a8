"""What replay delivers, changed at random into what might as well have happened."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from robot_rl.data.batch import Batch


class Augmentation:
    """Changes each window of a batch at random; all steps of a window alike."""

    def __init__(self, seed: int) -> None:
        """Draw from `seed` on, the same on every device."""
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, batch: Batch) -> Batch:
        """Return the changed batch; the given one stays as it is."""
        raise NotImplementedError

    def map(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield every batch changed."""
        return map(self, batches)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state of the draws."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        self._generator.set_state(state["generator"])
