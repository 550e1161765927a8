"""What replay delivers, changed at random into what might as well have happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from robot_rl.data.batch import Batch
from robot_rl.errors import ConfigError

Part = Literal["vector", "axial", "scalar"]
"""Three numbers that are a vector, three that are an axial one (a rotation, a torque), or one that is no direction at all."""
QUANTITIES: dict[str, tuple[Part, ...]] = {
    "position": ("vector",),
    "rotation": ("axial",),
    "twist": ("vector", "axial"),
    "wrench": ("vector", "axial"),
    "height": ("scalar",),
    "opening": ("scalar",),
}
"""What quantities consist of, by the last part of their names in `EnvSpec`."""
SIZES: dict[Part, int] = {"vector": 3, "axial": 3, "scalar": 1}


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


def parts_of(key: str, dim: int, *, verb: str, instead: str) -> tuple[Part, ...]:
    """Return what the entry `key` [dim] consists of; stacked frames repeat.

    Raises:
        ConfigError: If it is not known: that it cannot be `verb`ed, and what to do `instead`.
    """
    parts = QUANTITIES.get(key.rpartition("/")[2])
    size = sum(SIZES[part] for part in parts or ())
    if parts is None or dim % size:
        raise ConfigError(f"cannot {verb} {key!r} [{dim}]; known quantities: {', '.join(QUANTITIES)}; {instead}")
    return parts * (dim // size)
