"""The spring of a UR arm, and the words of its protocol."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hardware.ur import ARM, UrRobot, spring
from hardware.ur_arm import HOME, CompliantArm
from hardware.ur_fields import Recipe, packet, take_packets
from robot_rl.geometry import Pose, rotvec_to_quaternion
from robot_rl.station import ROBOTS
from robot_rl.station_file import load_station

STILL = np.zeros(6)


@pytest.mark.parametrize("distance", [0.03, 0.5, 1e6])
def test_the_spring_saturates_however_far_the_anchor_is(distance):
    rng = np.random.default_rng(0)
    for _ in range(50):
        direction = rng.normal(size=3)
        turn = rotvec_to_quaternion(rng.uniform(-math.pi, math.pi, 3))
        wrench = spring(Pose(distance * direction, turn), Pose.of((0.0, 0.0, 0.0)), STILL, ARM, (20.0, 1.0))
        assert np.abs(wrench[:3]).max() <= ARM.stiffness[0] * ARM.max_spring[0] * (1 + 1e-12)
        assert np.abs(wrench[3:]).max() <= ARM.stiffness[1] * ARM.max_spring[1] * (1 + 1e-12)


def test_the_spring_pulls_to_the_anchor_and_damping_acts_against_motion():
    here, there = Pose.of((0.4, 0.0, 0.3), (math.pi, 0.0, 0.0)), Pose.of((0.41, 0.0, 0.3), (math.pi, 0.0, 0.0))
    np.testing.assert_allclose(spring(there, here, STILL, ARM, (20.0, 1.0)), [10.0, 0, 0, 0, 0, 0], atol=1e-9)
    moving = np.array([0.1, 0.0, -0.2, 0.0, 0.5, 0.0])
    np.testing.assert_allclose(spring(here, here, moving, ARM, (20.0, 1.0)), [-2.0, 0, 4.0, 0, -0.5, 0], atol=1e-9)


def test_a_turn_is_pulled_about_the_axes_of_the_base():
    here = Pose.of((0.0, 0.0, 0.0), (math.pi, 0.0, 0.0))
    turned = Pose.of((0.0, 0.0, 0.0), (0.0, 0.0, 0.1)) @ here
    np.testing.assert_allclose(spring(turned, here, STILL, ARM, (0.0, 0.0))[3:], [0, 0, 0.1 * ARM.stiffness[1]], atol=1e-9)


def test_packets_survive_any_cut():
    recipe = Recipe(["actual_q", "robot_mode", "output_int_register_3", "timestamp"])
    values = [list(range(6)), 7, -2, 0.5]
    stream = b"".join(packet(85, recipe.pack(values)) for _ in range(3))
    buffer, seen = bytearray(), []
    for byte in stream:
        buffer.append(byte)
        seen += list(take_packets(buffer))
    assert [kind for kind, _ in seen] == [85] * 3
    assert recipe.unpack(seen[2][1]) == {
        "actual_q": (0, 1, 2, 3, 4, 5),
        "robot_mode": 7,
        "output_int_register_3": -2,
        "timestamp": 0.5,
    }
    assert not buffer


def test_a_packet_that_is_shorter_than_its_header_is_an_error():
    with pytest.raises(ValueError, match="2 bytes"):
        list(take_packets(bytearray(b"\x00\x02\x55")))


def test_variables_that_do_not_exist_are_told():
    recipe = Recipe(["timestamp", "actual_mood", "input_int_register_48"])
    assert recipe.types == ("DOUBLE", "NOT_FOUND", "NOT_FOUND")
    assert not recipe.is_known


def test_the_jacobian_of_the_simulated_arm_is_the_derivative_of_its_pose():
    arm = CompliantArm()
    before, jacobian = arm.pose, arm._jacobian
    for joint in range(6):
        arm.q = np.array(HOME)
        arm.q[joint] += 1e-6
        after, _ = arm._kinematics()
        turn = after.quaternion, before.quaternion
        np.testing.assert_allclose((after.position - before.position) / 1e-6, jacobian[:3, joint], atol=1e-5)
        twist = (Pose(after.position, turn[0]) @ Pose(after.position, turn[1]).inverse()).rotvec / 1e-6
        np.testing.assert_allclose(twist, jacobian[3:, joint], atol=1e-5)


def test_the_example_station_builds_without_a_device():
    assert ROBOTS["ur"] == "hardware.ur:UrRobot"
    robot = load_station("stations/ur.toml").build_robot()
    assert isinstance(robot, UrRobot)
    assert list(robot.spec.parts) == ["arm", "gripper"]
    assert robot.spec.parts["arm"].workspace_low == (0.30, -0.30, 0.02)
