"""Adversarial commands through the safety limit, on the fake and the simulated arm: the margins of docs/safety.md."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

import pytest
from adversary import KINDS, Excess, attack

from hardware.fake import FAKE_SPEC, FakeRobot
from robot_rl.protocols import Robot
from robot_rl.specs import ArmSpec
from sim.arm import Impedance
from sim.exertion import geoms_below, net_contact_force
from sim.imperfect import DelayedRobot, Delays
from sim.robot import SimRobot
from sim.station import make_robot

OUTSIDE_M = 0.03
"""m beyond the workspace: an arm that is pulled against the end of a joint gives way sideways."""
TILT_RAD = 0.5
"""rad beyond the cone, for the same reason."""
WINDOW_S = 0.05
"""s over which a contact counts as a push; a shorter one is an impact, which stops the arm's mass."""
IMPACT_SHARE = 1.5
"""An impact's force as a share of what a push may have. 1.3 was measured; ISO/TS 15066 allows a transient contact twice."""
IMPEDANCE, DT = Impedance(), 0.1
QUICK, MANY = 3_000, 1_050_000


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


class Gauges:
    """The fastest and the hardest that a simulated arm was, looking at every physics step."""

    def __init__(self, robot: SimRobot) -> None:
        self._velocity, self._physics = robot._velocity, robot._physics
        model = self._physics.model
        self._is_arm = geoms_below(model, model.body("arm/link1").id)
        self._forces = deque([0.0], maxlen=round(WINDOW_S / self._physics.dt))
        self.speed = self.angular_speed = 0.0
        """m/s and rad/s of the tcp"""
        self.impact = self.push = 0.0
        """N on the arm: at an instant, and over `WINDOW_S`"""
        self._physics.every_step.append(self.look)

    def look(self) -> None:
        twist = self._velocity.tolist()
        self.speed = max(self.speed, math.hypot(*twist[:3]))
        self.angular_speed = max(self.angular_speed, math.hypot(*twist[3:]))
        self._forces.append(net_contact_force(self._physics, self._is_arm) if self._physics.data.ncon else 0.0)
        self.impact = max(self.impact, self._forces[-1])
        self.push = max(self.push, sum(self._forces) / len(self._forces))


def attack_sim(num_commands: int, seed: int, control_dt: float = DT, delays: Delays | None = None) -> tuple[Excess, Gauges]:
    bare = make_robot()
    robot, gauges = bare if delays is None else DelayedRobot(bare, delays), Gauges(bare)
    robot.connect()
    try:
        return attack(robot, num_commands, seed, control_dt=control_dt), gauges
    finally:
        robot.close()


def check_sim(excess: Excess, gauges: Gauges, spec: ArmSpec) -> None:
    """The stated margins."""
    push = math.sqrt(3) * IMPEDANCE.max_force[0] + IMPEDANCE.damping[0] * spec.max_tcp_speed
    assert excess.outside_m <= OUTSIDE_M
    assert gauges.speed <= spec.max_tcp_speed
    assert gauges.angular_speed <= spec.max_tcp_angular_speed
    assert excess.tilt <= spec.max_tilt + TILT_RAD
    assert gauges.push <= push
    assert gauges.impact <= IMPACT_SHARE * push


@pytest.mark.parametrize("seed", range(3))
def test_the_simulated_arm_keeps_its_margins(seed):
    excess, gauges = attack_sim(QUICK, seed)
    check_common(excess, QUICK)
    check_sim(excess, gauges, arm_of(make_robot()))
    assert gauges.speed > 0.9 * arm_of(make_robot()).max_tcp_speed  # the attack is one
    assert gauges.push > IMPEDANCE.max_force[0]


def test_a_quick_loop_keeps_them_too():
    excess, gauges = attack_sim(QUICK, seed=7, control_dt=0.02)
    check_common(excess, QUICK)
    check_sim(excess, gauges, arm_of(make_robot()))


def test_an_arm_that_senses_and_obeys_late_keeps_them_too():
    """What is old is believed: the limit counts from a place that the arm has left since."""
    check_sim(*attack_sim(QUICK, seed=0, delays=Delays(0.02, 0.02)), arm_of(make_robot()))


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
    excess, gauges = attack_sim(num_commands, 100 + seed)
    print(excess, f"{gauges.speed=:.4f} {gauges.angular_speed=:.4f} {gauges.push=:.1f} {gauges.impact=:.1f}")
    check_common(excess, num_commands)
    check_sim(excess, gauges, arm_of(make_robot()))


@pytest.mark.slow
def test_a_million_commands_on_the_fake_arm():
    robot = FakeRobot(spec=FAKE_SPEC)
    robot.connect()
    for seed in range(11):
        excess = attack(robot, 100_000, seed, control_dt=0.1)
        robot.sent.clear()
        assert excess.outside_m < 1e-9
        assert excess.speed <= arm_of(robot).max_tcp_speed * (1 + 1e-9)
