"""Adversarial commands through the safety limit, on the fake and the simulated arm: the margins of docs/safety.md."""

from __future__ import annotations

import math
from dataclasses import replace

import mujoco
import numpy as np
import pytest
from adversary import KINDS, Excess, attack

from hardware.fake import FAKE_SPEC, FakeRobot
from robot_rl.protocols import Robot
from robot_rl.specs import ArmSpec
from sim.arm import Impedance
from sim.imperfect import DelayedRobot, Delays
from sim.robot import SimRobot
from sim.station import make_robot

OUTSIDE_M = 0.05
"""m beyond the workspace: an arm that is pulled against the end of a joint gives way sideways."""
TILT_RAD = 0.5
"""rad beyond the cone, for the same reason."""
SPEED_SHARE = 1.05
"""Of the speed limits: the arm's controller keeps them with a Jacobian that is one physics step old. 1.035 was measured."""
FORCE_SHARE = 1.25
"""Of the spring's force along a diagonal and the dampers' at full speed: an arm that is flung onto the table rebounds."""
IMPEDANCE, DT = Impedance(), 0.1
QUICK, MANY = 3_000, 1_050_000


def contact_force(robot: SimRobot) -> float:
    """Return the force of all contacts together, N."""
    physics, total, wrench = robot._physics, np.zeros(3), np.zeros(6)
    for index in range(physics.data.ncon):
        mujoco.mj_contactForce(physics.model, physics.data, index, wrench)
        total += physics.data.contact[index].frame.reshape(3, 3).T @ wrench[:3]
    return float(np.linalg.norm(total))


def arm_of(robot: Robot) -> ArmSpec:
    arm = robot.spec.parts["arm"]
    assert isinstance(arm, ArmSpec)
    return arm


def check_common(excess: Excess, num_commands: int) -> None:
    """What holds on every robot: all kinds of attack took place, bad numbers were refused, no target was far away."""
    assert excess.commands == num_commands
    assert excess.kinds == set(KINDS)
    assert excess.refused > num_commands / 20
    assert excess.clamped > num_commands / 4
    assert excess.jump_m <= excess.reach_m * (1 + 1e-6)


class Speedometer:
    """The fastest that a simulated tool was, m/s and rad/s, looking at every physics step."""

    def __init__(self, robot: SimRobot) -> None:
        self._robot, self.fastest = robot, np.zeros(2)
        robot._physics.every_step.append(self.look)

    def look(self) -> None:
        twist = self._robot._velocity.tolist()
        self.fastest = np.maximum(self.fastest, (math.hypot(*twist[:3]), math.hypot(*twist[3:])))


def attack_sim(num_commands: int, seed: int, control_dt: float = DT, delays: Delays | None = None) -> Excess:
    bare = make_robot()
    robot, speedometer = bare if delays is None else DelayedRobot(bare, delays), Speedometer(bare)
    robot.connect()
    try:
        excess = attack(robot, num_commands, seed, control_dt=control_dt, force=lambda: contact_force(bare))
    finally:
        robot.close()
    excess.speed, excess.angular_speed = speedometer.fastest.tolist()
    return excess


def check_sim(excess: Excess, spec: ArmSpec) -> None:
    """The stated margins."""
    damping = IMPEDANCE.damping[0] * spec.max_tcp_speed
    assert excess.outside_m <= OUTSIDE_M
    assert excess.speed <= spec.max_tcp_speed * SPEED_SHARE
    assert excess.angular_speed <= spec.max_tcp_angular_speed * SPEED_SHARE
    assert excess.tilt <= spec.max_tilt + TILT_RAD
    assert excess.force <= (math.sqrt(3) * IMPEDANCE.max_force[0] + damping) * FORCE_SHARE


@pytest.mark.parametrize("seed", range(3))
def test_the_simulated_arm_keeps_its_margins(seed):
    excess = attack_sim(QUICK, seed)
    check_common(excess, QUICK)
    check_sim(excess, arm_of(make_robot()))
    assert excess.speed > 0.5 * arm_of(make_robot()).max_tcp_speed  # the attack is one


def test_a_quick_loop_keeps_them_too():
    excess = attack_sim(QUICK, seed=7, control_dt=0.02)
    check_common(excess, QUICK)
    check_sim(excess, arm_of(make_robot()))


def test_an_arm_that_senses_and_obeys_late_keeps_them_too():
    """What is old is believed: the limit counts from a place that the arm has left since."""
    excess = attack_sim(QUICK, seed=0, delays=Delays(0.02, 0.02))
    check_sim(excess, arm_of(make_robot()))


def test_the_fake_arm_never_leaves_its_box_nor_its_speed():
    robot = FakeRobot()
    robot.connect()
    excess = attack(robot, 10_000, seed=0, control_dt=0.1)
    arm = arm_of(robot)
    check_common(excess, 10_000)
    assert excess.outside_m < 1e-9
    assert excess.speed <= arm.max_tcp_speed * (1 + 1e-9)
    assert excess.angular_speed <= arm.max_tcp_angular_speed * (1 + 1e-6)
    assert excess.tilt <= arm.max_tilt + 1e-6


def test_without_the_limit_the_same_attack_breaks_out():
    """Tilt is the limit's doing: without it the same commands leave it far behind. Speed the arm keeps by itself."""
    robot = make_robot()
    robot.connect()
    arm = arm_of(robot)
    loose = replace(arm, workspace_low=(-9.0,) * 3, workspace_high=(9.0,) * 3, max_tcp_speed=9.0, max_tilt=3.0)
    robot.spec = replace(robot.spec, parts={**robot.spec.parts, "arm": loose})
    free = attack(robot, 500, seed=0, control_dt=DT)
    assert 0.9 * arm.max_tcp_speed < free.speed <= arm.max_tcp_speed
    assert free.tilt > arm.max_tilt + TILT_RAD


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_million_commands_keep_the_margins(seed):
    num_commands = MANY // 10
    excess = attack_sim(num_commands, 100 + seed)
    check_common(excess, num_commands)
    check_sim(excess, arm_of(make_robot()))
    print(excess)


@pytest.mark.slow
def test_a_million_commands_on_the_fake_arm():
    robot = FakeRobot(spec=FAKE_SPEC)
    robot.connect()
    for seed in range(11):
        excess = attack(robot, 100_000, seed, control_dt=0.1)
        robot.sent.clear()
        assert excess.outside_m < 1e-9
        assert excess.speed <= arm_of(robot).max_tcp_speed * (1 + 1e-9)
