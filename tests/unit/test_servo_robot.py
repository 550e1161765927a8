"""A robot of bus servos that loses its cable, a servo, power or its way holds, says what happened, and presses with little."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import numpy as np
import pytest
from toy_servo import SO101, angles, so101

from hardware.servo_bus import feetech_bus
from hardware.servo_calibration import save_calibration
from hardware.so101 import ARM_JOINTS, make_so101
from robot_rl.envs.safety import limit
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, ArmTarget, GripperTarget, JointTarget

UP = Pose.of((0.0, 0.0, -0.05))
"""Of a tool that points down, tcp axes."""


def arm_of(robot):
    state = robot.read()["arm"]
    assert isinstance(state, ArmState)
    return state


def test_nothing_moves_when_it_is_connected_and_motors_are_on_then(tmp_path):
    with so101(tmp_path, is_connected=False) as (robot, bus):
        for servo in bus.servos.values():
            servo.set("goal_position", 3000)  # what somebody else told it before
        before = angles(bus, SO101, ARM_JOINTS)
        robot.connect()
        robot.clock.advance(1.0)
        assert {servo.get("torque_enable") for servo in bus.servos.values()} == {1}
        np.testing.assert_allclose(angles(bus, SO101, ARM_JOINTS), before, atol=0.002)


def test_limits_are_sent_to_the_servos(tmp_path):
    with so101(tmp_path, torque_limit=0.5, gripper_torque_limit=0.25, max_qvel=1.0) as (_, bus):
        assert [servo.get("torque_limit") for servo in bus.servos.values()] == [500] * 5 + [250]
        assert {servo.get("goal_speed") for servo in bus.servos.values()} == {round(4096 / (2 * np.pi))}


def test_a_goal_is_never_far_from_where_the_joint_is(tmp_path):
    """A wall stops a joint, and a policy goes on pushing: the goal stays within the reference error, and so does the force."""
    with so101(tmp_path, max_reference_error_rad=0.2) as (robot, bus):
        servo = bus.servos[SO101["shoulder_lift"].id]
        servo.wall = (servo.encoder - 20, servo.encoder + 20)
        start = arm_of(robot).pose
        for step in range(1, 30):
            robot.command({"arm": ArmTarget(start @ Pose.of((0.02 * step, 0.0, -0.01 * step)))})
            robot.clock.advance(0.1)
            for joint in ARM_JOINTS:
                servo = bus.servos[SO101[joint].id]
                error = abs(servo.get("goal_position") - servo.position) * 2 * np.pi / 4096
                assert error < 0.2 + 0.002
        assert abs(bus.servos[SO101["shoulder_lift"].id].get("load")) <= 1000 * 0.6


def test_a_gripper_holds_what_it_closed_on_with_a_bounded_goal(tmp_path):
    with so101(tmp_path, max_reference_error_rad=0.2) as (robot, bus):
        finger = bus.servos[6]
        finger.wall = (finger.encoder - 30, 9999)
        for _ in range(10):
            sent = robot.command({"gripper": GripperTarget(0.0)})["gripper"]
            robot.clock.advance(0.1)
        assert (finger.position - finger.get("goal_position")) * 2 * np.pi / 4096 == pytest.approx(0.2, abs=0.002)
        assert isinstance(sent, GripperTarget)
        assert sent.opening > 0.2  # it says where it was really sent


def test_a_pose_out_of_reach_becomes_the_nearest_and_is_told(tmp_path):
    with so101(tmp_path) as (robot, bus):
        start = arm_of(robot).pose
        target = Pose(np.array([0.9, 0.0, 0.1]), start.quaternion)
        for _ in range(40):
            sent = robot.command({"arm": ArmTarget(target)})["arm"]
            robot.clock.advance(0.2)
        assert isinstance(sent, ArmTarget)
        pose = arm_of(robot).pose
        assert pose.distance(sent.pose)[0] < 0.005
        assert 0.3 < pose.position[0] < 0.5
        for joint in ARM_JOINTS:
            servo = bus.servos[SO101[joint].id]
            assert SO101[joint].range_min <= servo.get("goal_position") <= SO101[joint].range_max


def test_the_limited_tool_follows_a_path_of_small_steps(tmp_path):
    """As an environment drives it: deltas through the safety limit, at 10 Hz."""
    with so101(tmp_path) as (robot, _):
        target = arm_of(robot).pose
        for delta in [(0.01, 0.0, 0.0)] * 5 + [(0.0, 0.01, 0.0)] * 5 + [(0.0, 0.0, -0.01)] * 5:
            target = target @ Pose.of(delta)
            robot.command(limit({"arm": ArmTarget(target)}, robot.read(), robot.spec, 0.1).command)
            robot.clock.advance(0.1)
        robot.clock.advance(0.3)
        assert arm_of(robot).pose.distance(target)[0] < 0.003


def test_unplugged_in_motion_it_says_so_and_the_servos_stop_at_a_goal_that_is_near(tmp_path):
    with so101(tmp_path, max_reference_error_rad=0.25) as (robot, bus):
        start = angles(bus, SO101, ARM_JOINTS)
        robot.command({"arm": ArmTarget(arm_of(robot).pose @ UP)})
        robot.clock.advance(0.05)
        bus.unplug()
        for call in (robot.read, lambda: robot.command({})):
            with pytest.raises(DeviceError, match="check the USB cable"):
                call()
        robot.stop()
        robot.clock.advance(5.0)
        assert np.abs(angles(bus, SO101, ARM_JOINTS) - start).max() < 0.25 + 0.002


def test_a_servo_that_stops_answering_is_named_and_the_others_are_held(tmp_path, caplog):
    with so101(tmp_path) as (robot, bus):
        robot.command({"arm": ArmTarget(arm_of(robot).pose @ UP)})
        robot.clock.advance(0.02)
        bus.servos[3].is_silent = True
        with pytest.raises(DeviceError, match=r"no answer from servo 3 \(elbow_flex\).*check its cable"):
            robot.read()
        with caplog.at_level(logging.ERROR):
            robot.stop()
        assert "servo 3 (elbow_flex)" in caplog.text
        held = angles(bus, SO101, ("shoulder_pan", "shoulder_lift", "wrist_flex", "wrist_roll"))
        robot.clock.advance(2.0)
        again = angles(bus, SO101, ("shoulder_pan", "shoulder_lift", "wrist_flex", "wrist_roll"))
        np.testing.assert_allclose(again, held, atol=0.002)


def test_stop_holds_in_motion_from_another_thread(tmp_path):
    with so101(tmp_path) as (robot, bus):
        robot.command({"arm": ArmTarget(arm_of(robot).pose @ UP)})
        robot.clock.advance(0.05)
        here = angles(bus, SO101, ARM_JOINTS)
        thread = threading.Thread(target=robot.stop)
        thread.start()
        thread.join()
        robot.clock.advance(2.0)
        np.testing.assert_allclose(angles(bus, SO101, ARM_JOINTS), here, atol=0.02)


def test_stop_is_told_again_when_answers_are_lost(tmp_path):
    with so101(tmp_path) as (robot, bus):
        robot.command({"arm": ArmTarget(arm_of(robot).pose @ UP)})
        robot.clock.advance(0.05)
        here, bus.lose_next = angles(bus, SO101, ARM_JOINTS), 3
        robot.stop()
        robot.clock.advance(2.0)
        np.testing.assert_allclose(angles(bus, SO101, ARM_JOINTS), here, atol=0.02)


@pytest.mark.parametrize(
    ("bits", "said"),
    [(0x20, "overload"), (0x01, "voltage out of range"), (0x04, "too hot"), (0x28, "too much current, overload")],
)
def test_what_a_servo_reports_is_an_error_with_its_name_and_measurements(tmp_path, bits, said):
    with so101(tmp_path) as (robot, bus):
        bus.servos[2].faults = bits
        with pytest.raises(DeviceError, match=rf"servo 2 \(shoulder_lift\).*{said}.*7.4 V, 30 degrees"):
            robot.read()


def test_heat_and_low_voltage_are_errors_before_the_servo_gives_up(tmp_path):
    with so101(tmp_path) as (robot, bus):
        bus.servos[4].set("temperature", 66)
        with pytest.raises(DeviceError, match=r"servo 4 \(wrist_flex\).*hotter than 65.*let it rest"):
            robot.read()
        bus.servos[4].set("temperature", 40)
        bus.servos[1].set("voltage", 45)
        with pytest.raises(DeviceError, match=r"servo 1 \(shoulder_pan\).*less than 4.8 V; check the power supply"):
            robot.read()


def test_a_servo_that_restarted_has_let_go_and_that_is_noticed(tmp_path):
    with so101(tmp_path) as (robot, bus):
        bus.servos[5].restart()
        with pytest.raises(DeviceError, match=r"servo 5 \(wrist_roll\).*its motor is off: it restarted"):
            robot.read()
        robot.close()
        robot.connect()
        assert robot.read()


def test_numbers_that_are_not_finite_and_wrong_targets_send_nothing(tmp_path):
    with so101(tmp_path) as (robot, bus):
        before = [servo.get("goal_position") for servo in bus.servos.values()]
        bad = Pose(np.array([np.nan, 0, 0]), np.array([1.0, 0, 0, 0]))
        with pytest.raises(ValueError, match="arm target is not finite"):
            robot.command({"gripper": GripperTarget(0.9), "arm": ArmTarget(bad)})
        with pytest.raises(ValueError, match="gripper target is not finite"):
            robot.command({"gripper": GripperTarget(float("nan"))})
        with pytest.raises(ValueError, match=r"part 'arm' is a ArmSpec and cannot follow a JointTarget"):
            robot.command({"arm": JointTarget(np.zeros(5))})
        assert [servo.get("goal_position") for servo in bus.servos.values()] == before


def test_another_arms_calibration_is_refused_before_a_motor_is_on(tmp_path):
    with so101(tmp_path, is_connected=False) as (robot, bus):
        bus.servos[2].set("homing_offset", 500)
        with pytest.raises(DeviceError, match=r"servo 2 \(shoulder_lift\).*offset 500, the calibration says -13.*another arm"):
            robot.connect()
        bus.servos[2].set("homing_offset", -13)
        bus.servos[4].set("mode", 1)
        with pytest.raises(DeviceError, match=r"servo 4 \(wrist_flex\).*mode 1"):
            robot.connect()
        bus.servos[4].set("mode", 0)
        bus.servos[1].place(3900)
        with pytest.raises(DeviceError, match=r"servo 1 \(shoulder_pan\).*at 3900, outside its range 760..3300"):
            robot.connect()
        assert {servo.get("torque_enable") for servo in bus.servos.values()} == {0}
        with pytest.raises(DeviceError, match=r"connect\(\)"):
            robot.read()


def test_a_wrong_id_is_named_with_the_ids_that_answer(tmp_path):
    calibration = {**SO101, "gripper": replace(SO101["gripper"], id=9)}
    with so101(tmp_path, is_connected=False) as (_, bus):
        save_calibration(tmp_path / "wrong.json", calibration)
        robot = make_so101(bus.path, str(tmp_path / "wrong.json"))
        with pytest.raises(
            DeviceError, match=r"no answer from servo 9 \(gripper\).*1000000 baud; ids that answer instead: \[6\]"
        ):
            robot.connect()


def test_closed_it_holds_or_lets_go_as_configured(tmp_path):
    for is_limp, torque in ((False, 1), (True, 0)):
        with so101(tmp_path, is_limp_when_closed=is_limp) as (robot, bus):
            robot.close()
            bus.settle()
            wait_for(bus)
            assert {servo.get("torque_enable") for servo in bus.servos.values()} == {torque}


def wait_for(bus):
    """Return once the bus has taken what was sent to it before, which is not acknowledged."""
    asking = feetech_bus(bus.path, {1: "any"})
    asking.connect()
    asking.close()


def test_options_that_do_not_fit_are_listed(tmp_path):
    save_calibration(tmp_path / "arm.json", SO101)
    with pytest.raises(ConfigError, match=r"no option 'torque'; they have: .*torque_limit"):
        make_so101("/dev/null", str(tmp_path / "arm.json"), torque=0.5)
    for name, value in (("torque_limit", 1.5), ("gripper_torque_limit", 0), ("max_reference_error_rad", -1), ("max_qvel", 0)):
        with pytest.raises(ConfigError, match=name):
            make_so101("/dev/null", str(tmp_path / "arm.json"), **{name: value})


def test_speeds_are_of_the_joints_and_the_tool(tmp_path):
    with so101(tmp_path, max_qvel=1.0) as (robot, _):
        before = arm_of(robot)
        robot.command({"arm": ArmTarget(before.pose @ UP)})
        robot.clock.advance(0.05)
        middle = arm_of(robot)
        robot.clock.advance(0.02)
        after = arm_of(robot)
        measured = (after.pose.position - middle.pose.position) / 0.02
        np.testing.assert_allclose(middle.twist[:3], measured, atol=0.05)
        assert np.abs(middle.qvel).max() <= 1.0 + 0.01
        assert np.linalg.norm(measured) > 0.05


def test_goals_are_bounded_by_where_the_joints_are_now_and_not_by_an_old_reading(tmp_path):
    with so101(tmp_path, max_reference_error_rad=0.1) as (robot, bus):
        target = arm_of(robot).pose @ Pose.of((0.0, 0.15, 0.0))
        robot.clock.advance(0.5)
        pan = bus.servos[1]
        pan.set("torque_enable", 1)
        pan.set("goal_position", pan.get("goal_position") - 300)  # pushed aside since
        bus.settle()
        robot.clock.advance(1.0)
        robot.command({"arm": ArmTarget(target)})
        assert abs(pan.get("goal_position") - pan.position) * 2 * np.pi / 4096 < 0.1 + 0.002
