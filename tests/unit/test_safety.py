"""The guarantees of the safety limit, for any command and any state."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.envs.safety import OUTSIDE_M, limit
from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose, rotate
from robot_rl.specs import ArmSpec, DriveSpec, GripperSpec, JointSpec, RobotSpec
from robot_rl.types import (
    ArmState,
    ArmTarget,
    DriveState,
    DriveTarget,
    GripperState,
    GripperTarget,
    JointState,
    JointTarget,
)

ARM = ArmSpec(
    num_joints=7,
    qpos_low=(-3.0,) * 7,
    qpos_high=(3.0,) * 7,
    workspace_low=(-1.0, -1.0, 0.0),
    workspace_high=(1.0, 1.0, 1.0),
    max_tcp_speed=0.5,
    max_tcp_angular_speed=2.0,
    max_tilt=0.6,
)
SPEC = RobotSpec(
    "tester",
    {
        "arm": ARM,
        "gripper": GripperSpec(max_speed=2.0),
        "hand": JointSpec((-1.0, 0.0), (1.0, 0.5), max_qvel=2.0),
        "base": DriveSpec(max_speed=3.0, max_steering=0.4),
    },
)
DT = 0.1
LOW, HIGH = np.array(ARM.workspace_low), np.array(ARM.workspace_high)
DOWN = Pose.of((0, 0, 0.5), (math.pi, 0, 0))

coordinate = st.floats(-3.0, 3.0)
point = st.tuples(coordinate, coordinate, coordinate)
pose = st.builds(Pose.of, point, point)
inside = st.builds(
    lambda xy, z, azimuth, tilt, yaw: (
        Pose.of((*xy, z))
        @ Pose.of((0, 0, 0), (tilt * math.cos(azimuth), tilt * math.sin(azimuth), 0))
        @ Pose.of((0, 0, 0), (math.pi, 0, 0))
        @ Pose.of((0, 0, 0), (0, 0, yaw))
    ),
    st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    st.floats(0, 1),
    st.floats(-math.pi, math.pi),
    st.floats(0, 0.6),
    st.floats(-math.pi, math.pi),
)


def state_at(where: Pose) -> dict:
    return {
        "arm": ArmState(where, np.zeros(6), np.zeros(6), np.zeros(7), np.zeros(7), 0.0),
        "gripper": GripperState(0.5, 0.0),
        "hand": JointState(np.array([0.0, 0.25]), np.zeros(2), 0.0),
        "base": DriveState(0.0, 0.0, 0.0),
    }


def limit_arm(target: Pose, measured: Pose, spec: RobotSpec = SPEC, dt: float = DT) -> tuple[Pose, tuple[str, ...]]:
    limited = limit({"arm": ArmTarget(target)}, state_at(measured), spec, dt)
    allowed = limited.command["arm"]
    assert isinstance(allowed, ArmTarget)
    return allowed.pose, limited.clamped


def tilt(where: Pose) -> float:
    return math.acos(np.clip(rotate(where.quaternion, np.array([0.0, 0.0, 1.0])) @ np.array(ARM.tool_axis), -1, 1))


@given(pose, pose)
def test_never_further_than_the_speeds_allow(target, measured):
    allowed, _ = limit_arm(target, measured)
    distance, angle = allowed.distance(measured)
    assert distance <= ARM.max_tcp_speed * DT + 1e-9
    assert angle <= ARM.max_tcp_angular_speed * DT + 1e-7
    assert np.linalg.norm(allowed.quaternion) == pytest.approx(1)


@given(pose, inside)
def test_a_tool_inside_stays_inside(target, measured):
    allowed, _ = limit_arm(target, measured)
    assert np.all(allowed.position >= LOW - 1e-9)
    assert np.all(allowed.position <= HIGH + 1e-9)
    assert tilt(allowed) <= max(ARM.max_tilt, tilt(measured)) + 1e-6


@given(pose, pose)
def test_a_tool_outside_is_led_back_and_arrives(target, measured):
    for _ in range(200):
        measured, _ = limit_arm(target, measured)
    assert np.all((measured.position >= LOW - 1e-9) & (measured.position <= HIGH + 1e-9))
    assert tilt(measured) <= ARM.max_tilt + 1e-6
    wanted = np.clip(target.position, LOW, HIGH)
    np.testing.assert_allclose(measured.position, wanted, atol=1e-9)


@given(pose, pose)
def test_the_way_is_at_full_speed_and_not_a_jump_and_outside_it_is_the_shortest_back(target, measured):
    nearest = np.clip(measured.position, LOW, HIGH)
    is_outside = np.linalg.norm(nearest - measured.position) > OUTSIDE_M
    goal = nearest if is_outside else np.clip(target.position, LOW, HIGH)
    allowed, limits = limit_arm(target, measured)
    left, before = np.linalg.norm(goal - allowed.position), np.linalg.norm(goal - measured.position)
    assert left == pytest.approx(max(before - ARM.max_tcp_speed * DT, 0.0), abs=1e-9)
    if is_outside:
        assert allowed.distance(measured)[1] < 1e-7  # at a joint's end a turn would push the tool further out
        assert "arm/workspace" in limits


@given(inside)
def test_an_allowed_command_is_left_as_it_is(measured):
    target = Pose(measured.position * 0.99 + 0.01 * DOWN.position, measured.quaternion)
    if tilt(target) < ARM.max_tilt - 1e-6:
        allowed, clamped = limit_arm(target, measured)
        assert clamped == ()
        assert np.array_equal(allowed.position, target.position)
        assert np.array_equal(allowed.quaternion, target.quaternion)


@given(pose)
def test_the_cone_gives_the_nearest_rotation(target):
    allowed, clamped = limit_arm(target, DOWN, dt=math.inf)
    assert allowed.distance(target)[1] == pytest.approx(max(tilt(target) - ARM.max_tilt, 0.0), abs=1e-6)
    assert ("arm/tilt" in clamped) == (tilt(target) > ARM.max_tilt * (1 + 1e-9))


def test_between_two_tilted_poses_the_tool_stays_in_the_cone():
    """The shortest turn between these leaves the cone by a third of a radian; the limit's own way does not."""
    start = Pose.of((0, 0, 0.5), (math.pi, 0, 0)) @ Pose.of((0, 0, 0), (0.599, 0, 0))
    goal = start @ Pose.of((0, 0, 0), (-0.599, 0, 0)) @ Pose.of((0, 0, 0), (0, 0, 3.0)) @ Pose.of((0, 0, 0), (0.599, 0, 0))
    here = start
    for _ in range(40):
        here, _ = limit_arm(goal, here)
        assert tilt(here) <= ARM.max_tilt + 1e-6
    assert max(here.distance(goal)) < 1e-6


