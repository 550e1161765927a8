"""What the arm's controller does beside its spring: it keeps the speed limits, and brings an arm that is stopped to a stand."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from robot_rl.envs.resets import AT_REST_RAD_S, is_at_rest
from robot_rl.specs import ArmSpec
from sim.physics import Physics

LIMITED_SHARE = 0.995
"""Of the speed limits, that the tool is kept below: what is moved back is where the Jacobian is another, by a little."""
NEAR_SHARE = 0.8
"""Of `LIMITED_SHARE`, from which on the Jacobian of one physics step ago is not good enough."""
LOOK_SHARE = 0.25
"""Of the speed limits, from which on the tool's speed is measured in each physics step; after a command it is in any case."""
STOP_S = 0.025
"""Time constant of a stop: 0.5 m/s brake at 20 m/s^2, and are 5 mm/s after 0.12 s, dampers not counted."""
MAX_STOP_S = 0.2
"""After which a stop ends even if the arm still moves: a load would draw an arm that never holds."""


class SpeedLimit:
    """Keeps the tool below its speed limits by slowing every joint alike, so that it stays on its way.

    A physics step that was too fast is also taken back by what it went too far. Below the limits motion is not
    touched. Speed is only ever taken away, so this cannot make the arm swing.
    """

    def __init__(self, physics: Physics, spec: ArmSpec, site: int, qpos: slice, dofs: slice, velocity: np.ndarray):
        """Take the tcp's `site`, the arm's joints `qpos` and `dofs`, and the tcp's `velocity`, [6], of one physics step ago."""
        self._physics, self._site, self._velocity = physics, site, velocity
        self._linear, self._angular = LIMITED_SHARE * spec.max_tcp_speed, LIMITED_SHARE * spec.max_tcp_angular_speed
        whole = np.zeros((6, physics.model.nv))
        self._position_rows, self._rotation_rows, self._jacobian = whole[:3], whole[3:], whole[:, dofs]
        self._qpos, self._qvel = physics.data.qpos[qpos], physics.data.qvel[dofs]
        self._is_to_look = True

    def look(self) -> None:
        """Measure in the next physics step: a spring that a command has just drawn may turn the tool by 2 rad/s in it."""
        self._is_to_look = True

    def keep(self) -> None:
        """Slow the joints down if the tool is too fast."""
        if not self._is_to_look and self._squared_share(self._velocity) < LOOK_SHARE**2:
            return
        self._is_to_look = False
        if self._measure() > NEAR_SHARE**2:
            self._physics.update_kinematics()
            excess = math.sqrt(max(self._measure(), 1.0))
            self._qpos -= (1.0 - 1.0 / excess) * self._physics.dt * self._qvel
            self._qvel /= excess

    def _measure(self) -> float:
        """Return the square of the tool's speed as a share of what it may be, with the Jacobian that MuJoCo's data have."""
        mujoco.mj_jacSite(self._physics.model, self._physics.data, self._position_rows, self._rotation_rows, self._site)
        return self._squared_share(self._jacobian @ self._qvel)

    def _squared_share(self, twist: np.ndarray) -> float:
        vx, vy, vz, wx, wy, wz = twist.tolist()
        return max((vx * vx + vy * vy + vz * vz) / self._linear**2, (wx * wx + wy * wy + wz * wz) / self._angular**2)


class Brake:
    """Joint torques -M qvel / `STOP_S` while a stop is under way: all joints slow alike, so the tool stays on its way."""

    def __init__(self, physics: Physics, dofs: slice, velocity: np.ndarray):
        """Take the arm's joints `dofs`, and the tcp's `velocity`, [6], of one physics step ago."""
        self._physics, self._dofs, self._velocity = physics, dofs, velocity
        self._arm_qvel = physics.data.qvel[dofs]
        self._qvel, self._momentum = np.zeros(physics.model.nv), np.zeros(physics.model.nv)
        self._until = -math.inf
        self.is_on = False
        """Whether a stop is under way."""

    def start(self, twist: np.ndarray) -> None:
        """Begin a stop of an arm whose tcp moves at `twist`, [6], unless one is under way or there is nothing to stop."""
        if not self.is_on and not self._stands(twist):
            self.is_on, self._until = True, self._physics.time + MAX_STOP_S

    def release(self) -> None:
        """End a stop."""
        self.is_on = False

    def torque(self) -> np.ndarray:
        """Return the joint torques [J], Nm, of this physics step: none once the stop has ended."""
        self.is_on = not self._stands(self._velocity) and self._physics.time < self._until
        if not self.is_on:
            return np.zeros_like(self._arm_qvel)
        self._qvel[self._dofs] = self._arm_qvel
        mujoco.mj_mulM(self._physics.model, self._physics.data, self._momentum, self._qvel)
        return self._momentum[self._dofs] / -STOP_S

    def _stands(self, twist: np.ndarray) -> bool:
        """Return whether tool and joints are at rest: an elbow that still swings would move the tool again."""
        return is_at_rest(twist) and float(np.abs(self._arm_qvel).max()) < AT_REST_RAD_S
