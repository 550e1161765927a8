"""The simulated arm without its spring: it goes where a wrench at its tool drives it, as a UR arm does in force mode."""

from __future__ import annotations

import numpy as np

from robot_rl.envs.parts import part_state
from robot_rl.geometry import Pose
from robot_rl.types import ArmState
from sim.arm import ARM_JOINTS
from sim.gripper import TCP_SITE
from sim.robot import SimRobot

NUM_TOLD = 6
"""Joints that a UR controller tells; the simulated arm has one more, which nobody hears of."""


class WrenchArm:
    """What a simulated UR controller drives. Time passes only while it gives way."""

    def __init__(self, robot: SimRobot) -> None:
        """Take the spring off `robot`, whose dampers stay, and hold it where it is."""
        self._robot, self._physics = robot, robot._physics
        model = self._physics.model
        for axis in range(6):
            model.actuator(f"spring{axis}").forcerange[:] = 0.0
        self._dofs = [int(model.joint(name).dofadr[0]) for name in ARM_JOINTS]
        self._hand = int(model.site(TCP_SITE).bodyid[0])
        self._zero = np.zeros(6)
        robot.connect()

    @property
    def q(self) -> np.ndarray:
        """[6], rad."""
        return self._state().qpos[:NUM_TOLD]

    @property
    def qd(self) -> np.ndarray:
        """[6], rad/s."""
        return self._state().qvel[:NUM_TOLD]

    @property
    def twist(self) -> np.ndarray:
        """[6], m/s and rad/s, base axes."""
        return self._state().twist

    @property
    def pose(self) -> Pose:
        """T_base_tcp."""
        return self._state().pose

    @property
    def wrench(self) -> np.ndarray:
        """[6], N and Nm on the tool as the sensor reads them, base axes."""
        return self.touch() - self._zero

    def touch(self) -> np.ndarray:
        """Return [6], N and Nm that the surroundings exert on the tool, base axes."""
        return self._state().wrench

    def zero_sensor(self) -> None:
        """Let the sensor read nothing as it stands."""
        self._zero = self.touch()

    def set_tcp(self, tcp: Pose) -> None:
        """Do nothing: the simulated tool knows its centre point."""

    def halt(self) -> None:
        """Stand still."""
        with self._physics.lock:
            self._physics.data.qvel[self._dofs] = 0.0
            self._physics.data.xfrc_applied[self._hand] = 0.0
            self._physics.touch()

    def give_way(self, wanted: np.ndarray, max_twist: np.ndarray, dt: float) -> None:
        """Move for `dt` s, driven by the wrench `wanted` [6], base axes, along no axis that is faster than `max_twist` [6]."""
        with self._physics.lock:
            twist = self.twist
            wrench = np.where((np.abs(twist) > max_twist) & (wanted * twist > 0.0), 0.0, wanted)
            force, torque = wrench[:3], wrench[3:]
            lever = self.pose.position - self._physics.data.xipos[self._hand]
            self._physics.data.xfrc_applied[self._hand] = [*force, *(torque + np.cross(lever, force))]
            self._physics.step(max(1, round(dt / self._physics.dt)))

    def _state(self) -> ArmState:
        return part_state(self._robot.read(), "arm", ArmState)
