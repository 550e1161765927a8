"""Which of its own episodes an agent imitates (self-imitation, Oh et al. 2018, arXiv 1806.05635, kept to quick successes)."""

from __future__ import annotations

from collections import deque
from statistics import median

ALWAYS = 5
"""The first successes count whatever their length: there is nothing to compare them with."""


class QuickestSuccesses:
    """Tells whether a success is among the quicker half of the recent ones.

    Imitating the demonstrations alone holds a policy at their pace. Its own quick successes are as safe to imitate,
    and get quicker as it does.
    """

    def __init__(self, window: int = 20) -> None:
        """Compare with the last `window` successes."""
        self._lengths = deque[int](maxlen=window)

    def add(self, length: int) -> bool:
        """Take note of a success of `length` steps and return whether it is worth imitating."""
        is_quick = len(self._lengths) < ALWAYS or length <= median(self._lengths)
        self._lengths.append(length)
        return is_quick