@given(inside, inside)
def test_the_sign_of_a_quaternion_does_not_matter(target, measured):
    """q and -q are one rotation; mistaking them would turn the tool the long way round."""
    allowed, _ = limit_arm(target, measured)
    assert max(limit_arm(Pose(target.position, -target.quaternion), measured)[0].distance(allowed)) < 1e-6


@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_a_tool_that_points_exactly_away_turns_round(axis):
    spec = replace(SPEC, parts={"arm": replace(ARM, tool_axis=axis)})
    turn_z_to_axis = Pose.of((0, 0, 0.5), {0: (0, math.pi / 2, 0), 1: (-math.pi / 2, 0, 0), 2: (0, 0, 0)}[axis.index(1.0)])
    here = turn_z_to_axis @ Pose.of((0, 0, 0), (math.pi, 0, 0))
    for _ in range(40):
        here, _ = limit_arm(turn_z_to_axis, here, spec)
    assert here.distance(turn_z_to_axis)[1] < 1e-6


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (Pose.of((0, 0, 0.52), (math.pi, 0, 0)), ()),
        (Pose.of((0, 0, 0.9), (math.pi, 0, 0)), ("arm/speed",)),
        (Pose.of((0, 0, 2.0), (math.pi, 0, 0)), ("arm/workspace", "arm/speed")),
        (Pose.of((0, 0, 0.5), (math.pi - 0.5, 0, 0)), ("arm/angular_speed",)),
        (Pose.of((0, 0, 0.5), (math.pi - 0.7, 0, 0)), ("arm/tilt", "arm/angular_speed")),
    ],
)
def test_says_which_limits_bit(target, names):
    assert limit_arm(target, DOWN)[1] == names


