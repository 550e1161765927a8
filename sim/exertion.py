"""What the simulated arm does between two control steps: force at the hand, speed and jerk of the tcp, bounds exceeded."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from robot_rl.envs.exertion import Exertion
from robot_rl.envs.safety import OUTSIDE_M
from robot_rl.specs import ArmSpec
from sim.gripper import HAND, TCP_SITE
from sim.physics import Physics

FORCE_SLACK = 1.02
"""A hand that leans on something with all that the spring has feels its force, and the last Newton trembles."""


class SimExertionMeter:
    """Samples at `Physics.sample_dt`; reads what MuJoCo left behind and writes nothing, so no trajectory changes by a bit.

    A step is in violation if in any of its samples the net contact force at the hand was above what the spring may push
    along an axis (`stiffness * max_spring`), the tcp was more than `OUTSIDE_M` outside the workspace, or faster than
    `max_tcp_speed`. Forces between the fingers and what they hold cancel, as they would in a sensor at the wrist.
    """

    def __init__(self, physics: Physics, arm: ArmSpec) -> None:
        """Watch the arm of a scene with one arm.

        Args:
            physics: Of the scene.
            arm: Its limits; the base frame is the world's.
        """
        self._physics = physics
        self._arm = arm
        self._low, self._high = np.array(arm.workspace_low), np.array(arm.workspace_high)
        self.max_force = arm.stiffness[0] * arm.max_spring[0]
        """N"""
        model, self._data = physics.model, physics.data
        self._site = model.site(TCP_SITE).id
        self._is_hand = geoms_below(model, model.body(HAND).id)
        self.begin_episode()
        physics.samplers.append(self._sample)

    def begin_episode(self) -> None:
        """Forget what was before: a reset moves the arm in no time."""
        self._before: list[np.ndarray] = []
        self._positions: list[np.ndarray] = []
        self._forces: list[float] = []

    def take(self) -> Exertion:
        """Return what happened since the last call, as one control step."""
        dt, forces = self._physics.sample_dt, self._forces
        course = np.array([*self._before, *self._positions]).reshape(-1, 3)  # [S, 3]
        new = course[len(self._before) :]
        speeds = np.linalg.norm(np.diff(course[max(0, len(self._before) - 1) :], axis=0), axis=1) / dt
        jerks = np.diff(course, 3, axis=0) / dt**3
        outside = np.linalg.norm(new - np.clip(new, self._low, self._high), axis=1)
        peak_force, peak_speed = max(forces, default=0.0), float(speeds.max(initial=0.0))
        self._before, self._positions, self._forces = list(course[-3:]), [], []
        return Exertion(
            steps=1,
            violations=int(
                peak_force > self.max_force * FORCE_SLACK
                or float(outside.max(initial=0.0)) > OUTSIDE_M
                or peak_speed > self._arm.max_tcp_speed
            ),
            samples=len(forces),
            force_sum=math.fsum(forces),
            peak_force=peak_force,
            peak_speed=peak_speed,
            num_jerks=len(jerks),
            squared_jerk_sum=float(np.square(jerks).sum()),
        )

    def _sample(self) -> None:
        # Contacts and the tcp are both those at the last physics step's beginning.
        self._positions.append(self._data.site_xpos[self._site].copy())
        self._forces.append(net_contact_force(self._physics, self._is_hand) if self._data.ncon else 0.0)


def net_contact_force(physics: Physics, belongs: np.ndarray) -> float:
    """Return the net force, N, of all contacts between the geoms that `belongs` [G] names and any others.

    What they do to each other is left out. It is that of the last physics step, as MuJoCo left it.
    """
    model, data = physics.model, physics.data
    pairs = belongs[data.contact.geom]  # [C, 2]
    touching = np.flatnonzero(pairs[:, 0] != pairs[:, 1]).tolist()
    if not touching:
        return 0.0
    net, wrench, frames = np.zeros(3), np.zeros(6), data.contact.frame.reshape(-1, 3, 3)
    for index in touching:
        mujoco.mj_contactForce(model, data, index, wrench)
        on_second = wrench[:3] @ frames[index]
        net += on_second if pairs[index, 1] else -on_second
    return float(np.linalg.norm(net))


def geoms_below(model: mujoco.MjModel, body: int) -> np.ndarray:
    """Return which geoms, bool [G], belong to `body` or to what hangs on it."""
    is_below = np.zeros(model.nbody, bool)
    is_below[body] = True
    for index in range(body + 1, model.nbody):  # parents come before their children
        is_below[index] |= is_below[model.body_parentid[index]]
    return is_below[model.geom_bodyid]
