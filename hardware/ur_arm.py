"""The arm of the simulated UR controller: UR5e kinematics, held stiffly or giving way to forces, over a table."""

from __future__ import annotations

import math

import numpy as np

from robot_rl.geometry import Pose, quaternion_normalize

A = (0.0, -0.425, -0.3922, 0.0, 0.0, 0.0)
D = (0.1625, 0.0, 0.0, 0.1333, 0.0997, 0.0996)
ALPHA = (math.pi / 2, 0.0, 0.0, math.pi / 2, -math.pi / 2, 0.0)
"""Denavit-Hartenberg parameters of a UR5e, m and rad, as its maker publishes them."""
HOME = (math.pi, -math.pi / 2, math.pi / 2, -math.pi / 2, -math.pi / 2, 0.0)
"""[6], rad: forearm level, tool down, 0.49 m in front of the base along x."""
MASS, INERTIA = 3.0, 0.1
"""kg and kg m^2 that the tool feels like in force mode: of our model, a real one was not measured."""
DRAG = 60.0
"""N s/m that force mode damps motion with by itself."""
TABLE_STIFFNESS, TABLE_DAMPING = 2e4, 200.0
"""N/m and N s/m of the table."""
SINGULAR = 1e-4
"""Damping of the inverse Jacobian."""


class CompliantArm:
    """Six joints whose tool stands still, or in force mode is driven by the wanted wrench and what touches it."""

    def __init__(self, table_height: float = -math.inf) -> None:
        self.q = np.array(HOME)
        """[6], rad."""
        self.qd = np.zeros(6)
        """[6], rad/s."""
        self.twist = np.zeros(6)
        """[6], m/s and rad/s, base axes."""
        self.tcp = Pose.of((0.0, 0.0, 0.0))
        """T_flange_tcp."""
        self.table_height = table_height
        """m, base frame: what is below is table."""
        self.push = np.zeros(6)
        """[6], N and Nm that somebody pushes the tool with, base axes."""
        self.bias = np.zeros(6)
        """[6], what the sensor reads without a touch."""
        self.zero = np.zeros(6)
        """[6], what `zero_sensor` took off."""
        self.pose, self._jacobian = self._kinematics()

    @property
    def wrench(self) -> np.ndarray:
        """[6], N and Nm on the tool as the sensor reads them."""
        return self.touch() + self.bias - self.zero

    def touch(self) -> np.ndarray:
        """Return [6], N and Nm that the surroundings exert on the tool."""
        force, depth = self.push.copy(), self.table_height - self.pose.position[2]
        if depth > 0:
            force[2] += max(0.0, TABLE_STIFFNESS * depth - TABLE_DAMPING * self.twist[2])
        return force

    def zero_sensor(self) -> None:
        """Let the sensor read nothing as it stands."""
        self.zero = self.touch() + self.bias

    def halt(self) -> None:
        """Stand still."""
        self.twist, self.qd = np.zeros(6), np.zeros(6)

    def give_way(self, wanted: np.ndarray, max_twist: np.ndarray, dt: float) -> None:
        """Move for `dt` s in force mode, towards exerting the wrench `wanted` [6], no faster than `max_twist` [6]."""
        inertia = np.array([MASS] * 3 + [INERTIA] * 3)
        drag = np.array([DRAG] * 3 + [DRAG * INERTIA / MASS] * 3)
        acceleration = (wanted + self.wrench - drag * self.twist) / inertia
        self.twist = np.clip(self.twist + acceleration * dt, -max_twist, max_twist)
        square = self._jacobian @ self._jacobian.T + SINGULAR * np.eye(6)
        self.qd = self._jacobian.T @ np.linalg.solve(square, self.twist)
        self.q = self.q + self.qd * dt
        self.pose, self._jacobian = self._kinematics()

    def set_tcp(self, tcp: Pose) -> None:
        """Put the tool centre point elsewhere on the flange."""
        self.tcp = tcp
        self.pose, self._jacobian = self._kinematics()

    def _kinematics(self) -> tuple[Pose, np.ndarray]:
        """Return T_base_tcp and the Jacobian [6, 6] from joint speeds to the tool's twist."""
        transform, axes, origins = np.eye(4), [], []
        for angle, a, d, alpha in zip(self.q, A, D, ALPHA, strict=True):
            axes.append(transform[:3, 2])
            origins.append(transform[:3, 3])
            transform = transform @ _link(float(angle), a, d, alpha)
        flange = Pose(transform[:3, 3], _quaternion(transform[:3, :3]))
        pose = flange @ self.tcp
        turns = np.stack(axes, axis=1)
        arms = pose.position[:, None] - np.stack(origins, axis=1)
        return pose, np.concatenate([np.cross(turns, arms, axis=0), turns])


def _link(angle: float, a: float, d: float, alpha: float) -> np.ndarray:
    c, s, ca, sa = math.cos(angle), math.sin(angle), math.cos(alpha), math.sin(alpha)
    return np.array([[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0.0, sa, ca, d], [0.0, 0.0, 0.0, 1.0]])


def _quaternion(matrix: np.ndarray) -> np.ndarray:
    """Return the quaternion [4], wxyz, of a rotation matrix: the row of the largest of its four squares."""
    m, trace = matrix, float(np.trace(matrix))
    rows = np.array(
        [
            [1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], 1 + 2 * m[0, 0] - trace, m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 + 2 * m[1, 1] - trace, m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 + 2 * m[2, 2] - trace],
        ]
    )
    return quaternion_normalize(rows[int(np.argmax(rows.diagonal()))])
