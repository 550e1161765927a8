"""An environment drives an arm of five joints by changes of the tool's pose, and survives the loss of its bus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_servo import so101

from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.observations import ObservationConfig
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.types import ArmState

AXES = ("x", "y", "z", "yaw")
CONFIG = RobotEnvConfig(
    max_steps=40,
    action=ActionConfig(frame="base", axes=AXES, position_scale_m=0.01, gripper="continuous", reference="target"),
    observation=ObservationConfig(cameras=()),
)


def env_of(robot, config=CONFIG):
    return RobotEnv(robot, config=config, reward=SparseReward(lambda obs: False), reset=lambda robot, rng: None, name="so101")


def tool(env):
    arm = env.robot_state["arm"]
    assert isinstance(arm, ArmState)
    return arm.pose


@pytest.mark.parametrize("reference", ["target", "measured"])
def test_changes_of_pose_add_up_to_the_way_of_the_tool(tmp_path, reference):
    with so101(tmp_path) as (robot, _):
        env = env_of(robot, replace(CONFIG, action=replace(CONFIG.action, reference=reference)))
        env.reset(seed=0)
        start = tool(env)
        for action in ([1, 0, 0, 0, 0],) * 5 + ([0, 1, 0, 0, 0],) * 4 + ([0, 0, 1, 0, 0],) * 3 + ([0, 0, 0, 0, 0],) * 3:
            *_, truncated, info = env.step(np.array(action, np.float32))
            assert not truncated
            assert info["fault"] == ""
        moved = tool(env).position - start.position
        np.testing.assert_allclose(moved, [0.05, 0.04, 0.03], atol=0.004 if reference == "target" else 0.01)


def test_the_tool_turns_about_its_own_axis(tmp_path):
    with so101(tmp_path) as (robot, _):
        env = env_of(robot)
        env.reset(seed=0)
        start = tool(env)
        for _ in range(6):
            env.step(np.array([0, 0, 0, 1, 0], np.float32))
        env.step(np.zeros(5, np.float32))
        distance, angle = start.distance(tool(env))
        assert angle == pytest.approx(6 * CONFIG.action.rotation_scale_rad, abs=0.03)
        assert distance < 0.003


@pytest.mark.parametrize("what", ["unplug", "silence", "overload"])
def test_a_bus_that_fails_in_an_episode_truncates_it_and_the_arm_stays(tmp_path, what):
    with so101(tmp_path) as (robot, bus):
        env = env_of(robot)
        env.reset(seed=0)
        env.step(np.array([1, 0, 0, 0, 0], np.float32))
        if what == "unplug":
            bus.unplug()
        elif what == "silence":
            bus.servos[2].is_silent = True
        else:
            bus.servos[2].faults = 0x20
        *_, terminated, truncated, info = env.step(np.array([1, 0, 0, 0, 0], np.float32))
        assert (terminated, truncated) == (False, True)
        assert {"unplug": "USB cable", "silence": "no answer from servo 2", "overload": "overload"}[what] in info["fault"]
        bus.settle()
        before = [servo.position for servo in bus.servos.values()]
        robot.clock.advance(3.0)
        bus.settle()
        after = np.array([servo.position for servo in bus.servos.values()])
        assert np.abs(after - before).max() * 2 * np.pi / 4096 < 0.1
