"""What actions mean: frames, scales, references, the gripper, and refusal of what is no action."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.fake import FAKE_SPEC
from robot_rl.envs.actions import ActionConfig, ActionMapper, displace, leash
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose, quaternion_to_matrix
from robot_rl.types import ArmState, ArmTarget, GripperState, GripperTarget

ALL = ("x", "y", "z", "roll", "pitch", "yaw")
HERE = Pose.of((0.4, 0.1, 0.3), (math.pi - 0.2, 0.3, -0.1))

six = st.lists(st.floats(-1, 1), min_size=6, max_size=6)


def state_at(pose: Pose = HERE, opening: float = 0.5) -> dict:
    arm = ArmState(pose, np.zeros(6), np.zeros(6), np.zeros(7), np.zeros(7), 0.0)
    return {"arm": arm, "gripper": GripperState(opening, 0.0)}


def moved(mapper: ActionMapper, action, pose: Pose = HERE) -> Pose:
    target = mapper.command(mapper.check(np.array(action)), state_at(pose))["arm"]
    assert isinstance(target, ArmTarget)
    return target.pose


def opened(mapper: ActionMapper, value: float) -> float | None:
    target = mapper.command(mapper.check(np.array([0.0, value])), state_at()).get("gripper")
    return target.opening if isinstance(target, GripperTarget) else None


@given(six)
def test_frames_agree_by_rotating_both_halves(delta):
    """Decision 4: a change transforms by diag(R, R)."""
    rotation = quaternion_to_matrix(HERE.quaternion)
    in_base = [*(rotation @ delta[:3]), *(rotation @ delta[3:])]
    assert displace(HERE, delta, "tcp").distance(displace(HERE, in_base, "base")) == pytest.approx((0, 0), abs=1e-7)


def test_turning_in_the_base_frame_leaves_the_tcp_where_it_is():
    assert displace(HERE, [0, 0, 0, 0, 0, 1.0], "base").position.tolist() == HERE.position.tolist()


@pytest.mark.parametrize("index", range(6))
def test_each_axis_moves_by_its_scale_along_itself(index):
    mapper = ActionMapper(ActionConfig(axes=ALL, position_scale_m=0.03, rotation_scale_rad=0.2), FAKE_SPEC)
    change = HERE.inverse() @ moved(mapper, np.eye(6)[index])
    expected = np.diag([0.03] * 3 + [0.2] * 3)[index]
    np.testing.assert_allclose([*change.position, *change.rotvec], expected, atol=1e-8)


def test_action_order_is_that_of_the_axes():
    mapper = ActionMapper(ActionConfig(axes=("yaw", "x")), FAKE_SPEC)
    assert mapper.spec.names == ("arm/yaw", "arm/x")
    change = HERE.inverse() @ moved(mapper, [0.5, -1.0])
    np.testing.assert_allclose([*change.position, *change.rotvec], [-0.02, 0, 0, 0, 0, 0.05], atol=1e-8)


def test_measured_reference_forgets_what_was_sent():
    mapper = ActionMapper(ActionConfig(axes=("x",), frame="base"), FAKE_SPEC)
    mapper.sent({"arm": ArmTarget(Pose.of((9, 9, 9)))})
    assert moved(mapper, [1.0]).position[0] == pytest.approx(0.42)


def test_target_reference_adds_to_what_was_really_sent():
    mapper = ActionMapper(ActionConfig(axes=("x",), frame="base", reference="target"), FAKE_SPEC)
    assert moved(mapper, [0.5]).position[0] == pytest.approx(0.41)
    mapper.sent({"arm": ArmTarget(displace(HERE, [0.005, 0, 0, 0, 0, 0], "base"))})
    assert moved(mapper, [0.5]).position[0] == pytest.approx(0.415)
    mapper.begin_episode()
    assert moved(mapper, [0.5]).position[0] == pytest.approx(0.41)


def test_target_reference_of_a_blocked_arm_does_not_wind_up():
    mapper = ActionMapper(ActionConfig(axes=("x", "yaw"), reference="target"), FAKE_SPEC)
    for _ in range(20):
        target = moved(mapper, [1.0, 1.0])
        mapper.sent({"arm": ArmTarget(target)})
    assert target.distance(HERE) == pytest.approx((0.02, 0.3))


@given(six)
def test_leash_keeps_the_direction_and_what_is_near(offset):
    target = displace(HERE, [0.1 * value for value in offset], "base")
    near = leash(target, HERE, (0.02, 0.03))
    distance, angle = target.distance(HERE)
    assert near.distance(HERE) == pytest.approx((min(distance, 0.02), min(angle, 0.03)), abs=1e-7)
    left = near.distance(target)
    assert left == pytest.approx((max(distance - 0.02, 0), max(angle - 0.03, 0)), abs=1e-7)


def test_continuous_gripper_goes_from_closed_to_open():
    mapper = ActionMapper(ActionConfig(axes=("x",), gripper="continuous"), FAKE_SPEC)
    assert mapper.spec.discrete == ()
    assert [opened(mapper, value) for value in (-1.0, 0.0, 1.0)] == [0.0, 0.5, 1.0]


def test_discrete_gripper_holds_what_it_was_last_told():
    mapper = ActionMapper(ActionConfig(axes=("x",), gripper="discrete"), FAKE_SPEC)
    assert mapper.spec.discrete == (1,)
    told = [opened(mapper, value) for value in (0.4, -0.6, 0.0, 0.5, 0.51, -0.5)]
    assert told == [None, 0.0, 0.0, 0.0, 1.0, 1.0]
    mapper.begin_episode()
    assert opened(mapper, 0.0) is None


def test_without_gripper_it_is_never_told_anything():
    mapper = ActionMapper(ActionConfig(), FAKE_SPEC)
    assert mapper.spec.names == ("arm/x", "arm/y", "arm/z", "arm/yaw")
    assert set(mapper.command(mapper.check(np.ones(4)), state_at())) == {"arm"}


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1.01, -1.00001])
def test_bad_numbers_are_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"action 'arm/y' is .*\[-1, 1\]"):
        ActionMapper(ActionConfig(), FAKE_SPEC).check(np.array([0, bad, 0, 0]))


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((1, 4)), 0.5])
def test_wrong_shapes_are_refused_with_the_names(bad):
    with pytest.raises(ValueError, match=r"expected \(4,\): arm/x, arm/y, arm/z, arm/yaw"):
        ActionMapper(ActionConfig(), FAKE_SPEC).check(bad)


def test_what_is_no_array_is_refused():
    with pytest.raises(ValueError, match="not an array of numbers"):
        ActionMapper(ActionConfig(), FAKE_SPEC).check(["up", "down", "left", "right"])  # pyright: ignore


def test_checked_actions_are_copies_within_the_range():
    given_action = np.array([1 + 5e-7, -1, 0, 0.5])
    checked = ActionMapper(ActionConfig(), FAKE_SPEC).check(given_action)
    given_action[:] = 0
    assert checked.tolist() == [1, -1, 0, 0.5]
    assert checked.dtype == np.float32


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"axes": ("x", "w")}, "x y z roll pitch yaw".replace(" ", ", ")),
        ({"axes": ("x", "x")}, "distinct"),
        ({"axes": ()}, "at least one axis"),
        ({"position_scale_m": 0.0}, "positive"),
    ],
)
def test_bad_settings_say_why(settings, cause):
    with pytest.raises(ConfigError, match=cause):
        ActionConfig(**settings)


def test_a_part_that_the_robot_lacks_is_named():
    with pytest.raises(ConfigError, match=r"no ArmSpec part 'left'; it has: arm \(ArmSpec\), gripper \(GripperSpec\)"):
        ActionMapper(ActionConfig(part="left"), FAKE_SPEC)
    with pytest.raises(ConfigError, match="no GripperSpec part 'arm'"):
        ActionMapper(ActionConfig(gripper="discrete", gripper_part="arm"), FAKE_SPEC)