def test_does_not_touch_its_arguments():
    target, measured = Pose.of((5.0, 5, 5), (1, 1, 1)), Pose.of((0, 0, 0.5), (2, 0, 0))
    copies = [array.copy() for given in (target, measured) for array in (given.position, given.quaternion)]
    limit_arm(target, measured)
    for array, copy in zip((target.position, target.quaternion, measured.position, measured.quaternion), copies, strict=True):
        assert np.array_equal(array, copy)


@given(st.floats(-2, 3), st.floats(0, 1))
def test_gripper_stays_in_range_and_speed(wanted, opening):
    state = state_at(DOWN) | {"gripper": GripperState(opening, 0.0)}
    limited = limit({"gripper": GripperTarget(wanted)}, state, SPEC, DT)
    allowed = limited.command["gripper"]
    assert isinstance(allowed, GripperTarget)
    assert 0 <= allowed.opening <= 1
    assert abs(allowed.opening - opening) <= 2.0 * DT + 1e-9
    assert bool(limited.clamped) == (allowed.opening != wanted)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=2), st.lists(st.floats(-2, 2), min_size=2, max_size=2))
def test_joints_move_towards_their_range_within_speed(wanted, measured):
    state = state_at(DOWN) | {"hand": JointState(np.array(measured), np.zeros(2), 0.0)}
    allowed = limit({"hand": JointTarget(np.array(wanted))}, state, SPEC, DT).command["hand"]
    assert isinstance(allowed, JointTarget)
    goal = np.clip(wanted, [-1, 0], [1, 0.5])
    np.testing.assert_allclose(np.abs(goal - allowed.qpos), np.maximum(np.abs(goal - measured) - 0.2, 0), atol=1e-9)


def test_drive_limits_are_symmetric():
    limited = limit({"base": DriveTarget(-9.0, 0.5)}, state_at(DOWN), SPEC, DT)
    assert limited.command["base"] == DriveTarget(-3.0, 0.4)
    assert limited.clamped == ("base/speed", "base/steering")
    assert limit({"base": DriveTarget(2.0, -0.3)}, state_at(DOWN), SPEC, DT).clamped == ()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("part", ["arm", "gripper", "hand", "base"])
def test_numbers_that_are_not_finite_are_refused(part, bad):
    targets = {
        "arm": ArmTarget(Pose(np.array([0.0, bad, 0.5]), DOWN.quaternion)),
        "gripper": GripperTarget(bad),
        "hand": JointTarget(np.array([0.0, bad])),
        "base": DriveTarget(0.0, bad),
    }
    with pytest.raises(ValueError, match=f"{part} target is not finite"):
        limit({part: targets[part]}, state_at(DOWN), SPEC, DT)


def test_a_state_that_is_not_finite_is_a_device_error():
    with pytest.raises(DeviceError, match="'arm' measured"):
        limit_arm(DOWN, Pose(np.array([0, 0, math.nan]), DOWN.quaternion))


def test_a_quaternion_that_is_no_rotation_is_refused():
    with pytest.raises(ValueError, match="unit length"):
        limit_arm(Pose(DOWN.position, 1.01 * DOWN.quaternion), DOWN)


def test_unknown_part_is_named():
    with pytest.raises(ValueError, match=r"unknown part 'leg'; robot 'tester' has: arm, base, gripper, hand"):
        limit({"leg": GripperTarget(0.5)}, state_at(DOWN), SPEC, DT)


def test_wrong_kind_of_target_is_named():
    with pytest.raises(ValueError, match="'arm' is a ArmSpec and cannot follow a GripperTarget"):
        limit({"arm": GripperTarget(0.5)}, state_at(DOWN), SPEC, DT)


def test_wrong_number_of_joints_is_named():
    with pytest.raises(ValueError, match="3 joints; the part has 2"):
        limit({"hand": JointTarget(np.zeros(3))}, state_at(DOWN), SPEC, DT)


@pytest.mark.parametrize("dt", [0.0, -1.0, math.nan])
def test_time_must_be_positive(dt):
    with pytest.raises(ValueError, match="positive time"):
        limit({}, state_at(DOWN), SPEC, dt)


def test_a_cone_of_pi_leaves_all_rotations():
    spec = replace(SPEC, parts={"arm": replace(ARM, max_tilt=math.pi)})
    assert limit_arm(Pose.of((0, 0, 0.5)), Pose.of((0, 0, 0.5), (0.1, 0, 0)), spec)[1] == ()
