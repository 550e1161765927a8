"""Laws of what the simulated tasks tell of force, speed and jerk."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from robot_rl.envs.exertion import Exertion
from robot_rl.envs.factory import TASKS, make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.rollout import run_episode
from robot_rl.specs import ArmSpec
from robot_rl.types import ArmState, EpisodeInfo
from sim.env import SimEnv
from sim.exertion import SimExertionMeter

DOWN = 2
"""Index of the action along the tool's z axis, which points down."""


def made(task: str = "peg_insert", **options) -> SimEnv:
    env = make_env(task, EnvOptions(end_at_success=False, **options))
    assert isinstance(env, SimEnv)
    return env


def actions(env: SimEnv, count: int, down: float = 0.0):
    rng = np.random.default_rng(3)
    for _ in range(count):
        action = rng.uniform(-1, 1, env.env_spec.action.dim).astype(np.float32)
        action[DOWN] = down
        yield action


def course(env: SimEnv, count: int, down: float):
    """Return all that the physics holds after each of some steps, resets included."""
    env.reset(seed=5)
    for action in actions(env, count, down):
        obs, *_ = env.step(action)
        data = env.physics.data
        yield [data.qpos.copy(), data.qvel.copy(), data.qacc_warmstart.copy(), data.qfrc_constraint.copy(), *obs.values()]


@pytest.mark.parametrize("task", ["peg_insert", "bin_pick"])
def test_measuring_changes_no_trajectory_by_a_bit(task):
    measured, bare = made(task), made(task)
    bare.physics.samplers.clear()
    steps = list(zip(course(measured, 40, down=0.8), course(bare, 40, down=0.8), strict=True))
    for one, other in steps:
        for here, there in zip(one, other, strict=True):
            np.testing.assert_array_equal(here, there)
    assert measured.physics.data.ncon > 0  # in contact, where a changed warm start of the solver would show


def press(env: SimEnv, count: int = 40) -> list[Exertion]:
    env.reset(seed=0)
    push = np.zeros(env.env_spec.action.dim, np.float32)
    push[DOWN] = 1.0
    return [env.step(push)[4]["exertion"] for _ in range(count)]


def test_a_hand_in_the_air_feels_nothing_and_one_that_presses_feels_the_spring():
    env = made()
    exertions = press(env)
    touched = next(index for index, exertion in enumerate(exertions) if exertion.peak_force > 0)
    assert 1 <= touched < 30
    last, arm = exertions[-1], env.robot.spec.parts["arm"]
    assert isinstance(arm, ArmSpec)
    assert last.mean_force == pytest.approx(arm.stiffness[0] * arm.max_spring[0], rel=1e-3)  # pushes with all it has
    assert last.violations == 0  # and no more
    measured = env.robot.read()["arm"]
    assert isinstance(measured, ArmState)
    assert last.mean_force == pytest.approx(float(np.linalg.norm(measured.wrench[:3])), rel=1e-2)  # the arm's own estimate


def test_what_the_fingers_hold_is_no_force_at_the_hand():
    env = made("pick_lift")
    policy = make_demonstrator("scripted", "pick_lift", env, 0)
    obs, _ = env.reset(seed=1)
    policy.begin_episode()
    held = []
    for _ in range(60):
        obs, _, _, _, info = env.step(policy.act(obs, explore=False))
        if info["success"]:
            held.append(info["exertion"].mean_force)
    assert len(held) > 3
    assert 0.05 < held[-1] < 3.0  # the cube's weight; the drive squeezes it with 40 N


def test_speed_is_the_tools_and_a_reset_is_no_movement():
    env = made("reach")
    for seed in range(3):
        env.reset(seed=seed)
        exertion = env.step(np.zeros(env.env_spec.action.dim, np.float32))[4]["exertion"]
        assert exertion.peak_speed < 0.01
        assert exertion.rms_jerk < 5
    env.reset(seed=0)
    before = env.robot.read()["arm"].pose.position  # pyright: ignore[reportAttributeAccessIssue]
    steps = [env.step(action)[4]["exertion"] for action in itertools.repeat(np.array([1, 0, 0], np.float32), 4)]
    after = env.robot.read()["arm"].pose.position  # pyright: ignore[reportAttributeAccessIssue]
    fastest = max(step.peak_speed for step in steps)
    assert np.linalg.norm(after - before) / 0.4 < fastest < 0.5
    assert all(step.rms_jerk > 20 for step in steps)  # m/s^3: the target jumps at each step


@pytest.mark.parametrize("bound", ["force", "speed", "workspace"])
def test_each_bound_alone_makes_a_violation(bound):
    env = made()
    within = press(env)
    in_the_air, leaning = within[:3], within[-4:]
    assert not any(exertion.violations for exertion in (*in_the_air, *leaning))
    meter = env._meter
    assert isinstance(meter, SimExertionMeter)
    if bound == "force":
        meter.max_force = 5.0
    elif bound == "workspace":
        meter._low = np.array([0.30, -0.30, 0.40])
    else:
        meter._arm = replace(meter._arm, max_tcp_speed=0.01)
    beyond = press(env)
    assert all(exertion.violations for exertion in beyond[:3]) == (bound != "force")
    assert all(exertion.violations for exertion in beyond[-4:]) == (bound != "speed")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("randomize", [False, True])
def test_every_simulated_task_tells_of_whole_episodes(task, randomize):
    env = make_env(task, EnvOptions(randomize=randomize, max_steps=12))
    policy = make_demonstrator("scripted", task, env, 0)
    result = run_episode(env, policy, seed=0, explore=False, info=EpisodeInfo(task, "test", 0))
    assert result.exertion is not None
    assert result.exertion.steps == result.length
    assert result.exertion.samples == 10 * result.length  # at 100 Hz, 10 control steps a second
    assert result.exertion.num_jerks == 10 * result.length - 3
    assert 0.01 < result.exertion.peak_speed < 1.0
