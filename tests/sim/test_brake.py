"""The arm's controller keeps speed limits and stops in two control periods; other motion it leaves alone, bit for bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from adversary import Adversary

from robot_rl.envs.factory import make_demonstrator, make_env
from robot_rl.envs.parts import part_spec
from robot_rl.envs.resets import AT_REST_M_S, is_at_rest
from robot_rl.envs.safety import limit
from robot_rl.geometry import Pose
from robot_rl.specs import ArmSpec
from sim.brake import MAX_STOP_S
from sim.env import SimEnv

TWO_PERIODS_S = 0.2


def roll(task: str, *, is_free: bool) -> np.ndarray:
    """Return joints of arm and objects at each step of a demonstration, [T, Q]; `is_free`: speed limit and brake are off."""
    env = make_env(task)
    assert isinstance(env, SimEnv)
    if is_free:
        env.physics.every_step.clear()
    policy, rows = make_demonstrator("scripted", task, env, seed=3), []
    obs, _ = env.reset(seed=3)
    policy.begin_episode()
    is_over = False
    while not is_over:
        obs, _, terminated, truncated, _ = env.step(policy.act(obs, explore=False))
        rows.append(env.physics.data.qpos.copy())
        is_over = terminated or truncated
    env.close()
    return np.array(rows)


@pytest.mark.parametrize("task", ["pick_lift", "peg_insert"])
def test_ordinary_motion_is_left_alone_to_the_last_bit(task):
    np.testing.assert_array_equal(roll(task, is_free=False), roll(task, is_free=True))


def check_stands(station) -> None:
    """It is at rest after two control periods, and stays so."""
    station.wait(TWO_PERIODS_S)
    for _ in range(10):
        assert is_at_rest(station.arm.twist), station.arm.twist
        station.wait(0.02)


@pytest.mark.parametrize("seed", range(5))
def test_it_stands_in_two_control_periods_whatever_it_did(station, seed):
    station.place()
    rng, robot, fastest = np.random.default_rng(seed), station.robot, 0.0
    adversary = Adversary(rng, part_spec(robot.spec, "arm", ArmSpec))
    for _ in range(6):
        for _ in range(int(rng.integers(1, 25))):
            state = robot.read()
            try:
                robot.command(limit(adversary.command(station.arm.pose), state, robot.spec, 0.1).command)
            except ValueError:
                continue
            station.wait(float(rng.choice([0.02, 0.06, 0.1])))
        fastest = max(fastest, math.hypot(*station.arm.twist[:3].tolist()))
        robot.stop()
        check_stands(station)
    assert fastest > 20 * AT_REST_M_S


def moving(station, direction: tuple[float, float, float]) -> None:
    """Let the arm move at full speed."""
    station.aim(Pose(station.arm.pose.position + np.array(direction), station.arm.pose.quaternion))
    station.wait(0.1)
    assert math.hypot(*station.arm.twist[:3].tolist()) > 0.2


def test_it_goes_on_the_way_it_was_going_and_never_back(station):
    station.place()
    moving(station, (0.0, 0.3, 0.0))
    here = station.arm.pose.position
    station.robot.stop()
    way = []
    for _ in range(20):
        station.wait(0.02)
        way.append(station.arm.pose.position - here)
    assert np.all(np.diff([0.0, *(step[1] for step in way)]) > -1e-4)
    assert 0.001 < way[-1][1] < 0.01
    assert np.abs(way)[:, [0, 2]].max() < 0.002


def test_an_arm_that_presses_on_the_table_lets_go_and_stands(station):
    start = station.place(height=0.05)
    for _ in range(10):
        station.aim(Pose(start.position - np.array([0.0, 0.0, 0.2]), start.quaternion))
        station.wait(0.1)
    assert station.arm.wrench[2] > 30
    station.robot.stop()
    check_stands(station)
    assert station.arm.wrench[2] < 10


def test_a_load_that_draws_it_does_not_keep_it_from_holding(station):
    station.place()
    moving(station, (0.3, 0.0, 0.0))
    data, hand = station.physics.data, station.physics.model.body("hand").id
    data.xfrc_applied[hand, 2] = -30.0
    for _ in range(4):  # a stop during a stop does not prolong it
        station.robot.stop()
        station.wait(MAX_STOP_S / 4)
    held = station.arm.pose.position
    station.wait(0.5)
    assert is_at_rest(station.arm.twist)
    assert math.dist(station.arm.pose.position.tolist(), held.tolist()) < 1.5 * 30.0 / 3000.0


def test_a_command_ends_a_stop(station):
    start = station.place()
    moving(station, (0.0, 0.3, 0.0))
    station.robot.stop()
    station.wait(0.02)
    station.aim(start)
    station.wait(1.0)
    assert station.arm.pose.distance(start)[0] < 0.002


def test_the_elbow_stays_after_a_stop_and_goes_home_with_the_next_command(station):
    station.place()
    away = station.arm.qpos.copy()
    away[[0, 2]] += 0.3, -0.35
    station.robot.place(away, opening=0.0)
    moving(station, (0.0, 0.0, 0.3))
    station.robot.stop()
    station.wait(TWO_PERIODS_S)
    stood = station.arm.qpos
    station.wait(2.0)
    assert np.abs(station.arm.qpos - stood).max() < 0.01
    station.aim(station.arm.pose)
    station.wait(2.0)
    assert np.abs(station.arm.qpos - stood).max() > 0.05


def test_speed_stays_below_the_limit_in_every_physics_step(station):
    station.place()
    arm, fastest = part_spec(station.robot.spec, "arm", ArmSpec), np.zeros(2)

    def look() -> None:
        twist = station.robot._velocity.tolist()
        fastest[:] = np.maximum(fastest, (math.hypot(*twist[:3]), math.hypot(*twist[3:])))

    station.physics.every_step.append(look)
    for direction in ((0.1, 0.2, 0.2), (0.1, -0.2, -0.2), (-0.2, -0.2, 0.2)):
        for turn in (2.0, -2.0):
            station.aim(station.arm.pose @ Pose.of((0.0, 0.0, 0.0), (turn, 0.0, turn)))
            station.wait(0.1)
        station.aim(Pose(station.arm.pose.position + np.array(direction), station.arm.pose.quaternion))
        station.wait(0.2)
    assert 0.95 * arm.max_tcp_speed < fastest[0] <= arm.max_tcp_speed
    assert 0.9 * arm.max_tcp_angular_speed < fastest[1] <= arm.max_tcp_angular_speed


def test_what_was_measured_before_a_reset_is_forgotten(station):
    start = station.place()
    station.wait(0.1)
    fresh = station.arm.qpos
    moving(station, (0.1, 0.3, 0.3))
    station.physics.reset()
    station.place()
    station.wait(0.1)
    np.testing.assert_array_equal(station.arm.qpos, fresh)
    assert station.arm.pose.distance(start)[0] < 1e-4
