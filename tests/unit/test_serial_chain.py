"""A chain's tool is where the published frames put it, and joint angles bring it where it is wanted, or as near as they can."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from hardware.dynamixel import OPEN_MANIPULATOR_X
from hardware.serial_chain import Hinge, SerialChain
from hardware.so101 import CHAIN, DOWN
from robot_rl.geometry import Pose

LOW = np.array([-1.91986, -1.74533, -1.69, -1.65806, -2.74385])
HIGH = np.array([1.91986, 1.74533, 1.69, 1.65806, 2.84121])
"""rad: limits in the SO-101's URDF file."""
ARMS = pytest.mark.parametrize("chain", [CHAIN, OPEN_MANIPULATOR_X.chain], ids=["so101", "open_manipulator_x"])


def test_the_so101_is_as_its_urdf_file_has_it():
    """Elbow and tool at angle zero, worked out from the file by others (frames of the joints in the base, q = 0)."""
    frames = CHAIN._frames(np.zeros(5))
    np.testing.assert_allclose(frames[1][:3, 3], [0.0692345, -0.0182778, 0.1166], atol=1e-6)
    np.testing.assert_allclose(frames[2][:3, 3], [0.0972345, -0.0182778, 0.22917], atol=1e-6)
    tool = CHAIN.forward(np.zeros(5))
    assert tool.position[0] > 0.38  # stretched forwards, and the gripper points there
    np.testing.assert_allclose(tool.apply(np.array([0, 0, 1.0])) - tool.position, [1, 0, 0], atol=1e-4)


@pytest.mark.parametrize(("chain", "qpos"), [(CHAIN, DOWN), (OPEN_MANIPULATOR_X.chain, (0.0, -0.4, 0.6, math.pi / 2 - 0.2))])
def test_the_tool_points_down_with_its_x_axis_away_from_the_base(chain, qpos):
    pose = chain.forward(np.array(qpos))
    np.testing.assert_allclose(pose.apply(np.array([0, 0, 1.0])) - pose.position, [0, 0, -1], atol=1e-4)
    assert (pose.apply(np.array([1.0, 0, 0])) - pose.position)[0] > 0.99


@ARMS
def test_the_jacobian_is_the_derivative(chain):
    rng, step = np.random.default_rng(0), 1e-6
    for _ in range(10):
        qpos = rng.uniform(-1, 1, chain.num_joints)
        jacobian, here = chain.jacobian(qpos), chain.forward(qpos)
        for joint, column in enumerate(np.eye(chain.num_joints)):
            moved = chain.forward(qpos + step * column)
            linear = (moved.position - here.position) / step
            angular = (Pose(moved.position, moved.quaternion) @ Pose(here.position, here.quaternion).inverse()).rotvec / step
            np.testing.assert_allclose(jacobian[:, joint], [*linear, *angular], atol=1e-5)


def test_hinges_turn_as_mujoco_turns_them():
    spec = mujoco.MjSpec()
    spec.compiler.eulerseq = "XYZ"  # about the fixed axes x, y, z, as in URDF files
    spec.compiler.degree = False
    hinges = (
        Hinge((0.1, 0.2, 0.3), (0.3, -0.7, 1.1)),
        Hinge((-0.2, 0.1, 0.0), (1.2, 0.4, -0.5), (0.0, 1.0, 0.0)),
        Hinge((0.0, 0.3, 0.1), (-0.9, 1.3, 0.2), (1.0, 0.0, 0.0)),
    )
    body = spec.worldbody
    for hinge in hinges:
        body = body.add_body(pos=hinge.xyz)
        body.alt.type, body.alt.euler = mujoco.mjtOrientation.mjORIENTATION_EULER, hinge.rpy
        body.add_joint(axis=hinge.axis)
        body.add_geom(size=[0.01, 0, 0])
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:] = [0.4, -1.1, 2.0]
    mujoco.mj_kinematics(model, data)
    tool = SerialChain(hinges, Hinge((0.0, 0.0, 0.0))).forward(data.qpos)
    np.testing.assert_allclose(tool.position, data.xpos[-1], atol=1e-12)
    assert tool.distance(Pose(data.xpos[-1], data.xquat[-1]))[1] < 1e-6


@ARMS
def test_a_pose_that_can_be_reached_is_reached(chain):
    rng, count = np.random.default_rng(1), chain.num_joints
    for _ in range(100):
        start = rng.uniform(-1.2, 1.2, count)
        goal = start + rng.normal(0, 0.1, count)
        reached = chain.inverse(chain.forward(goal), start, np.full(count, -1.9), np.full(count, 1.9))
        assert reached.distance < 1e-3
        assert reached.angle < 1e-2


def test_an_arm_of_five_joints_goes_where_it_is_told_and_turns_as_far_as_it_can():
    """A tool that shall lean sideways out of the plane of the arm cannot, but its place is kept."""
    here = CHAIN.forward(np.array(DOWN))
    reached = CHAIN.inverse(here @ Pose.of((0, 0.02, 0), (0.3, 0, 0)), np.array(DOWN), LOW, HIGH)
    assert reached.distance < 1e-4
    assert 0.05 < reached.angle < 0.31


def test_out_of_reach_is_approached_and_never_left_behind():
    """From one command to the next the tool comes nearer, until the arm is stretched towards what it cannot reach."""
    target, qpos = Pose.of((0.8, 0.1, 0.2), (0, math.pi / 2, 0)), np.array(DOWN)
    distance = CHAIN.forward(qpos).distance(target)[0]
    for _ in range(15):
        reached = CHAIN.inverse(target, qpos, LOW, HIGH)
        assert reached.distance <= distance + 1e-4
        qpos, distance = reached.qpos, reached.distance
    tool = CHAIN.forward(qpos).position
    assert np.linalg.norm(tool - [0.04, 0, 0.12]) > 0.38
    assert math.atan2(tool[1], tool[0]) == pytest.approx(math.atan2(0.1, 0.8 - 0.04), abs=0.05)


@ARMS
def test_limits_are_kept_wherever_the_target_is(chain):
    rng, count = np.random.default_rng(2), chain.num_joints
    low, high = np.full(count, -1.0), np.full(count, 0.8)
    for _ in range(100):
        target = Pose.of(rng.uniform(-0.5, 0.5, 3).tolist(), rng.uniform(-2, 2, 3).tolist())
        qpos = chain.inverse(target, rng.uniform(-2, 2, count), low, high).qpos
        assert np.all(qpos >= low)
        assert np.all(qpos <= high)


def test_where_it_is_already_moves_nothing():
    qpos = np.array(DOWN)
    np.testing.assert_array_equal(CHAIN.inverse(CHAIN.forward(qpos), qpos, LOW, HIGH).qpos, qpos)
