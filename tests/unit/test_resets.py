"""The driven reset: opens, lifts, drives slowly to a random start, and says how far it got when it cannot."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hardware.fake import FAKE_SPEC, HOME, FakeRobot
from robot_rl.envs.actions import displace
from robot_rl.envs.resets import DrivenReset
from robot_rl.errors import ConfigError, ResetFailed
from robot_rl.geometry import Pose
from robot_rl.specs import ArmSpec
from robot_rl.types import ArmState, ArmTarget, GripperState, GripperTarget

START = Pose.of((0.5, 0.1, 0.25), (math.pi, 0, 0))
RESET = DrivenReset(START, position_noise_m=(0.05, 0.05, 0.02), rotation_noise_rad=(0.0, 0.0, 0.4))


def arm_of(robot: FakeRobot) -> ArmState:
    arm = robot.read()["arm"]
    assert isinstance(arm, ArmState)
    return arm


def put(robot: FakeRobot, pose: Pose, opening: float = 0.0) -> None:
    robot.place({"arm": replace(arm_of(robot), pose=pose), "gripper": GripperState(opening, 0.0)})


@pytest.fixture
def robot():
    made = FakeRobot()
    made.connect()
    put(made, Pose.of((0.3, -0.2, 0.1), (math.pi, 0.1, 0)))
    made.sent.clear()
    return made


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_ends_at_the_start_that_the_seed_draws_wherever_it_came_from(robot):
    ends = []
    for position in [(0.3, -0.2, 0.1), (0.65, 0.25, 0.45)]:
        put(robot, Pose.of(position, (math.pi, 0, 0)))
        RESET(robot, rng(7))
        ends.append(arm_of(robot).pose)
    assert max(ends[0].distance(RESET.sample_start(rng(7)))) < 1e-6
    assert max(ends[0].distance(ends[1])) < 1e-6


def test_starts_fill_the_box_around_the_middle_and_no_more():
    draw = rng()
    drawn = [RESET.sample_start(draw) for _ in range(500)]
    offsets = np.array([pose.position - START.position for pose in drawn])
    yaws = np.array([(START.inverse() @ pose).rotvec for pose in drawn])
    for values, bound in ((offsets, [0.05, 0.05, 0.02]), (yaws, [0, 0, 0.4])):
        assert np.all(np.abs(values) <= np.array(bound) + 1e-9)
        assert np.all(np.abs(values).max(0) >= 0.9 * np.array(bound) - 1e-9)


def test_opens_first_then_lifts_then_drives(robot):
    before = arm_of(robot).pose
    RESET(robot, rng())
    parts = [next(iter(command)) for command in robot.sent]
    assert parts == sorted(parts, reverse=True)  # all of the gripper's commands, then all of the arm's
    assert {"arm", "gripper"} == set(parts)
    targets = [command["arm"].pose.position for command in robot.sent if isinstance(command.get("arm"), ArmTarget)]
    lifting = [position for position in targets if np.allclose(position[:2], before.position[:2])]
    assert max(position[2] for position in lifting) == pytest.approx(before.position[2] + 0.05)
    assert len(lifting) < len(targets)


def test_every_step_is_within_the_resets_own_speed(robot):
    slow = replace(RESET, max_speed_m_s=0.1, max_angular_speed_rad_s=0.5)
    poses = []
    robot.clock.on_advance(lambda: poses.append(arm_of(robot).pose))
    slow(robot, rng())
    steps = [here.distance(there) for here, there in pairwise(poses)]
    assert max(step[0] for step in steps) == pytest.approx(0.01)
    assert max(step[1] for step in steps) <= 0.05 + 1e-6


def test_every_target_is_inside_the_workspace_once_the_tool_is(robot):
    spec = robot.spec.parts["arm"]
    assert isinstance(spec, ArmSpec)
    put(robot, Pose.of((0.3, 0.5, 0.49), (math.pi, 0.9, 0)))  # pushed out of the box, and tilted more than allowed
    RESET(robot, rng())
    assert np.all(arm_of(robot).pose.position <= spec.workspace_high)
    heights = [command["arm"].pose.position[2] for command in robot.sent if isinstance(command.get("arm"), ArmTarget)]
    assert max(heights) <= spec.workspace_high[2]


def test_can_close_on_what_it_holds(robot):
    replace(RESET, opening=0.0)(robot, rng())
    assert not any(isinstance(command.get("gripper"), GripperTarget) for command in robot.sent)


def test_works_without_a_gripper():
    robot = FakeRobot(spec=replace(FAKE_SPEC, parts={"arm": FAKE_SPEC.parts["arm"]}))
    robot.connect()
    RESET(robot, rng())
    assert max(arm_of(robot).pose.distance(RESET.sample_start(rng()))) < 1e-6


def test_a_blocked_arm_fails_with_the_distance_and_is_stopped(robot):
    blocked = arm_of(robot)
    robot.clock.on_advance(lambda: robot.place({"arm": blocked}))
    stops = robot.num_stops
    with pytest.raises(ResetFailed, match=r"'arm' is 0.050 m and 0.00 rad from the lifted pose after 10 s"):
        RESET(robot, rng())
    assert robot.num_stops == stops + 1


def test_a_blocked_gripper_fails_with_its_opening_and_the_arm_never_moves(robot):
    robot.clock.on_advance(lambda: robot.place({"gripper": GripperState(0.3, 0.0)}))
    with pytest.raises(ResetFailed, match=r"'gripper' is at opening 0.30 and not at 1.00"):
        RESET(robot, rng())
    assert not any("arm" in command for command in robot.sent)


def test_a_start_outside_the_workspace_fails(robot):
    with pytest.raises(ResetFailed, match="from the start pose"):
        DrivenReset(Pose.of((0.9, 0, 0.3), (math.pi, 0, 0)), timeout_s=3.0)(robot, rng())


def test_is_over_only_when_the_tool_is_at_rest(robot):
    put(robot, HOME, opening=1.0)
    robot.clock.advance(0.1)
    near = replace(RESET, start=displace(HOME, [0.004, 0, 0, 0, 0, 0], "base"), lift_m=0.0, position_noise_m=(0, 0, 0))
    robot.command({"arm": ArmTarget(displace(HOME, [0.2, 0, 0, 0, 0, 0], "base"))})
    robot.clock.advance(0.008)
    near(robot, rng())
    assert len(robot.sent) > 1  # it was near enough at once, but still moving
    assert np.allclose(arm_of(robot).twist, 0)


def test_bad_settings_say_why():
    with pytest.raises(ConfigError, match="control_dt 0"):
        DrivenReset(START, control_dt=0.0)
