"""One MuJoCo world and its time: stepping, and the quantities that are derived once for each instant."""

from __future__ import annotations

import threading
from collections.abc import Callable

import mujoco
import numpy as np

from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose

POSTURE_PERIOD = 0.1
"""s between calls of the `before_step` hooks."""
SAMPLE_PERIOD = 0.01
"""s between calls of the `samplers`; a physics step, if that is longer."""


class Physics:
    """A model with its state. Time only goes forwards, through resets as well.

    Derived quantities (body poses, camera poses) belong to the current instant: `refresh` computes
    them once after stepping, since MuJoCo leaves them one physics step behind.
    """

    def __init__(self, model: mujoco.MjModel):
        self.model = model
        self.data = mujoco.MjData(model)
        self.lock = threading.RLock()
        """held while stepping and while the state is read or written"""
        self.before_step: list[Callable[[], None]] = []
        """called at most `POSTURE_PERIOD` of simulated time apart"""
        self.every_step: list[Callable[[], None]] = []
        """called after each physics step, and after the samplers; derived quantities may still be those of before it"""
        self.samplers: list[Callable[[], None]] = []
        """called every `sample_dt`, to look at `data` as the last physics step left it; they change nothing"""
        kinds = mujoco.mjtWarning
        bad = (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC)
        self._warnings = [self.data.warning[kind] for kind in bad]
        self._body_ids: dict[str, int] = {}
        self._site_ids: dict[str, int] = {}
        self.version = 0
        """grows whenever the state or the model changes"""
        self._steps = 0
        self._fresh = False
        self._chunk = max(1, round(POSTURE_PERIOD / self.dt))
        self._sample_every = max(1, round(SAMPLE_PERIOD / self.dt))

    @property
    def dt(self) -> float:
        """Physics step, s."""
        return float(self.model.opt.timestep)

    @property
    def sample_dt(self) -> float:
        """s between two samples."""
        return self._sample_every * self.dt

    @property
    def time(self) -> float:
        """s since construction."""
        return self._steps * self.dt

    def step(self, count: int) -> None:
        """Advance `count` physics steps.

        Raises:
            DeviceError: If the simulation diverged.
        """
        while count > 0:
            chunk = min(count, self._chunk)
            with self.lock:
                for hook in self.before_step:
                    hook()
                for _ in range(chunk):
                    self._advance()
                self.touch()
                self._check()
            count -= chunk

    def reset(self) -> None:
        """Return to the model's initial state; derived quantities follow at the next `refresh`."""
        with self.lock:
            mujoco.mj_resetData(self.model, self.data)
            self.touch()

    def touch(self) -> None:
        """Say that the state or the model was written."""
        self.version += 1
        self._fresh = False

    def refresh(self) -> None:
        """Bring derived quantities up to the current instant."""
        if not self._fresh:
            with self.lock:
                self.update_kinematics()
            self._fresh = True

    def update_kinematics(self) -> None:
        """Recompute body poses and what Jacobians are made of; within a physics step, where `refresh` cannot be used."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)

    def forward(self) -> None:
        """Recompute everything, contacts and forces included, after the state was written."""
        with self.lock:
            mujoco.mj_forward(self.model, self.data)

    def body_pose(self, name: str) -> Pose:
        """Return T_base_body; the world's frame is the robot's base frame."""
        self.refresh()
        body = self._body_ids.get(name)
        if body is None:
            body = self._body_ids[name] = self.model.body(name).id
        return Pose(self.data.xpos[body].copy(), self.data.xquat[body].copy())

    def site_pose(self, name: str) -> Pose:
        """Return T_base_site."""
        self.refresh()
        site = self._site_ids.get(name)
        if site is None:
            site = self._site_ids[name] = self.model.site(name).id
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self.data.site_xmat[site])
        return Pose(self.data.site_xpos[site].copy(), quaternion)

    def _advance(self) -> None:
        """Make one physics step."""
        mujoco.mj_step(self.model, self.data)
        self._steps += 1
        if self._steps % self._sample_every == 0:
            for sample in self.samplers:
                sample()
        for hook in self.every_step:
            hook()

    def _check(self) -> None:
        if any(warning.number for warning in self._warnings):
            raise DeviceError(f"simulation diverged at {self.time:.3f} s; use a smaller physics_dt or softer contacts")
