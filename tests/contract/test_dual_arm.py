"""Two arms as one robot keep the contract of every robot, fakes and simulated ones, and keep clear of each other."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from contract.robot_contract import RobotContract

from hardware.clock import ManualClock, WallClock
from hardware.dual_arm import DualArm, make_dual_arm
from hardware.fake import FakeRobot
from robot_rl.envs.clearance import tool_clearance
from robot_rl.envs.safety import limit
from robot_rl.errors import ConfigError, DeviceError, RobotFault
from robot_rl.geometry import Pose
from robot_rl.specs import ClearanceSpec
from robot_rl.station_file import load_station
from robot_rl.types import ArmTarget, GripperTarget
from sim.two_arms import make_two_arms

SIDE_BY_SIDE = ClearanceSpec(("left_arm", "right_arm"), base_position=(0.0, -0.6, 0.0))
UP = Pose.of((0.0, 0.0, -0.02))
SHOWN_MARGIN_M = 0.01
"""By which simulated tools may come nearer than their targets do: they are heavy and follow with a spring."""


def two_fakes():
    clock = ManualClock()
    return {"left": FakeRobot(clock), "right": FakeRobot(clock)}


def connected(robots):
    robot = DualArm(robots, (SIDE_BY_SIDE,))
    robot.connect()
    return robot


class TestDualFake(RobotContract):
    def make(self):
        return DualArm(two_fakes(), (SIDE_BY_SIDE,))


class TestDualSim(RobotContract):
    def make(self):
        return DualArm(make_two_arms(), (SIDE_BY_SIDE,))


@pytest.mark.parametrize("robots", [two_fakes, make_two_arms])
def test_arms_told_to_meet_stop_at_the_margin_and_separate_again(robots):
    robot, dt = connected(robots()), 0.1
    start = {name: part.pose for name, part in robot.read().items() if name.endswith("arm")}
    middle = {
        "left_arm": ArmTarget(Pose(np.array([0.5, -0.29, 0.3]), start["left_arm"].quaternion)),
        "right_arm": ArmTarget(Pose(np.array([0.5, 0.29, 0.3]), start["right_arm"].quaternion)),
    }  # 2 cm apart
    nearest, clamped = math.inf, set()
    for goal in (middle, {name: ArmTarget(pose) for name, pose in start.items()}):
        for _ in range(30):
            state = robot.read()
            limited = limit(goal, state, robot.spec, dt)
            clamped |= set(limited.clamped)
            robot.command(limited.command)
            robot.clock.sleep_until(robot.clock.now() + dt)
            state = robot.read()
            nearest = min(nearest, tool_clearance(state["left_arm"].pose, state["right_arm"].pose, SIDE_BY_SIDE))
    assert SIDE_BY_SIDE.margin - SHOWN_MARGIN_M < nearest < SIDE_BY_SIDE.margin + SHOWN_MARGIN_M
    assert {"left_arm/clearance", "right_arm/clearance"} <= clamped
    for name, pose in start.items():
        assert robot.read()[name].pose.distance(pose)[0] < 0.005
    robot.close()


@pytest.mark.parametrize("method", ["read", "command"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_one_failing_arm_holds_both_and_is_named(side, method):
    robots = two_fakes()
    robot = connected(robots)
    targets = {f"{each}_arm": ArmTarget(robot.read()[f"{each}_arm"].pose @ Pose.of((0, 0, -0.2))) for each in robots}
    robot.command(targets)
    robots[side].fail_next(method)
    with pytest.raises(DeviceError, match=rf"^{side}: fake: the cable is out"):
        robot.read() if method == "read" else robot.command(targets)
    held = {name: robot.read()[name].pose for name in targets}
    robot.clock.advance(1.0)
    for name in targets:
        assert robot.read()[name].pose.distance(held[name]) == (0.0, 0.0)


def test_a_stop_that_raises_does_not_keep_the_other_arm_moving():
    robots = two_fakes()
    robot = connected(robots)

    def broken():
        raise DeviceError("no answer")

    robots["left"].stop = broken
    robot.stop()
    assert robots["right"].num_stops == 1


def test_an_arm_that_cannot_connect_leaves_none_connected():
    robots = two_fakes()
    robots["right"].fail_next("connect")
    with pytest.raises(DeviceError, match="right: fake: the cable is out"):
        connected(robots)
    with pytest.raises(DeviceError, match=r"connect\(\)"):
        robots["left"].read()


def test_an_unknown_part_sends_nothing_to_either():
    robots = two_fakes()
    robot = connected(robots)
    with pytest.raises(ValueError, match="no part 'arm'; it has: left_arm, left_gripper, right_arm, right_gripper"):
        robot.command({"left_gripper": GripperTarget(0.0), "arm": GripperTarget(0.0)})
    assert robots["left"].sent == robots["right"].sent == []


def test_each_arm_gets_its_own_targets():
    robots = two_fakes()
    robot = connected(robots)
    sent = robot.command({"left_gripper": GripperTarget(0.1), "right_gripper": GripperTarget(0.2)})
    assert sent == {"left_gripper": GripperTarget(0.1), "right_gripper": GripperTarget(0.2)}
    assert robots["left"].sent == [{"gripper": GripperTarget(0.1)}]
    assert robots["right"].sent == [{"gripper": GripperTarget(0.2)}]


def test_two_clocks_are_refused():
    with pytest.raises(ConfigError, match="left on a ManualClock, right on a WallClock"):
        DualArm({"left": FakeRobot(), "right": FakeRobot(WallClock())}, (SIDE_BY_SIDE,))


def test_a_station_file_builds_both_on_one_clock(tmp_path):
    (tmp_path / "two.toml").write_text("""
