"""A demonstrator for Adroit's door, whose recorded demonstrations need a network: it plans in the simulator itself."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.envs.gymnasium_env import GymnasiumEnv
from robot_rl.errors import ConfigError
from robot_rl.protocols import Policy
from robot_rl.types import Observation

DOOR = "gymnasium:AdroitHandDoor"
"""How the names of the door's environments begin, with the sparse and the dense reward."""
PLANS = 30
"""motions that are tried at each step"""
HORIZON_S = 0.16
"""how far a motion is looked at"""
SPREAD = 0.3
"""standard deviation of the motions that are tried around the last plan, in normalised actions"""
PERSISTENCE = 0.8
"""correlation of this deviation from one of the simulator's control steps to the next: a hand that jitters grasps nothing"""
FLEXION = 0.5
"""of the fingers' range: how far they are bent in the posture that the hand is drawn back to"""
DRAWN_BACK = 0.2
"""by how much at each step; without, what does not matter would wander, and nobody could learn it"""
TEMPERATURE = 0.3
"""of the motions' weights, in standard deviations of their costs"""
END_WEIGHT = 0.5
"""what a motion's last state counts beside the mean of all"""
TURNED = 1.2
"""rad: a latch that is turned this far lets the door go"""
AJAR = 0.05
"""rad: a door that stands open no longer needs its latch turned"""
OPENED = 1.5
"""rad: beyond what success asks for (1.35)"""


def scripted(env: Env, seed: int) -> Policy:
    """Return a policy that opens the door in `env`; `seed` decides which motions it tries.

    Raises:
        ConfigError: If `env` is not Adroit's door.
    """
    inner = getattr(env, "unwrapped", env)
    name = env.env_spec.name
    if not isinstance(inner, GymnasiumEnv) or not name.startswith(DOOR):
        raise ConfigError(f"environment {name!r} is not {DOOR}..., and this demonstrator opens nothing else")
    return DoorOpener(inner, seed)


class DoorOpener:
    """Model-predictive path integral control (Williams et al. 2017) on a copy of the simulation's state.

    It sees what no observation tells, the whole physics, so it demonstrates but cannot be deployed. A step costs `PLANS`
    motions of simulation, some 0.1 s of a core.
    """

    version = 0

    def __init__(self, env: GymnasiumEnv, seed: int) -> None:
        self._env = env
        self._door: Any = env.foreign.unwrapped
        self._imagined = mujoco.MjData(self._door.model)
        self._rng = np.random.default_rng(seed)
        self._substeps = self._door.frame_skip * env.action_repeat
        self._length = max(2, round(HORIZON_S / env.env_spec.control_dt))
        self._hinge, self._latch = (self._door.model.joint(name).qposadr[0] for name in ("door_hinge", "latch"))
        names = [self._door.model.actuator(index).name for index in range(env.action_space.shape[0])]
        start = (self._door.init_qpos[: len(names)] - self._door.act_mean) / self._door.act_rng
        flexes = [name[2:4] in ("FF", "MF", "RF", "LF") and name[-1] in "012" for name in names]
        self._rest = np.clip(np.where(flexes, 2.0 * FLEXION - 1.0, start), -1.0, 1.0)
        self._drawn_back = np.array([0.0 if name.startswith("A_AR") else DRAWN_BACK for name in names])
        self._plan = np.zeros((self._length, len(names)))

    def begin_episode(self) -> None:
        """Plan from rest: the arm is to stay where it starts, the hand takes its posture."""
        self._plan[:] = self._rest

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [28] in [-1, 1]: where the arm's and the hand's joints are to go."""
        motions = np.clip(self._plan + self._deviations(), -1.0, 1.0)
        start = _state(self._door.model, self._door.data)
        costs = np.array([self._cost(start, motion) for motion in motions])
        weights = np.exp(-(costs - costs.min()) / (TEMPERATURE * max(costs.std(), 1e-6)))
        plan = np.einsum("m,mta->ta", weights / weights.sum(), motions)
        self._plan = np.concatenate([plan[1:], plan[-1:]])
        self._plan += self._drawn_back * (self._rest - self._plan)
        return plan[0].astype(np.float32)

    def _deviations(self) -> np.ndarray:
        """Return smooth noise [M, T, A]. Of the first motion it is zero: the last plan is tried as it is."""
        persistence = PERSISTENCE**self._env.action_repeat
        noise = SPREAD * self._rng.normal(size=(PLANS, *self._plan.shape))
        for step in range(1, self._length):
            noise[:, step] = persistence * noise[:, step - 1] + np.sqrt(1.0 - persistence**2) * noise[:, step]
        noise[0] = 0.0
        return noise

    def _cost(self, start: np.ndarray, motion: np.ndarray) -> float:
        """Return what executing `motion` [T, A] from the state `start` costs."""
        model, data = self._door.model, self._imagined
        mujoco.mj_setState(model, data, start, mujoco.mjtState.mjSTATE_INTEGRATION)
        costs = []
        for action in motion:
            data.ctrl[:] = self._door.act_mean + action * self._door.act_rng
            mujoco.mj_step(model, data, self._substeps)
            costs.append(self._distance(data))
        return float(np.mean(costs) + END_WEIGHT * costs[-1])

    def _distance(self, data: mujoco.MjData) -> float:
        """Return how far it is to an open door: palm to handle, handle turned, door opened."""
        hinge, latch = data.qpos[self._hinge], data.qpos[self._latch]
        reach = np.linalg.norm(data.site_xpos[self._door.grasp_site_id] - data.site_xpos[self._door.handle_site_id])
        turn = max(0.0, TURNED - latch) if hinge < AJAR else 0.0
        haste = 1e-5 * float(np.square(data.qvel).sum())
        return float(2.0 * reach + turn - 4.0 * min(hinge, OPENED) + haste)


def _state(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    state = np.empty(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    return state
