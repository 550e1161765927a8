"""The guarantees of the clearance between two arms, for any poses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.envs.clearance import tool_clearance
from robot_rl.envs.safety import limit
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose
from robot_rl.specs import ArmSpec, ClearanceSpec, GripperSpec, RobotSpec
from robot_rl.types import ArmState, ArmTarget

ARM = ArmSpec(
    num_joints=1,
    qpos_low=(-3.0,),
    qpos_high=(3.0,),
    workspace_low=(-0.5, -0.5, 0.0),
    workspace_high=(0.5, 0.5, 0.5),
    max_tilt=1.0,
)
CLEAR = ClearanceSpec(("left", "right"), base_position=(0.4, 0.0, 0.0), base_rotvec=(0.0, 0.0, math.pi))
SPEC = RobotSpec("two", {"left": ARM, "right": ARM}, (CLEAR,))
DOWN = (math.pi, 0.0, 0.0)
DT = 0.1

place = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.0, 0.5))
pose = st.builds(
    lambda at, x, y: Pose.of(at, DOWN) @ Pose.of((0, 0, 0), (x, y, 0)), place, st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)
)


def arm(where):
    return ArmState(where, np.zeros(6), np.zeros(6), np.zeros(1), np.zeros(1), 0.0)


def limited(targets, left, right, spec=SPEC):
    command = {name: ArmTarget(target) for name, target in targets.items()}
    return limit(command, {"left": arm(left), "right": arm(right)}, spec, DT)


@given(pose, pose, pose, pose)
def test_targets_keep_the_margin_or_at_least_what_distance_there_is(left, right, left_goal, right_goal):
    result = limited({"left": left_goal, "right": right_goal}, left, right)
    after = tool_clearance(result.command["left"].pose, result.command["right"].pose, CLEAR)
    assert after >= min(CLEAR.margin, tool_clearance(left, right, CLEAR)) - 1e-6


@given(pose, pose, pose)
def test_an_arm_without_a_target_is_kept_clear_of_too(left, right, goal):
    result = limited({"left": goal}, left, right)
    assert set(result.command) == {"left"}
    after = tool_clearance(result.command["left"].pose, right, CLEAR)
    assert after >= min(CLEAR.margin, tool_clearance(left, right, CLEAR)) - 1e-6


@given(pose, pose, pose, pose)
def test_what_stays_clear_or_separates_is_not_touched(left, right, left_goal, right_goal):
    goals = {"left": left_goal, "right": right_goal}
    free = limited(goals, left, right, replace(SPEC, clearances=()))
    wanted = tool_clearance(free.command["left"].pose, free.command["right"].pose, CLEAR)
    if wanted >= min(CLEAR.margin, tool_clearance(left, right, CLEAR)):
        kept = limited(goals, left, right)
        assert kept.clamped == free.clamped
        for name in goals:
            assert max(kept.command[name].pose.distance(free.command[name].pose)) < 1e-9


@pytest.mark.parametrize("gap", [-0.1, 0.0, 0.03])
def test_arms_that_are_too_near_may_separate_at_full_speed(gap):
    apart = gap + 2 * CLEAR.tool_radius
    left, right = Pose.of((0.0, 0.0, 0.2), DOWN), Pose.of((0.4 - apart, 0.0, 0.2), DOWN)
    assert tool_clearance(left, right, CLEAR) == pytest.approx(gap)
    back = limited({"left": Pose.of((-0.05, 0, 0.2), DOWN)}, left, right)
    assert back.clamped == ()
    assert back.command["left"].pose.position[0] == pytest.approx(-0.05)


def test_the_one_that_flees_is_not_cut_with_the_one_that_follows():
    left, right = Pose.of((0.0, 0, 0.2), DOWN), Pose.of((0.18, 0, 0.2), DOWN)  # 22 cm apart: 6 cm clear
    result = limited({"left": Pose.of((0.05, 0, 0.2), DOWN), "right": Pose.of((0.16, 0, 0.2), DOWN)}, left, right)
    assert result.clamped == ("left/clearance",)
    assert result.command["right"].pose.position[0] == pytest.approx(0.16)
    assert result.command["left"].pose.position[0] == pytest.approx(0.03, abs=1e-5)  # to the margin: 6 + 2 - 3 = 5 cm


@given(pose, pose)
def test_distance_is_that_of_the_nearest_points(left, right):
    """Against a grid over both axes, which cannot be nearer than the truth nor farther by more than its spacing."""
    base = Pose.of(CLEAR.base_position, CLEAR.base_rotvec)
    back = np.linspace(0, CLEAR.tool_length, 41)
    points = [np.array([each.apply(np.array([0, 0, -s])) for s in back]) for each in (left, base @ right)]
    grid = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1).min() - 2 * CLEAR.tool_radius
    assert grid - CLEAR.tool_length / 40 <= tool_clearance(left, right, CLEAR) <= grid + 1e-9


def test_an_arm_that_does_not_report_is_a_device_error():
    with pytest.raises(DeviceError, match="part 'right'"):
        limit({"left": ArmTarget(Pose.of((0, 0, 0.2), DOWN))}, {"left": arm(Pose.of((0, 0, 0.2), DOWN))}, SPEC, DT)


@pytest.mark.parametrize("wrong", [{"arms": ("left", "left")}, {"margin": 0.0}, {"tool_radius": -1.0}, {"tool_length": -0.1}])
def test_clearances_are_checked(wrong):
    with pytest.raises(ConfigError):
        replace(CLEAR, **wrong)


def test_a_clearance_of_what_is_no_arm_is_named():
    with pytest.raises(ConfigError, match="'right', which is no arm of robot 'two'"):
        RobotSpec("two", {"left": ARM, "right": GripperSpec()}, (CLEAR,))
