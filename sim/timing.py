"""Simulated time: how control periods divide into physics steps, and a clock that steps physics when told to sleep."""

from __future__ import annotations

from robot_rl.errors import ConfigError
from sim.physics import Physics

_TOLERANCE = 1e-6


def substeps(control_dt: float, physics_dt: float) -> int:
    """Return how many physics steps make one control period; both in s.

    Raises:
        ConfigError: If the period is not a whole number of at least one step.
    """
    count = round(control_dt / physics_dt)
    if count < 1 or abs(count * physics_dt - control_dt) > _TOLERANCE:
        raise ConfigError(f"control_dt {control_dt:g} s is not a whole number of physics_dt {physics_dt:g} s steps")
    return count


class SimClock:
    """Time that passes only in `sleep_until`, which steps physics up to the deadline."""

    def __init__(self, physics: Physics):
        self._physics = physics

    def now(self) -> float:
        """Return simulated s."""
        return self._physics.time

    def sleep_until(self, deadline: float) -> None:
        """Step physics up to `deadline`, s; at once if that has passed.

        Raises:
            ConfigError: If the deadline does not fall on a physics step.
        """
        wait = deadline - self.now()
        if wait > _TOLERANCE:
            self._physics.step(substeps(wait, self._physics.dt))
