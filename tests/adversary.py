"""Commands that no policy should give, and what a robot under the safety limit makes of them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from robot_rl.envs.safety import limit
from robot_rl.geometry import Pose, quaternion_normalize, rotate
from robot_rl.protocols import Robot
from robot_rl.specs import ArmSpec
from robot_rl.types import ArmState, ArmTarget, Command, GripperTarget

KINDS = ("random", "huge", "flipping", "edge", "down", "nan", "unnormalised", "still")


class Adversary:
    """Draws a kind of command and keeps to it for some steps, then another."""

    def __init__(self, rng: np.random.Generator, arm: ArmSpec) -> None:
        self.rng, self._low, self._high = rng, np.array(arm.workspace_low), np.array(arm.workspace_high)
        self.kind, self._left, self._sign = "random", 0, 1.0
        self._direction = np.zeros(3)

    def command(self, here: Pose) -> Command:
        rng = self.rng
        if self._left == 0:
            self.kind, self._left = str(rng.choice(KINDS)), int(rng.integers(1, 40))
            self._direction = rng.normal(size=3)
        self._left -= 1
        self._sign = -self._sign
        turn = quaternion_normalize(rng.normal(size=4)) if rng.random() < 0.5 else here.quaternion
        opening = float(rng.uniform(-2, 3))
        if self.kind == "huge":
            position = self._direction * 10.0 ** rng.uniform(0, 9)
        elif self.kind == "flipping":
            position = here.position + self._sign * self._direction
        elif self.kind == "edge":
            position = np.where(self._direction > 0, self._high, self._low) + rng.normal(0, 0.01, 3)
        elif self.kind == "down":
            position = np.array([*rng.uniform(self._low[:2], self._high[:2]), -1.0])
        elif self.kind == "nan":
            position = here.position.copy()
            position[rng.integers(3)] = rng.choice([math.nan, math.inf, -math.inf])
            opening = float(rng.choice([math.nan, 0.5]))
        elif self.kind == "unnormalised":
            position, turn = here.position, here.quaternion * rng.uniform(1.1, 9.0)
        elif self.kind == "still":
            position, turn = here.position, here.quaternion
        else:
            position = rng.uniform(self._low - 0.5, self._high + 0.5)
        command: Command = {"arm": ArmTarget(Pose(position, turn))}
        return command | ({"gripper": GripperTarget(opening)} if rng.random() < 0.3 else {})


@dataclass(slots=True)
class Excess:
    """The worst that was measured."""

    commands: int = 0
    refused: int = 0
    clamped: int = 0
    outside_m: float = 0.0
    """beyond the workspace"""
    speed: float = 0.0
    """m/s of the tcp, at the ends of control periods"""
    angular_speed: float = 0.0
    tilt: float = 0.0
    """rad from the tool axis"""
    jump_m: float = 0.0
    """m between a measured pose and the target sent for it"""
    reach_m: float = 0.0
    """m that such a target may be away"""
    kinds: set[str] = field(default_factory=set)

    def look(self, arm: ArmState, spec: ArmSpec) -> None:
        position = arm.pose.position
        inside = np.clip(position, spec.workspace_low, spec.workspace_high)
        self.outside_m = max(self.outside_m, math.dist(inside.tolist(), position.tolist()))
        self.speed = max(self.speed, math.hypot(*arm.twist[:3].tolist()))
        self.angular_speed = max(self.angular_speed, math.hypot(*arm.twist[3:].tolist()))
        axis = rotate(arm.pose.quaternion, np.array([0.0, 0.0, 1.0]))
        self.tilt = max(self.tilt, math.acos(min(max(float(axis @ np.array(spec.tool_axis)), -1.0), 1.0)))


def attack(
    robot: Robot,
    num_commands: int,
    seed: int,
    *,
    control_dt: float,
    max_stale: int = 0,
) -> Excess:
    """Send adversarial commands through the limit, as an environment does, and return the worst that came of it.

    Args:
        robot: Connected, within its workspace.
        num_commands: How many.
        seed: Of the adversary.
        control_dt: s.
        max_stale: Control periods by which the state that the limit is given may be old.
    """
    rng = np.random.default_rng(seed)
    spec = robot.spec.parts["arm"]
    assert isinstance(spec, ArmSpec)
    adversary, excess = Adversary(rng, spec), Excess(reach_m=spec.max_tcp_speed * control_dt)
    states = deque([robot.read()], maxlen=max_stale + 1)
    for _ in range(num_commands):
        state = states[int(rng.integers(len(states)))] if max_stale else states[-1]
        arm = state["arm"]
        assert isinstance(arm, ArmState)
        command = adversary.command(arm.pose)
        excess.commands += 1
        excess.kinds.add(adversary.kind)
        try:
            limited = limit(command, state, robot.spec, control_dt)
        except ValueError:
            excess.refused += 1
            robot.stop()  # as RobotEnv.step does
        else:
            excess.clamped += bool(limited.clamped)
            sent = robot.command(limited.command)["arm"]
            assert isinstance(sent, ArmTarget)
            excess.jump_m = max(excess.jump_m, math.dist(sent.pose.position.tolist(), arm.pose.position.tolist()))
        robot.clock.sleep_until(robot.clock.now() + control_dt)
        states.append(robot.read())
        newest = states[-1]["arm"]
        assert isinstance(newest, ArmState)
        excess.look(newest, spec)
    return excess
