"""The environment: Gymnasium's rules, how episodes end, timing, and that no failure leaves the robot moving."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hardware.clock import ManualClock
from hardware.fake import HOME, FakeCamera, FakeRobot, FakeTracker
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.factory import Env
from robot_rl.envs.observations import ObservationConfig
from robot_rl.envs.options import StepInfo
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError, DeviceError, ResetFailed
from robot_rl.geometry import Pose
from robot_rl.specs import ACTION_FRAME
from robot_rl.types import ArmState, ArmTarget

AWAY = np.array([1.0, 0, 0, 0, 0], np.float32)
REST = np.zeros(5, np.float32)
CONFIG = RobotEnvConfig(
    max_steps=10,
    action=ActionConfig(frame="base", gripper="discrete"),
    observation=ObservationConfig(objects={"cube": "tcp"}, cameras=()),
)


@dataclass
class Station:
    """A robot, a camera and an object on one clock, and how many metres along x count as success."""

    config: RobotEnvConfig = CONFIG
    goal: float = 1.0
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self):
        self.robot = FakeRobot(self.clock)
        self.camera = FakeCamera(self.clock, still=True)
        self.env = RobotEnv(
            self.robot,
            config=self.config,
            reward=SparseReward(lambda obs: bool(np.linalg.norm(obs["state/arm/position"][-3:]) >= self.goal)),
            reset=DrivenReset(HOME, (0.02, 0.02, 0.02), (0.0, 0.0, 0.3)),
            cameras={"front": self.camera},
            trackers={"cube": FakeTracker(Pose.of((0.5, 0.0, 0.02), (math.pi, 0, 0)))},
            name="fake",
        )

    def pose(self) -> Pose:
        arm = self.robot.read()["arm"]
        assert isinstance(arm, ArmState)
        return arm.pose

    def targets(self) -> list[Pose]:
        arms = [command["arm"] for command in self.robot.sent]
        return [target.pose for target in arms if isinstance(target, ArmTarget)]

    def begin(self) -> RobotEnv:
        self.env.reset(seed=0)
        self.robot.sent.clear()
        self.robot.num_stops = 0
        return self.env


def with_images(stack: int = 1) -> RobotEnvConfig:
    return replace(CONFIG, observation=ObservationConfig(image_size=16, frame_stack=stack))


@pytest.mark.parametrize("config", [CONFIG, with_images(), with_images(stack=3)])
@pytest.mark.parametrize("gripper", ["none", "continuous", "discrete"])
def test_passes_gymnasiums_checks(config, gripper):
    config = replace(config, action=replace(config.action, gripper=gripper))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # states are unbounded, which the checker finds unusual
        env = Station(config).env
        env.action_space.seed(0)  # the checker compares exactly, and the fake's clock goes on between its two episodes
        check_env(env)


def test_is_an_environment_of_the_house():
    env: Env = Station().env
    assert env.env_spec.name == "fake"
    assert (env.env_spec.control_dt, env.env_spec.max_steps) == (0.1, 10)
    assert env.env_spec.action.names == ("arm/x", "arm/y", "arm/z", "arm/yaw", "gripper")
    assert {key: spec.shape for key, spec in env.env_spec.obs.items()} == {
        key: space.shape for key, space in env.observation_space.items()
    }


def test_the_spec_tells_which_part_of_a_picture_is_observed():
    observation = ObservationConfig(image_size=16, crops={"front": (8, 0, 40, 40)})
    assert Station(replace(CONFIG, observation=observation)).env.env_spec.extra["crop/front"] == "8 0 40 40"


@pytest.mark.parametrize("frame", ["tcp", "base"])
def test_the_spec_tells_along_whose_axes_an_action_moves(frame):
    assert Station(replace(CONFIG, action=replace(CONFIG.action, frame=frame))).env.env_spec.extra[ACTION_FRAME] == frame


def test_nothing_is_connected_before_the_first_reset():
    station = Station()
    assert station.env.env_spec.obs
    assert station.env.render() is None
    with pytest.raises(DeviceError):
        station.robot.read()
    station.env.reset(seed=0)
    assert station.robot.read()


def test_the_seed_alone_decides_the_episode():
    station = Station()
    runs = []
    for seed in (3, 4, 3):
        obs, _ = station.env.reset(seed=seed)
        runs.append(np.concatenate([obs["state/cube/position"], station.env.step(AWAY)[0]["state/cube/position"]]))
    np.testing.assert_array_equal(runs[0], runs[2])
    assert np.abs(runs[0] - runs[1]).max() > 1e-3


def test_a_step_takes_one_period_and_moves_by_the_scale():
    station = Station()
    env = station.begin()
    before = station.clock.now()
    obs, _, _, _, info = env.step(AWAY)
    assert station.clock.now() - before == pytest.approx(0.1)
    assert np.linalg.norm(obs["state/arm/position"]) == pytest.approx(0.02, abs=1e-6)
    assert info["stamp"] == pytest.approx(0.1)


def test_periods_stay_on_the_grid_when_the_policy_takes_time():
    station = Station()
    env = station.begin()
    env.step(REST)
    start = station.clock.now()
    for _ in range(5):
        station.clock.advance(0.03)
        env.step(REST)
    assert station.clock.now() - start == pytest.approx(0.5)


def test_a_late_action_still_gets_a_whole_period():
    station = Station()
    env = station.begin()
    env.step(REST)
    station.clock.advance(0.35)
    start = station.clock.now()
    assert not env.step(AWAY)[3]
    assert station.clock.now() - start == pytest.approx(0.1)


def test_an_action_that_comes_much_too_late_is_a_fault_and_not_executed():
    station = Station()
    env = station.begin()
    env.step(REST)
    station.robot.sent.clear()
    station.clock.advance(0.7)
    _, _, terminated, truncated, info = env.step(AWAY)
    assert (terminated, truncated) == (False, True)
    assert "action came 0.70 s after its observation" in info["fault"]
    assert station.robot.sent == []


def test_the_first_action_may_take_its_time():
    station = Station()
    env = station.begin()
    station.clock.advance(60.0)
    assert env.step(REST)[4]["fault"] == ""


def test_running_out_of_time_truncates_and_does_not_terminate():
    env = Station().begin()
    ends = [env.step(REST)[2:4] for _ in range(10)]
    assert ends == [(False, False)] * 9 + [(False, True)]


def test_success_terminates_even_in_the_last_step():
    for steps, goal in ((3, 0.059), (10, 0.199)):
        env = Station(goal=goal).begin()
        results = [env.step(AWAY) for _ in range(steps)]
        assert [result[1] for result in results] == [0.0] * (steps - 1) + [1.0]
        assert results[-1][2:4] == (True, False)
        assert results[-1][4]["success"] is True


def test_success_can_be_rewarded_without_ending():
    env = Station(replace(CONFIG, terminate_on_success=False), goal=0.059).begin()
    results = [env.step(AWAY) for _ in range(10)]
    assert [result[1] for result in results] == [0.0] * 2 + [1.0] * 8
    assert not any(result[2] for result in results)
    assert results[-1][3]


def test_the_reward_is_told_of_every_episode():
    class Told(SparseReward):
        episodes = 0

        def begin_episode(self):
            Told.episodes += 1

    env = Station().env
    env._reward = Told(bool)
    for episode in (1, 2):
        env.reset()
        assert Told.episodes == episode


def test_the_robot_is_held_when_the_episode_ends_and_not_before():
    station = Station(goal=0.059)
    env = station.begin()
    held = []
    for _ in range(3):
        env.step(AWAY)
        held.append(station.robot.num_stops)
    assert held == [0, 0, 1]


@pytest.mark.parametrize("end", ["none begun", "over"])
def test_stepping_outside_an_episode_is_refused(end):
    station = Station()
    if end == "over":
        for _ in range(10):
            _ = (station.env if station.robot.sent else station.begin()).step(REST)
    with pytest.raises(gym.error.ResetNeeded, match="call reset before step"):
        station.env.step(REST)


@pytest.mark.parametrize("bad", [np.zeros(4), np.full(5, np.nan), np.full(5, 1.1)])
def test_a_bad_action_never_reaches_the_robot(bad):
    station = Station()
    env = station.begin()
    with pytest.raises(ValueError, match="action"):
        env.step(bad)
    assert station.robot.sent == []
    assert env.step(REST)[4]["fault"] == ""


def test_every_command_passes_the_safety_limit():
    station = Station(replace(CONFIG, action=replace(CONFIG.action, position_scale_m=0.2)))
    env = station.begin()
    before = station.pose()
    info = env.step(AWAY)[4]
    assert info["clamped"] is True
    assert info["action"].tolist() == AWAY.tolist()
    assert station.targets()[-1].distance(before)[0] == pytest.approx(0.05)
    assert env.step(REST)[4]["clamped"] is False


def test_targets_start_from_what_was_really_sent():
    config = replace(CONFIG, action=ActionConfig(frame="base", axes=("x",), reference="target", position_scale_m=0.01))
    station = Station(config)
    env = station.begin()
    for _ in range(3):
        station.robot.place({"arm": station.robot.read()["arm"]})
        start = station.pose()
        env.step(np.ones(1, np.float32))
        station.robot.place({"arm": replace(station.robot.read()["arm"], pose=start)})  # something blocks the arm
    targets = [target.position[0] - start.position[0] for target in station.targets()]
    np.testing.assert_allclose(targets, [0.01, 0.02, 0.02], atol=1e-9)


@pytest.mark.parametrize("method", ["read", "command"])
def test_a_device_fault_stops_the_robot_and_truncates(method):
    station = Station()
    env = station.begin()
    last = env.step(AWAY)[0]
    station.robot.fail_next(method, "cable is out")
    obs, reward, terminated, truncated, info = env.step(AWAY)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert "cable is out" in info["fault"]
    assert station.robot.num_stops == 1
    for key in last:
        np.testing.assert_array_equal(obs[key], last[key])
        assert obs[key] is not last[key]
    env.reset()
    assert env.step(REST)[4]["fault"] == ""


def test_a_frozen_camera_is_a_fault():
    station = Station(with_images())
    env = station.begin()
    station.camera.freeze()
    faults = [env.step(REST)[4]["fault"] for _ in range(3)]
    assert faults[0] == ""
    assert "newest frame is" in faults[-1]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_any_other_error_stops_the_robot_and_is_raised(error):
    station = Station()
    env = station.begin()

    def broken(obs):
        raise error

    env._reward = broken
    with pytest.raises(error):
        env.step(AWAY)
    assert station.robot.num_stops == 1
    with pytest.raises(gym.error.ResetNeeded):
        env.step(REST)


@pytest.mark.parametrize("error", [DeviceError, ResetFailed])
def test_a_reset_that_fails_stops_the_robot_and_is_raised(error):
    station = Station()
    env = station.begin()

    def broken(robot, rng):
        raise error("no")

    env._reset_routine = broken
    with pytest.raises(error):
        env.reset()
    assert station.robot.num_stops == 1
    with pytest.raises(gym.error.ResetNeeded):
        env.step(REST)


def test_the_grip_of_the_last_episode_is_forgotten():
    station = Station()
    env = station.begin()
    env.step(np.array([0, 0, 0, 0, -1], np.float32))
    assert "gripper" in station.robot.sent[-1]
    station.begin().step(REST)
    assert "gripper" not in station.robot.sent[-1]


def test_info_always_has_all_keys():
    station = Station()
    env = station.begin()
    infos = [env.reset()[1], env.step(REST)[4]]
    station.robot.fail_next("read")
    infos.append(env.step(REST)[4])
    for info in infos:
        assert set(info) == set(StepInfo.__annotations__)


def test_render_shows_the_first_camera_even_if_it_is_not_observed():
    station = Station()
    env = station.begin()
    image = env.render()
    assert "image/front" not in env.env_spec.obs
    assert image is not None
    assert image.shape == (48, 64, 3)
    assert RobotEnv(FakeRobot(), config=RobotEnvConfig(), reward=SparseReward(bool), reset=DrivenReset(HOME)).render() is None


def test_close_releases_all_devices_and_reset_connects_again():
    station = Station()
    env = station.begin()
    env.close()
    env.close()
    with pytest.raises(DeviceError):
        station.robot.read()
    with pytest.raises(DeviceError):
        station.camera.read(1.0)
    env.reset()
    assert env.step(REST)[4]["fault"] == ""


def test_bad_settings_say_why():
    with pytest.raises(ConfigError, match="max_steps 0"):
        RobotEnvConfig(max_steps=0)