[robot]
driver = "dual_arm"
[robot.options]
left = { driver = "fake", options = { real_time = true } }
right = { driver = "fake", options = { real_time = true } }
base_position_m = [0.0, -0.6, 0.0]
margin_m = 0.07
""")
    robot = load_station("two", tmp_path).build_robot()
    assert robot.spec.clearances[0].margin == 0.07
    robot.connect()
    assert set(robot.read()) == {"left_arm", "left_gripper", "right_arm", "right_gripper"}
    robot.close()


def test_the_shipped_station_of_two_arms_keeps_a_distance():
    spec = load_station("dual_arm", Path(__file__).parents[2] / "stations").build_robot().spec
    assert spec.clearances == (SIDE_BY_SIDE,)
    assert spec.parts["left_arm"].workspace_high == (0.7, 0.3, 0.45)


def test_what_a_side_cannot_take_is_named():
    with pytest.raises(ConfigError, match=r"options of the right robot do not fit driver 'fake': .*'adress'"):
        make_dual_arm({"driver": "fake"}, {"driver": "fake", "options": {"adress": "x"}}, (0.0, -0.6, 0.0))
    with pytest.raises(ConfigError, match="'left' of a dual_arm takes driver and options"):
        make_dual_arm({}, {"driver": "fake"}, (0.0, -0.6, 0.0))


def test_only_the_arm_that_does_not_answer_is_recovered(monkeypatch):
    class Stopped(FakeRobot):
        recovered, is_stopped = 0, False

        def connect(self):
            if self.is_stopped:
                raise RobotFault("protective stop")
            super().connect()

        def recover(self):
            self.recovered, self.is_stopped = self.recovered + 1, False

    clock = ManualClock()
    left, right = Stopped(clock), Stopped(clock)
    robot = DualArm({"left": left, "right": right}, (SIDE_BY_SIDE,))
    right.is_stopped = True
    with pytest.raises(RobotFault, match="right: protective stop"):
        robot.connect()
    robot.recover()
    robot.connect()
    assert robot.read()
    assert (left.recovered, right.recovered) == (0, 1)
    monkeypatch.setattr(left, "recover", None)
    monkeypatch.setattr(left, "connect", lambda: (_ for _ in ()).throw(RobotFault("protective stop")))
    with pytest.raises(RobotFault, match="left: protective stop"):
        robot.recover()
