"""The driven reset: brings any robot to a randomised start pose without a person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from robot_rl.envs.parts import part_spec, part_state
from robot_rl.envs.safety import limit
from robot_rl.errors import ConfigError, ResetFailed
from robot_rl.geometry import Pose
from robot_rl.protocols import Robot
from robot_rl.specs import ArmSpec, GripperSpec, RobotSpec
from robot_rl.types import ArmState, ArmTarget, Command, GripperState, GripperTarget, RobotState

AT_REST_M_S, AT_REST_RAD_S = 0.005, 0.05
"""Below these the tool counts as arrived: a fiftieth of the speeds that a policy's full action asks for."""
OPEN_ENOUGH = 0.05
"""Distance to the wanted opening (0..1) at which a gripper counts as there: fingers have play."""


@dataclass(frozen=True, slots=True)
class DrivenReset:
    """Opens the gripper, lifts the tool, and drives it in a straight line to a random pose around `start`.

    Every command passes the safety limit with the reset's own, slower speeds.
    """

    start: Pose
    """T_base_tcp at the middle of the start poses"""
    position_noise_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """m, base axes: the start is uniform within plus and minus this"""
    rotation_noise_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """rad, tcp axes: the rotation vector is uniform within plus and minus this"""
    arm: str = "arm"
    gripper: str | None = "gripper"
    """gripper to move first; None, or a part that the robot lacks: none"""
    opening: float = 1.0
    """0 closed .. 1 open: where the gripper goes before the arm moves"""
    lift_m: float = 0.05
    """straight up before going sideways, within the workspace"""
    max_speed_m_s: float = 0.2
    max_angular_speed_rad_s: float = 1.0
    control_dt: float = 0.1
    """s between commands"""
    timeout_s: float = 10.0
    """for each of the three motions"""
    position_tolerance_m: float = 0.005
    rotation_tolerance_rad: float = 0.05

    def __post_init__(self) -> None:
        if not (self.control_dt > 0 and self.timeout_s > 0 and self.max_speed_m_s > 0):
            raise ConfigError(
                f"control_dt {self.control_dt}, timeout_s {self.timeout_s} and "
                f"max_speed_m_s {self.max_speed_m_s} must be positive"
            )

    def __call__(self, robot: Robot, rng: np.random.Generator) -> None:
        """Reset `robot`.

        Raises:
            ResetFailed: If the gripper or the tool does not arrive; says by how much it missed.
            DeviceError: If the robot fails.
        """
        goal = self.sample_start(rng)
        if self.gripper is not None and isinstance(robot.spec.parts.get(self.gripper), GripperSpec):
            self._move_gripper(robot, self.gripper)
        if self.lift_m > 0:
            self._move_arm(robot, self._lifted(robot), "the lifted pose")
        self._move_arm(robot, goal, "the start pose")

    def sample_start(self, rng: np.random.Generator) -> Pose:
        """Return a random start pose; always draws six numbers."""
        shift, turn = rng.uniform(-1, 1, (2, 3))
        noise = Pose.of((0, 0, 0), turn * self.rotation_noise_rad)
        return Pose(self.start.position + shift * self.position_noise_m, (self.start @ noise).quaternion)

    def _lifted(self, robot: Robot) -> Pose:
        """Return the pose `lift_m` above the measured one, or the nearest that is allowed."""
        state = robot.read()
        here = part_state(state, self.arm, ArmState).pose
        above = ArmTarget(Pose(here.position + np.array([0.0, 0.0, self.lift_m]), here.quaternion))
        allowed = limit({self.arm: above}, state, robot.spec, math.inf).command[self.arm]
        return allowed.pose if isinstance(allowed, ArmTarget) else here

    def _move_gripper(self, robot: Robot, gripper: str) -> None:
        for _ in range(self._num_steps()):
            state = robot.read()
            opening = part_state(state, gripper, GripperState).opening
            if abs(opening - self.opening) <= OPEN_ENOUGH:
                return
            self._step(robot, state, {gripper: GripperTarget(self.opening)})
        robot.stop()
        raise ResetFailed(
            f"gripper {gripper!r} is at opening {opening:.2f} and not at {self.opening:.2f} "
            f"after {self.timeout_s:g} s; free its fingers"
        )

    def _move_arm(self, robot: Robot, goal: Pose, name: str) -> None:
        distance = angle = math.inf
        for _ in range(self._num_steps()):
            state = robot.read()
            measured = part_state(state, self.arm, ArmState)
            distance, angle = measured.pose.distance(goal)
            if is_at_rest(measured.twist) and distance <= self.position_tolerance_m and angle <= self.rotation_tolerance_rad:
                return
            self._step(robot, state, {self.arm: ArmTarget(goal)})
        robot.stop()
        raise ResetFailed(
            f"{self.arm!r} is {distance:.3f} m and {angle:.2f} rad from {name} after {self.timeout_s:g} s; "
            "clear its way, check that the pose is inside the workspace, or raise timeout_s"
        )

    def _step(self, robot: Robot, state: RobotState, command: Command) -> None:
        """Send the allowed part of `command` and let one control period pass."""
        deadline = robot.clock.now() + self.control_dt
        robot.command(limit(command, state, self._slowed(robot.spec), self.control_dt).command)
        robot.clock.sleep_until(deadline)

    def _slowed(self, spec: RobotSpec) -> RobotSpec:
        arm = part_spec(spec, self.arm, ArmSpec)
        slow = replace(
            arm,
            max_tcp_speed=min(arm.max_tcp_speed, self.max_speed_m_s),
            max_tcp_angular_speed=min(arm.max_tcp_angular_speed, self.max_angular_speed_rad_s),
        )
        return replace(spec, parts={**spec.parts, self.arm: slow})

    def _num_steps(self) -> int:
        return max(1, math.ceil(self.timeout_s / self.control_dt))


