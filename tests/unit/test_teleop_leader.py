"""A robot follows its leader by as much as the leader moves, and taking hold of it moves nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hardware.teleop_leader import JointReading, LeaderArm, LeaderConfig, ScriptedJoints, open_leader
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose, rotvec_to_quaternion
from robot_rl.types import DeviceInput


def two_links(qpos):
    """Planar arm of two links of 0.1 m in the x-y plane; its tool turns with it."""
    first, second = qpos[0], qpos[0] + qpos[1]
    position = [0.1 * (math.cos(first) + math.cos(second)), 0.1 * (math.sin(first) + math.sin(second)), 0.0]
    return Pose(np.array(position), rotvec_to_quaternion(np.array([0.0, 0.0, second])))


def readings(*joints, **more):
    return [JointReading(np.array(qpos, dtype=float), **more) for qpos in joints]


def leader(script, config=None, kinematics=two_links):
    arm = LeaderArm(ScriptedJoints(script), config, kinematics)
    arm.connect()
    return arm


JOINTS = LeaderConfig(joint_names=("arm/shoulder", "arm/elbow"), joint_scale_rad=0.1)


def test_the_first_reading_moves_nothing_wherever_the_leader_is():
    assert leader(readings((1.0, -2.0)), JOINTS, None).read() == DeviceInput()
    assert leader(readings((1.0, -2.0), opening=0.2)).read() == DeviceInput()


def test_joints_are_followed_by_name():
    arm = leader(readings((0, 0), (0.05, -0.02)), JOINTS, None)
    arm.read()
    told = arm.read()
    assert told.motion == pytest.approx({"arm/shoulder": 0.5, "arm/elbow": -0.2})
    assert told.is_touched


def test_the_tool_is_followed_one_to_one_in_the_base_frame():
    """With the environment's scales, action times scale is the way of the leader's tool."""
    config, joints = LeaderConfig(position_scale_m=0.02, rotation_scale_rad=0.1), [(0.3, 0.5), (0.33, 0.52)]
    arm = leader(readings(*joints), config)
    arm.read()
    motion = arm.read().motion
    before, now = two_links(joints[0]), two_links(joints[1])
    assert [0.02 * motion[axis] for axis in "xyz"] == pytest.approx((now.position - before.position).tolist())
    assert [0.1 * motion[axis] for axis in ("roll", "pitch", "yaw")] == pytest.approx([0, 0, 0.05])


def test_a_slow_hand_is_not_lost_in_the_dead_band():
    arm = leader(readings(*[(0.001 * step, 0) for step in range(41)]), JOINTS, None)
    way = sum(arm.read().motion.get("arm/shoulder", 0.0) for _ in range(41))
    assert 0.04 - JOINTS.dead_band_rad - 1e-9 <= 0.1 * way <= 0.04 + 1e-9


def test_a_hand_that_is_too_fast_keeps_its_direction():
    arm = leader(readings((0.3, 0.5), (0.9, 0.5)))
    arm.read()
    motion, way = arm.read().motion, two_links((0.9, 0.5)).position - two_links((0.3, 0.5)).position
    assert math.hypot(motion["x"], motion["y"]) == pytest.approx(1)
    assert motion["x"] / motion["y"] == pytest.approx(way[0] / way[1])


def test_encoders_that_flicker_are_no_hand():
    arm = leader(readings(*[(0.003 * (step % 2), 0) for step in range(10)]), JOINTS, None)
    assert {arm.read().is_touched for _ in range(10)} == {False}


def test_the_trigger_is_asked_for_only_while_it_moves():
    openings = (0.8, 0.8, 0.79, 0.4, 0.4, 0.41, 1.3)
    arm = leader([JointReading(np.zeros(2), opening) for opening in openings])
    told = [arm.read() for _ in openings]
    assert [each.gripper for each in told] == [None, None, None, pytest.approx(-0.2), None, None, 1.0]
    assert [each.is_touched for each in told] == [False, False, False, True, False, False, True]


def test_a_pedal_takes_over():
    script = readings((0, 0)) + readings((0, 0), (0, 0), is_held=True) + readings((0, 0))
    arm = leader(script)
    told = [arm.read() for _ in range(4)]
    assert [each.is_held for each in told] == [False, True, True, False]
    assert [each.is_tapped for each in told] == [False, True, False, False]


def test_a_leader_that_is_gone_or_reads_nonsense_is_a_device_error():
    arm = leader([*readings((0, 0)), OSError("no answer from servo 3")])
    arm.read()
    with pytest.raises(DeviceError, match=r"leader is gone \(no answer from servo 3\)"):
        arm.read()
    with pytest.raises(DeviceError, match=r"leader reads joints \[nan, 0.0\]"):
        leader(readings((math.nan, 0))).read()


def test_it_must_be_said_what_is_followed():
    for config, kinematics in ((None, None), (JOINTS, two_links)):
        with pytest.raises(ConfigError, match=r"either joint_names.*or kinematics"):
            LeaderArm(ScriptedJoints([]), config, kinematics)
    with pytest.raises(ConfigError, match="joint_scale_rad 0 is not positive"):
        LeaderConfig(joint_scale_rad=0)


def test_which_leader_must_be_said():
    with pytest.raises(ConfigError, match="which leader arm"):
        open_leader()
    with pytest.raises(ConfigError, match="unknown leader arm 'so102'"):
        open_leader("so102")
