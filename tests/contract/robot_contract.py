"""What every `Robot` keeps, fake, simulated or real. Subclass it, call the class `Test...`, and say how one is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from robot_rl.envs.safety import limit
from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose
from robot_rl.protocols import Robot
from robot_rl.specs import ArmSpec, GripperSpec
from robot_rl.types import ArmState, ArmTarget, Command, GripperState, GripperTarget, PartState


class RobotContract:
    """Tests that need nothing but `make`. The arm must have 3 cm of free way where it starts."""

    move = Pose.of((0.0, 0.0, -0.03), (0.0, 0.0, 0.2))
    """How far `test_goes_where_it_is_told` moves the tool, tcp axes: up if it points down, with a turn."""
    position_tolerance_m = 0.005
    rotation_tolerance_rad = 0.05
    opening_tolerance = 0.1
    control_dt = 0.1
    num_steps = 30

    def make(self) -> Robot:
        """Return a robot that has not been connected."""
        raise NotImplementedError

    @contextmanager
    def connected(self) -> Iterator[Robot]:
        robot = self.make()
        robot.connect()
        try:
            yield robot
        finally:
            robot.close()

    def drive(self, robot: Robot, command: Command) -> None:
        """Send `command` through the safety limit at the control rate, as an environment does."""
        for _ in range(self.num_steps):
            deadline = robot.clock.now() + self.control_dt
            robot.command(limit(command, robot.read(), robot.spec, self.control_dt).command)
            robot.clock.sleep_until(deadline)

    def test_is_a_robot(self):
        assert isinstance(self.make(), Robot)

    def test_spec_is_readable_before_connect(self):
        assert self.make().spec.parts

    def test_read_before_connect_names_the_remedy(self):
        with pytest.raises(DeviceError, match=r"connect\(\)"):
            self.make().read()

    def test_command_before_connect_names_the_remedy(self):
        with pytest.raises(DeviceError, match=r"connect\(\)"):
            self.make().command({})

    def test_read_after_close_names_the_remedy(self):
        with self.connected() as robot:
            pass
        with pytest.raises(DeviceError, match=r"connect\(\)"):
            robot.read()

    def test_connects_twice_and_again_after_close(self):
        with self.connected() as robot:
            robot.connect()
            robot.close()
            robot.connect()
            assert robot.read()

    def test_reports_every_part_with_a_stamp_of_its_clock(self):
        with self.connected() as robot:
            before = robot.clock.now()
            robot.clock.sleep_until(before + self.control_dt)
            state = robot.read()
            assert set(state) == set(robot.spec.parts)
            for part in state.values():
                assert part.stamp == pytest.approx(robot.clock.now(), abs=self.control_dt)

    def test_shapes_are_those_of_the_spec(self):
        with self.connected() as robot:
            for name, part in robot.read().items():
                spec = robot.spec.parts[name]
                if isinstance(part, ArmState):
                    assert isinstance(spec, ArmSpec)
                    assert part.twist.shape == part.wrench.shape == (6,)
                    assert part.qpos.shape == part.qvel.shape == (spec.num_joints,)
                    assert np.linalg.norm(part.pose.quaternion) == pytest.approx(1, abs=1e-6)

    def test_readings_are_copies(self):
        with self.connected() as robot:
            untouched, spoilt = robot.read(), robot.read()
            for part in spoilt.values():
                for array in arrays_of(part):
                    array[:] = 99.0
            again = robot.read()
            for name, part in untouched.items():
                for kept, now in zip(arrays_of(part), arrays_of(again[name]), strict=True):
                    np.testing.assert_allclose(now, kept, atol=1e-3)

    def test_goes_where_it_is_told(self):
        with self.connected() as robot:
            for name, part in robot.read().items():
                if isinstance(part, ArmState):
                    goal = part.pose @ self.move
                    self.drive(robot, {name: ArmTarget(goal)})
                    arrived = robot.read()[name]
                    assert isinstance(arrived, ArmState)
                    distance, angle = arrived.pose.distance(goal)
                    assert distance < self.position_tolerance_m
                    assert angle < self.rotation_tolerance_rad

    @pytest.mark.parametrize("opening", [0.2, 0.9])
    def test_gripper_goes_where_it_is_told(self, opening):
        with self.connected() as robot:
            for name, spec in robot.spec.parts.items():
                if isinstance(spec, GripperSpec):
                    self.drive(robot, {name: GripperTarget(opening)})
                    state = robot.read()[name]
                    assert isinstance(state, GripperState)
                    assert state.opening == pytest.approx(opening, abs=self.opening_tolerance)

    def test_command_returns_what_was_sent(self):
        with self.connected() as robot:
            command: Command = {name: ArmTarget(part.pose) for name, part in robot.read().items() if isinstance(part, ArmState)}
            sent = robot.command(command)
            assert set(sent) == set(command)
            for name, target in command.items():
                told = sent[name]
                assert isinstance(told, ArmTarget)
                assert isinstance(target, ArmTarget)
                assert max(told.pose.distance(target.pose)) < 1e-6

    def test_unknown_part_is_named(self):
        with self.connected() as robot, pytest.raises(ValueError, match="third_arm"):
            robot.command({"third_arm": GripperTarget(0.5)})

    def test_stop_holds(self):
        with self.connected() as robot:
            for name, part in robot.read().items():
                if isinstance(part, ArmState):
                    target = ArmTarget(part.pose @ Pose.of((0.0, 0.0, -0.02)))
                    robot.command({name: target})
                    robot.stop()
                    robot.clock.sleep_until(robot.clock.now() + 5 * self.control_dt)
                    held = robot.read()[name]
                    assert isinstance(held, ArmState)
                    assert held.pose.distance(part.pose)[0] < self.position_tolerance_m

    def test_stop_twice(self):
        with self.connected() as robot:
            robot.stop()
            robot.stop()
            assert robot.read()

    def test_stop_never_raises_even_unconnected(self):
        self.make().stop()

    def test_close_twice_and_unconnected(self):
        robot = self.make()
        robot.close()
        robot.connect()
        robot.close()
        robot.close()


def arrays_of(part: PartState) -> list[np.ndarray]:
    """Return the arrays in a part's state."""
    if isinstance(part, ArmState):
        return [part.pose.position, part.pose.quaternion, part.twist, part.wrench, part.qpos, part.qvel]
    return [getattr(part, name) for name in ("qpos", "qvel") if hasattr(part, name)]
