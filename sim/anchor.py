"""The point that the arm's spring pulls to."""

from __future__ import annotations

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose, quaternion_normalize
from sim.physics import Physics

NEAR_M = 0.025
NEAR_RAD = 0.125
"""Of a target from where the anchor is, m along each axis and rad: a policy's steps, of 2 cm and 0.1 rad, are all nearer."""
GLIDE_S = 0.04
"""Time constant of the way to a target that is farther."""
_ARRIVED = 1e-9


class Anchor:
    """Goes to near targets at once and glides to far ones, as real controllers filter them.

    A spring that is drawn from one end to the other within a physics step does not only pull: the arm's mass, coupled
    across its axes, strikes what the tool leans on.
    """

    def __init__(self, physics: Physics, mocap: int, base: np.ndarray):
        """Take the index of the mocap body, and where the arm's base stands, [3], m, world frame."""
        self._position, self._quaternion = physics.data.mocap_pos[mocap], physics.data.mocap_quat[mocap]
        self._base, self._share = base, physics.dt / GLIDE_S
        self._goal: tuple[np.ndarray, np.ndarray] | None = None
        physics.every_step.append(self._glide)

    def lead(self, pose: Pose) -> None:
        """Go to `pose`, of the arm's base.

        Raises:
            ConfigError: If it is not finite.
        """
        if not np.isfinite(pose.position).all() or not np.isfinite(pose.quaternion).all():
            raise ConfigError(f"arm target {pose} is not finite")
        self._goal = self._base + pose.position, pose.quaternion
        shift, dot = np.abs(self._goal[0] - self._position).max(), abs(float(self._goal[1] @ self._quaternion))
        if shift <= NEAR_M and dot >= np.cos(0.5 * NEAR_RAD):
            self.put(*self._goal)

    def put(self, position: np.ndarray, quaternion: np.ndarray) -> None:
        """Be at a pose of the world at once, and stay."""
        self._position[:], self._quaternion[:], self._goal = position, quaternion, None

    def _glide(self) -> None:
        if self._goal is None:
            return
        position, quaternion = self._goal
        quaternion = quaternion if quaternion @ self._quaternion >= 0.0 else -quaternion  # the shorter way round
        way, turn = position - self._position, quaternion - self._quaternion
        if max(np.abs(way).max(), np.abs(turn).max()) < _ARRIVED:
            self.put(position, quaternion)
            return
        self._position += self._share * way
        self._quaternion[:] = quaternion_normalize(self._quaternion + self._share * turn)
