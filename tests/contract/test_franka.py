"""The Franka driver keeps the contract on franky's real tracker and motions; only what opens connections is replaced."""

from __future__ import annotations

import ast
import inspect
import math
from pathlib import Path

import franky
import numpy as np
import pytest
from contract.robot_contract import RobotContract
from toy_franka import ToyFranka, ToyGripper, ToyRobot

from hardware.clock import ManualClock
from hardware.fake import HOME
from hardware.franka import FrankaRobot
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, ArmTarget, GripperTarget

FREE = Pose.of((0.45, 0.0, 0.35), (math.pi, 0.0, 0.0))


@pytest.fixture
def clock():
    return ManualClock(5.0)


@pytest.fixture
def toy(monkeypatch, clock):
    return ToyFranka(monkeypatch, clock)


@pytest.fixture
def robot(toy, clock):
    robot = FrankaRobot("172.16.0.2", clock=clock, hand_in_background=False)
    robot.connect()
    return robot


class TestFrankaRobot(RobotContract):
    @pytest.fixture(autouse=True)
    def _toy(self, toy, clock):
        self.clock = clock

    def make(self):
        return FrankaRobot("172.16.0.2", clock=self.clock, hand_in_background=False)


class TestFrankaArmWithoutHand(TestFrankaRobot):
    def make(self):
        return FrankaRobot("172.16.0.2", clock=self.clock, hand=False)


def arm_of(robot: FrankaRobot) -> ArmState:
    arm = robot.read()["arm"]
    assert isinstance(arm, ArmState)
    return arm


def test_the_spring_is_the_one_the_spec_promises(robot, toy):
    motion = toy.robot.motions[-1]
    assert isinstance(motion, franky.CartesianImpedanceTrackingMotion)
    arm = robot.spec.parts["arm"]
    np.testing.assert_allclose(np.diag(motion.params.stiffness), [arm.stiffness[0]] * 3 + [arm.stiffness[1]] * 3)
    np.testing.assert_allclose(motion.params.translational_error_clip, arm.max_spring[0])
    np.testing.assert_allclose(motion.params.rotational_error_clip, arm.max_spring[1])


def test_collision_thresholds_reach_the_arm(toy, clock):
    FrankaRobot("h", clock=clock, hand=False, max_contact_force_n=25.0, max_contact_torque_nm=12.0).connect()
    assert toy.robot.collision == (12.0, 25.0)


def test_a_spring_that_would_always_end_in_a_reflex_is_refused():
    with pytest.raises(ConfigError, match="40 N"):
        FrankaRobot("h", max_contact_force_n=40.0, stiffness=(2000.0, 50.0), max_spring=(0.02, 0.3))


def test_wrench_is_what_the_surroundings_exert_at_the_tcp(robot, toy):
    toy.robot.wrench = np.array([0.0, 10.0, 0.0, 0.0, 0.0, 0.0])  # the arm pushes to +y, 0.1 m along the tool, which is down
    np.testing.assert_allclose(arm_of(robot).wrench, [0, -10, 0, -1, 0, 0], atol=1e-9)


@pytest.mark.parametrize("mode", ["Reflex", "UserStopped"])
def test_a_stopped_arm_is_told_of_and_recovers_on_request_only(robot, toy, clock, mode):
    robot.command({"arm": ArmTarget(FREE)})
    clock.advance(0.02)
    arm_of(robot)
    toy.robot.fall(getattr(franky.RobotMode, mode))
    clock.advance(1.0)
    for call in (robot.read, lambda: robot.command({"arm": ArmTarget(FREE)})):
        with pytest.raises(DeviceError, match=rf"172\.16\.0\.2.*{mode}.*recover\(\)"):
            call()
    assert toy.robot.num_recoveries == 0
    robot.stop()
    robot.recover()
    stopped = arm_of(robot).pose
    clock.advance(1.0)
    assert arm_of(robot).pose.distance(stopped)[0] < 1e-6, "a recovered arm must not go on to its old target"
    robot.command({"arm": ArmTarget(FREE)})


def test_an_arm_in_reflex_is_not_connected_and_can_be_recovered_first(toy, clock):
    robot = FrankaRobot("h", clock=clock, hand=False)
    robot.connect()
    robot.close()
    robot._open()
    toy.robot.fall()
    with pytest.raises(DeviceError, match="cartesian_reflex"):
        robot.connect()
    robot.recover()
    robot.connect()
    assert robot.read()


def test_errors_that_stay_are_said(robot, toy):
    toy.robot.fall()
    toy.robot.can_recover = False
    with pytest.raises(DeviceError, match="errors stay"):
        robot.recover()


