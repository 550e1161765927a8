"""Near targets are where the spring pulls to at once, and far ones after a while."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot_rl.geometry import Pose
from sim.anchor import GLIDE_S, NEAR_M, NEAR_RAD


def anchor_pose(station) -> Pose:
    data = station.physics.data
    return Pose(data.mocap_pos[0].copy(), data.mocap_quat[0].copy())


def turned(pose: Pose, rad: float) -> Pose:
    return pose @ Pose.of((0.0, 0.0, 0.0), (0.0, 0.0, rad))


def shifted(pose: Pose, shift: float) -> Pose:
    return Pose(pose.position + np.array([0.0, shift, 0.0]), pose.quaternion)


@pytest.mark.parametrize("move", [lambda pose: shifted(pose, 0.99 * NEAR_M), lambda pose: turned(pose, -0.99 * NEAR_RAD)])
def test_a_near_target_is_taken_at_once(station, move):
    goal = move(station.place())
    station.aim(goal)
    assert max(anchor_pose(station).distance(goal)) < 1e-9


@pytest.mark.parametrize("move", [lambda pose: shifted(pose, 0.1), lambda pose: turned(pose, 0.5)])
def test_a_far_target_is_glided_to(station, move):
    start = station.place()
    goal = move(start)
    station.aim(goal)
    assert max(anchor_pose(station).distance(start)) < 1e-9
    station.wait(GLIDE_S)
    left = max(anchor_pose(station).distance(goal)) / max(start.distance(goal))
    assert left == pytest.approx(math.exp(-1.0), abs=0.02)
    station.wait(30 * GLIDE_S)
    assert max(anchor_pose(station).distance(goal)) < 1e-12


def test_the_same_turn_by_the_other_quaternion_is_near(station):
    start = station.place()
    station.aim(Pose(start.position, -start.quaternion))
    station.wait(0.01)
    assert max(anchor_pose(station).distance(start)) < 1e-9


@pytest.mark.parametrize("end", ["stop", "near", "place"])
def test_a_stop_or_a_near_target_ends_the_way(station, end):
    start = station.place()
    station.aim(shifted(start, 0.2))
    station.wait(0.01)
    if end == "near":
        station.aim(anchor_pose(station))
    elif end == "stop":
        station.robot.stop()
    else:
        station.place()
    there = anchor_pose(station)
    station.wait(0.5)
    assert max(anchor_pose(station).distance(there)) < 0.01  # which the brake's way is
