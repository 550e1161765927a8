"""Rewards that simulation and robots share: functions of the observation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robot_rl.errors import SpecMismatch
from robot_rl.geometry import Pose, rotvec_to_quaternion
from robot_rl.types import Observation


@dataclass(frozen=True, slots=True)
class SparseReward:
    """1 at success and 0 elsewhere."""

    is_success: Callable[[Observation], bool]

    def begin_episode(self) -> None:
        """Nothing is remembered from one observation to the next."""

    def __call__(self, obs: Observation) -> tuple[float, bool]:
        """Return (reward, success)."""
        success = bool(self.is_success(obs))
        return float(success), success


@dataclass(frozen=True, slots=True)
class PoseError:
    """How far an observed pose is from the wanted one. Reads the newest frame of a stack."""

    part: str
    """of the keys `state/<part>/position` and `state/<part>/rotation` (a rotation vector)"""
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """[3], m: the wanted position, in the frame that is observed"""
    rotvec: tuple[float, float, float] | None = None
    """[3], rad: the wanted rotation; None: any"""

    def __call__(self, obs: Observation) -> tuple[float, float]:
        """Return m, and rad in [0, pi] (0 if any rotation will do)."""
        position = self._newest(obs, "position")
        if self.rotvec is None:
            return math.dist(position, self.position), 0.0
        observed = Pose(np.array(position), rotvec_to_quaternion(np.array(self._newest(obs, "rotation"))))
        return observed.distance(Pose.of(self.position, self.rotvec))

    def _newest(self, obs: Observation, quantity: str) -> Sequence[float]:
        key = f"state/{self.part}/{quantity}"
        if key not in obs:
            raise SpecMismatch(f"reward needs {key!r}, which is not observed; there are: {', '.join(sorted(obs))}")
        return obs[key][-3:].tolist()


@dataclass(frozen=True, slots=True)
class PoseReward:
    """Success within a tolerance of a pose; optionally a dense reward that grows towards 1 on the way."""

    error: PoseError
    position_tolerance_m: float
    rotation_tolerance_rad: float = math.pi
    dense: bool = False
    """reward exp(-distance / `length_m`) off the goal, with the angle counted at `m_per_rad`"""
    length_m: float = 0.1
    m_per_rad: float = 0.1

    def begin_episode(self) -> None:
        """Nothing is remembered from one observation to the next."""

    def __call__(self, obs: Observation) -> tuple[float, bool]:
        """Return (reward in [0, 1], success)."""
        distance, angle = self.error(obs)
        success = distance <= self.position_tolerance_m and angle <= self.rotation_tolerance_rad
        if success or not self.dense:
            return float(success), success
        return math.exp(-(distance + self.m_per_rad * angle) / self.length_m), success


def judged_by_person() -> SparseReward:
    """Return the reward of a station where only the person beside it says what a success is."""
    return SparseReward(lambda _: False)


def pose_reward(
    part: str,
    position_m: Sequence[float] = (0.0, 0.0, 0.0),
    rotvec_rad: Sequence[float] | None = None,
    position_tolerance_m: float = 0.01,
    rotation_tolerance_rad: float = math.pi,
    dense: bool = False,
) -> PoseReward:
    """Return the reward of a station at which an observed pose, of a tracked object or the tool, tells the success.

    Args:
        part: Of the keys `state/<part>/position` and `state/<part>/rotation`.
        position_m: [3], m: wanted, in the frame that is observed.
        rotvec_rad: [3], rad: wanted; None: any.
        position_tolerance_m: m.
        rotation_tolerance_rad: rad.
        dense: Whether it pays on the way too.
    """
    x, y, z = position_m
    turn = None if rotvec_rad is None else (rotvec_rad[0], rotvec_rad[1], rotvec_rad[2])
    return PoseReward(PoseError(part, (x, y, z), turn), position_tolerance_m, rotation_tolerance_rad, dense)
