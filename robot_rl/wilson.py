"""How sure a success rate is."""

from __future__ import annotations

import math

Z_95 = 1.959964
"""Two-sided 95% quantile of the normal distribution."""


def wilson_interval(successes: int, episodes: int, z: float = Z_95) -> tuple[float, float]:
    """Return Wilson's score interval of a success rate; (0, 1) without episodes.

    Unlike the normal interval it stays inside [0, 1] and does not shrink to a point at 0 or all successes.

    Raises:
        ValueError: If `successes` is not in 0..episodes.
    """
    if not 0 <= successes <= episodes:
        raise ValueError(f"successes {successes} is not in 0..{episodes}")
    if episodes == 0:
        return 0.0, 1.0
    rate, weight = successes / episodes, z * z / episodes
    centre = rate + weight / 2
    half = z * math.sqrt((rate * (1 - rate) + weight / 4) / episodes)
    low, high = (centre - half) / (1 + weight), (centre + half) / (1 + weight)
    # At the ends the exact bound is the rate itself; rounding must not push it past.
    return (0.0 if successes == 0 else max(0.0, low)), (1.0 if successes == episodes else min(1.0, high))
