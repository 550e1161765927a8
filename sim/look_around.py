"""Looking around before going to work, so that cameras show the goal from where a demonstrator never is."""

from __future__ import annotations

import numpy as np

from robot_rl.envs.actions import AXES, motions
from robot_rl.envs.factory import Env
from robot_rl.protocols import Policy
from robot_rl.specs import ActionSpec
from robot_rl.types import Observation
from sim.env import simulated
from sim.task import up_sign

REACH_M, DEPTH_M = 0.12, 0.12
"""How far the hand goes to each side of where it starts, and down from there: fingers stay above what lies on the table."""
STEPS = (10, 30)
"""How long it looks around."""
GLANCE_STEPS = (4, 9)
"""How long it goes one way."""
SPEED = 0.8
"""Largest motion along each axis; 1 is a full step."""


class LookAround:
    """Leads the hand about for a while, and then lets a policy act.

    A demonstrator goes straight to the goal, and who learns from that where the goal is, is lost beside that way. Looking
    around shows the goal from everywhere, and hindsight labels all of it. Episodes differ; the same seed repeats them in
    order.
    """

    version = 0

    def __init__(
        self, policy: Policy, spec: ActionSpec, low: np.ndarray, high: np.ndarray, grip: np.ndarray, seed: int
    ) -> None:
        """Look around before `policy` acts.

        Args:
            policy: Who acts then; it does not hear of the time before.
            spec: Of the actions.
            low: [A], sum of a motion's actions at least.
            high: [A], at most.
            grip: [A], actions of the open gripper, 0 elsewhere.
            seed: Of where to look.
        """
        self._policy, self._low, self._high, self._grip, self._seed = policy, low, high, grip, seed
        self._moves = motions(spec)
        self._episode = 0
        self._begin()

    def begin_episode(self) -> None:
        """Start over, and look elsewhere."""
        self._policy.begin_episode()
        self._episode += 1
        self._begin()

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return the next action [A] in [-1, 1]."""
        if self._left == 0:
            return self._policy.act(obs, explore=explore)
        self._left -= 1
        if self._glance == 0:
            self._glance = int(self._rng.integers(*GLANCE_STEPS, endpoint=True))
            self._wanted = self._rng.uniform(-SPEED, SPEED, len(self._moves)) * self._moves
        self._glance -= 1
        motion = np.clip(self._moved + self._wanted, self._low, self._high) - self._moved
        self._moved = self._moved + motion
        return (motion + self._grip).astype(np.float32)

    def _begin(self) -> None:
        self._rng = np.random.default_rng([self._seed, self._episode])
        self._left = int(self._rng.integers(*STEPS, endpoint=True))
        self._glance = 0
        self._moved = self._wanted = np.zeros(len(self._moves))


def look_around(env: Env, policy: Policy, seed: int) -> LookAround:
    """Return a policy that looks around in a simulated task before `policy` acts.

    Raises:
        ConfigError: If `env` is no simulated task.
    """
    task, spec = simulated(env).task, env.env_spec.action
    reach, depth = (length / task.action.position_scale_m for length in (REACH_M, DEPTH_M))
    lowest, highest = sorted((0.0, -depth * up_sign(task.action)))
    low = np.array([lowest if axis == "z" else -reach for axis in spec.axes])
    high = np.array([highest if axis == "z" else reach for axis in spec.axes])
    grip = np.array([float(axis not in AXES and index not in spec.discrete) for index, axis in enumerate(spec.axes)])
    return LookAround(policy, spec, low, high, grip, seed)