@dataclass(frozen=True, slots=True)
class HoldingReset:
    """Moves nothing: whoever stands beside the robot arranges scene and arm."""

    def __call__(self, robot: Robot, rng: np.random.Generator) -> None:
        """Hold the robot where it is."""
        robot.stop()


def driven_reset(
    robot: Robot,
    position_m: Sequence[float],
    rotvec_rad: Sequence[float] = (math.pi, 0.0, 0.0),
    position_noise_m: Sequence[float] = (0.0, 0.0, 0.0),
    rotation_noise_rad: Sequence[float] = (0.0, 0.0, 0.0),
    arm: str = "arm",
    gripper: str = "gripper",
    opening: float = 1.0,
    lift_m: float = 0.05,
    max_speed_m_s: float = 0.2,
    control_dt: float = 0.1,
    timeout_s: float = 10.0,
) -> DrivenReset:
    """Return a driven reset from plain numbers, as a station file gives them; `DrivenReset` explains them.

    Args:
        robot: Of the station; a start outside its workspace could never be reached.
        position_m: [3], m, base frame: the middle of the start poses.
        rotvec_rad: [3], rad: T_base_tcp there; the tool points down by default.
        position_noise_m: [3], m.
        rotation_noise_rad: [3], rad.
        arm: Part that is moved.
        gripper: Part that is opened first, where the robot has it.
        opening: 0 closed .. 1 open.
        lift_m: m.
        max_speed_m_s: m/s.
        control_dt: s.
        timeout_s: s.

    Raises:
        ConfigError: If a start lies outside the workspace.
    """
    noise, turn = np.array(position_noise_m, float), np.array(rotation_noise_rad, float)
    spec, middle = part_spec(robot.spec, arm, ArmSpec), np.array(position_m, float)
    if np.any(middle - noise < spec.workspace_low) or np.any(middle + noise > spec.workspace_high):
        raise ConfigError(
            f"reset to {list(position_m)} within {list(position_noise_m)} m leaves the workspace "
            f"{spec.workspace_low} to {spec.workspace_high} m"
        )
    return DrivenReset(
        Pose.of(tuple(middle), tuple(rotvec_rad)),
        (float(noise[0]), float(noise[1]), float(noise[2])),
        (float(turn[0]), float(turn[1]), float(turn[2])),
        arm=arm,
        gripper=gripper,
        opening=opening,
        lift_m=lift_m,
        max_speed_m_s=max_speed_m_s,
        control_dt=control_dt,
        timeout_s=timeout_s,
    )


def is_at_rest(twist: np.ndarray) -> bool:
    """Return whether a tool of this twist, [6], m/s and rad/s, counts as standing."""
    return math.hypot(*twist[:3].tolist()) < AT_REST_M_S and math.hypot(*twist[3:].tolist()) < AT_REST_RAD_S
