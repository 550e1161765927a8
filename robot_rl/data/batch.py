"""What replay hands to agents: windows of consecutive steps as tensors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from robot_rl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """What an agent wants to be fed."""

    batch_size: int = 256
    """windows"""
    horizon: int = 1
    """steps a window spans; 1 for SAC, 3 to 5 for a world model"""
    n_step: int = 1
    """rewards summed into one step before bootstrapping; above 1 only with horizon 1"""
    discount: float = 0.97
    """per-step discount used for the n-step sum"""
    overhang: bool = False
    """let windows reach beyond the end of their episode, so that its last steps come first in some and short ones count too"""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.horizon < 1 or self.n_step < 1:
            raise ConfigError(
                f"batch_size {self.batch_size}, horizon {self.horizon} and n_step {self.n_step} must be at least 1"
            )
        if self.horizon > 1 and self.n_step > 1:
            raise ConfigError(f"n_step {self.n_step} goes with horizon 1, not {self.horizon}")
        if self.overhang and self.n_step > 1:
            raise ConfigError(f"windows with overhang have n_step 1, not {self.n_step}")

    @property
    def min_steps(self) -> int:
        """Steps that an episode needs to have for a window to start in it."""
        return 1 if self.overhang else self.horizon


@dataclass(slots=True)
class Batch:
    """`B` windows of `H` steps. No window crosses an episode or a segment.

    With n_step > 1, `obs[1]` is the state up to n steps later (fewer where the episode ends) and
    `discount` tells the exponent that was reached. With overhang, the last observation of an episode repeats beyond its
    end, with actions and rewards of 0.
    """

    obs: dict[str, Tensor]
    """[H+1, B, ...]; float32 state, uint8 images, float16 features. Of an entry with variants: one, drawn at random."""
    action: Tensor
    """[H, B, A], float32."""
    reward: Tensor
    """[H, B], float32; discounted n-step sum."""
    terminated: Tensor
    """[H, B], float32; 1 where the task ended at that step (within the n steps)."""
    discount: Tensor
    """[H, B], float32; what multiplies the next value: discount ** (steps summed)."""
    is_demo: Tensor
    """[B], float32; 1 where the window came from the demonstrations."""
    inside: Tensor | None = None
    """[H, B], float32; with overhang, 0 where the step lies beyond the end of its episode. None: all lie inside."""
