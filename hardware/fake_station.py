"""Fake hardware as station files name it: built from plain numbers."""

from __future__ import annotations

from collections.abc import Sequence

from hardware.clock import ManualClock, WallClock
from hardware.fake import FakeRobot, FakeTracker
from robot_rl.geometry import Pose


def make_robot(real_time: bool = False) -> FakeRobot:
    """Return a fake arm with a gripper.

    Args:
        real_time: Whether it lives on the wall's clock; otherwise time passes only while somebody sleeps on its clock.
    """
    return FakeRobot(WallClock() if real_time else ManualClock())


def make_tracker(position_m: Sequence[float], rotvec_rad: Sequence[float] = (0.0, 0.0, 0.0)) -> FakeTracker:
    """Return an object that stands where it is said: T_base_object from [3], m, and a rotation vector [3], rad."""
    return FakeTracker(Pose.of(position_m, rotvec_rad))
