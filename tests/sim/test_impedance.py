"""The arm's controller: quick, well damped, free of creep, and of bounded force whatever it is told."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robot_rl.geometry import Pose
from sim.arm import Impedance
from sim.gripper import TCP_SITE
from sim.kinematics import HOME
from sim.task import tool_pose

MAX_FORCE = Impedance().max_force[0]


@pytest.mark.parametrize("direction", np.vstack([np.eye(3), -np.eye(3)]).tolist())
def test_two_centimetres_are_followed_in_a_control_period_without_overshoot(station, direction):
    start = station.place()
    step = 0.02 * np.array(direction)
    station.aim(Pose(start.position + step, start.quaternion))
    progress = []
    for _ in range(10):
        station.wait(0.05)
        progress.append(float((station.arm.pose.position - start.position) @ direction) / 0.02)
    assert progress[1] > 0.75
    assert max(progress) < 1.08
    assert progress[-1] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("axis", range(3))
def test_turns_are_followed_in_a_control_period(station, axis):
    start = station.place()
    goal = start @ Pose.of((0, 0, 0), tuple(0.1 * np.eye(3)[axis]))
    station.aim(goal)
    station.wait(0.1)
    assert station.arm.pose.distance(goal)[1] < 0.03
    station.wait(0.4)
    assert max(station.arm.pose.distance(goal)) < 0.005


def test_holds_without_creep(station):
    start = station.place()
    station.wait(20.0)
    distance, angle = station.arm.pose.distance(start)
    assert distance < 1e-4
    assert angle < 1e-3


def test_elbow_returns_and_the_tool_stays(station):
    station.place()
    away = np.array(HOME)
    away[[0, 2]] = 0.3, -0.35
    station.robot.place(away, opening=0.0)
    start, before = station.arm.pose, np.abs(station.arm.qpos - HOME).max()
    station.wait(10.0)
    moved = station.arm.pose.distance(start)
    assert np.abs(station.arm.qpos - HOME).max() < 0.9 * before
    assert moved[0] < 0.002
    assert moved[1] < 0.005


def test_far_target_is_approached_at_a_bounded_speed(station):
    start = station.place()
    station.aim(Pose(start.position + np.array([0.0, 0.3, 0.0]), start.quaternion))
    speeds = []
    for _ in range(60):
        station.wait(0.02)
        speeds.append(float(np.linalg.norm(station.arm.twist[:3])))
    assert max(speeds) < 1.1 * MAX_FORCE / Impedance().damping[0]


def contact_force(physics) -> float:
    """Return the force on the tool, N, of all contacts together."""
    total, wrench = np.zeros(3), np.zeros(6)
    for index in range(physics.data.ncon):
        mujoco.mj_contactForce(physics.model, physics.data, index, wrench)
        total += physics.data.contact[index].frame.reshape(3, 3).T @ wrench[:3]
    return float(np.linalg.norm(total))


def test_contact_force_is_bounded_under_adversarial_targets(station, rng):
    """Static bound: the spring's, along the diagonal. The margin is what the dampers add at the speeds that occur."""
    station.place(height=0.012)
    station.aim(tool_pose((0.5, 0.0, 0.0)))
    station.wait(0.3)
    forces, speeds = [], []
    for _ in range(30):
        target = rng.uniform((0.2, -0.3, -5.0), (0.8, 0.3, -0.01))
        station.aim(Pose(target, station.arm.pose.quaternion))
        for _ in range(10):
            station.wait(0.01)
            forces.append(contact_force(station.physics))
            speeds.append(float(np.linalg.norm(station.arm.twist[:3])))
    margin = Impedance().damping[0] * max(speeds)
    assert max(forces) > 0.9 * MAX_FORCE
    assert max(forces) < np.sqrt(3) * MAX_FORCE + margin


def test_spring_pushes_with_the_clipped_force_and_no_more(station):
    station.place(height=0.012)
    station.aim(tool_pose((0.5, 0.0, -1.0)))
    station.wait(2.0)
    assert contact_force(station.physics) == pytest.approx(MAX_FORCE, rel=0.05)


def test_wrench_is_what_the_table_exerts_on_the_tool(station):
    station.place(height=0.012)
    station.aim(tool_pose((0.5, 0.0, -1.0)))
    station.wait(2.0)
    wrench = station.arm.wrench
    assert wrench[2] == pytest.approx(MAX_FORCE, rel=0.1)
    assert np.abs(wrench[:2]).max() < 3.0
    station.place(height=0.2)
    station.wait(0.1)
    np.testing.assert_allclose(station.arm.wrench, 0.0, atol=1e-9)


def test_target_frame_is_the_frame_of_the_springs(station):
    """A turned target that is displaced along one of its axes pulls along that axis of the world."""
    start = station.place()
    turned = start @ Pose.of((0, 0, 0), (0, 0, 0.5))
    station.aim(turned)
    station.wait(1.0)
    goal = turned @ Pose.of((0.015, 0.0, 0.0))
    station.aim(goal)
    station.wait(0.6)
    assert station.physics.site_pose(TCP_SITE).distance(goal)[0] < 0.001