def test_a_state_whose_time_stands_still_is_stale(robot, toy, clock):
    robot.read()
    toy.robot.frozen_at = clock.now()
    clock.advance(0.1)
    robot.read()
    clock.advance(0.15)
    with pytest.raises(DeviceError, match=r"stood still for 0\.2"):
        robot.read()


def test_a_command_that_a_stop_overtakes_does_not_move_the_arm(robot, toy, clock, monkeypatch):
    anchor = robot._anchor

    def stop_first(pose: Pose) -> None:
        robot.stop()  # as another thread would, between the check and the sending
        anchor(pose)

    monkeypatch.setattr(robot, "_anchor", stop_first)
    robot.command({"arm": ArmTarget(FREE)})
    clock.advance(1.0)
    assert arm_of(robot).pose.distance(HOME)[0] < 1e-6


def test_a_target_that_is_not_finite_is_not_sent(robot, clock):
    with pytest.raises(ValueError, match="not finite"):
        robot.command({"arm": ArmTarget(Pose(np.array([np.nan, 0, 0]), FREE.quaternion))})
    clock.advance(1.0)
    assert arm_of(robot).pose.distance(HOME)[0] < 1e-6


def test_closing_is_one_grasp_and_the_newest_target_waits(robot, toy, clock):
    for opening in (0.5, 0.3, 0.0, 0.0):
        robot.command({"gripper": GripperTarget(opening)})
    for _ in range(10):
        clock.advance(0.1)
        robot.read()
    assert [call[:2] for call in toy.gripper.calls] == [("move", 0.04), ("grasp", 0.0)]
    assert toy.gripper.calls[-1][3] == 40.0


def test_stop_leaves_a_grasp_that_holds_and_stops_fingers_that_move(robot, toy, clock):
    robot.command({"gripper": GripperTarget(0.0)})
    robot.stop()
    assert toy.gripper.calls[-1] == ("stop",)
    clock.advance(1.0)
    robot.command({"gripper": GripperTarget(0.0)})
    clock.advance(1.0)
    robot.read()
    robot.stop()
    assert toy.gripper.calls[-1][0] == "grasp"


def test_a_hand_that_is_gone_is_named_and_blocked_fingers_are_no_fault(robot, toy, clock):
    toy.gripper.outcome = franky.CommandException("fingers are blocked")
    robot.command({"gripper": GripperTarget(0.5)})
    clock.advance(1.0)
    assert robot.read()
    toy.gripper.error = franky.NetworkException("hand gone")
    with pytest.raises(DeviceError, match=r"franka hand.*hand gone"):
        robot.read()


def test_an_address_where_no_arm_is_names_itself_and_the_fix():
    with pytest.raises(DeviceError, match=r"127\.0\.0\.1.*FCI mode.*NetworkException"):
        FrankaRobot("127.0.0.1").connect()  # the real SDK, which finds nobody


STUB = ast.parse((Path(franky.__file__).parent / "_franky.pyi").read_text(encoding="utf-8"))


def stub_of(name: str) -> dict[str, list[list[str]]]:
    """Return a class's methods and properties with the parameters of each overload, as the package itself declares them."""
    found: dict[str, list[list[str]]] = {}
    for node in STUB.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for each in node.body:
                if isinstance(each, ast.FunctionDef):
                    found.setdefault(each.name, []).append([argument.arg for argument in each.args.args[1:]])
    return found


@pytest.mark.parametrize(("toy_class", "stub"), [(ToyRobot, "_RobotInternal"), (ToyGripper, "Gripper")])
def test_what_replaces_the_sdk_takes_what_the_sdk_takes(toy_class, stub):
    real = stub_of(stub)
    for name, member in vars(toy_class).items():
        if (name.startswith("_") and name != "__init__") or name == "fall":
            continue
        assert name in real, f"{stub} has no {name}"
        if inspect.isfunction(member):
            taken = [
                key
                for key, parameter in inspect.signature(member).parameters.items()
                if parameter.kind != parameter.KEYWORD_ONLY
            ]
            assert any(taken[1:] == overload[: len(taken) - 1] for overload in real[name]), (name, taken, real[name])


def test_states_have_no_entry_that_the_sdk_has_not(robot, toy):
    assert set(vars(toy.robot.state)) <= set(stub_of("RobotState"))
    assert set(vars(toy.gripper.state)) <= set(stub_of("GripperState"))
    assert ["frame", "state"] in stub_of("Model")["zero_jacobian"]
    assert {"get", "wait"} <= set(stub_of("BoolFuture"))
