"""Laws of replays: the same actions on the same robot come out the same, and what differs is told and where."""

import math
from dataclasses import replace

import numpy as np
import pytest

from demos.replay_episode import StartLimits, replay
from hardware.fake import HOME, FakeRobot, ScriptedTeleop
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import read_episode
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.observations import ObservationConfig
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.envs.rollout import run_episode
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.geometry import Pose, rotvec_to_quaternion
from robot_rl.types import ArmTarget, EpisodeInfo, TeleopInput

STEPS = 10


class Wander:
    """Moves a little this way and that, and turns."""

    version = 0

    def begin_episode(self):
        self.t = 0

    def act(self, obs, *, explore):
        self.t += 1
        return np.array([0.4 * math.cos(self.t), 0.4 * math.sin(self.t), 0.1, 0.5], np.float32)


def make(robot=None, *, start=HOME, control_dt=0.1, axes=("x", "y", "z", "roll"), max_steps=STEPS):
    config = RobotEnvConfig(
        control_dt=control_dt,
        max_steps=max_steps,
        action=ActionConfig(frame="base", axes=axes, rotation_scale_rad=0.05),
        observation=ObservationConfig(relative=False),
        terminate_on_success=False,
    )
    far = SparseReward(lambda obs: bool(obs["state/arm/position"][2] > HOME.position[2] + 0.012))
    return RobotEnv(robot or FakeRobot(), config=config, reward=far, reset=DrivenReset(start, position_noise_m=(0.1, 0.1, 0.0)))


@pytest.fixture
def episode(tmp_path):
    env = make()
    writer = EpisodeWriter(tmp_path, env.env_spec)
    run_episode(env, Wander(), seed=7, explore=False, info=EpisodeInfo("wander", "demo", 7), sinks=(writer,))
    return StoredEpisode(writer.last_path)


def by_key(report):
    return {deviation.key: deviation for deviation in report.deviations}


def test_the_same_actions_from_the_same_start_come_out_the_same(episode):
    robot = FakeRobot()
    report = replay(make(robot), episode)
    assert (report.steps, report.played, report.cut) == (STEPS, STEPS, "")
    assert report.was_success
    assert report.is_success
    assert report.clamped == 0
    assert set(by_key(report)) == set(episode.spec.obs)
    for deviation in report.deviations:
        assert deviation.largest < 1e-6, deviation
    assert robot.num_stops >= 1


class Crooked(FakeRobot):
    """Goes 3 mm too far to the right and turns 0.1 rad too far, from its tenth command in an episode on."""

    def command(self, command):
        target = command.get("arm")
        if isinstance(target, ArmTarget) and self.count > 4:
            further = target.pose.position + np.array([0.0, -0.003, 0.0])
            turn = Pose(np.zeros(3), rotvec_to_quaternion(np.array([0.0, 0.0, 0.1])))
            command = {**command, "arm": ArmTarget(Pose(further, target.pose.quaternion) @ turn)}
        self.count += 1
        return super().command(command)

    count = -(10**9)


def test_what_goes_astray_is_told_with_when_and_how_far(episode):
    robot = Crooked()
    env = make(robot)
    start = env.reset
    env.reset = lambda **options: (start(**options), setattr(robot, "count", 0))[0]
    report = replay(env, episode)
    position = by_key(report)["state/arm/position"]
    assert (position.unit, position.start) == ("m", pytest.approx(0, abs=1e-6))
    assert position.largest == pytest.approx(0.015, abs=2e-3)  # the measured reference adds up: 5 steps of 3 mm
    assert position.final == position.largest
    assert position.largest_at == STEPS
    assert 0 < position.rms < position.largest
    rotation = by_key(report)["state/arm/rotation"]
    assert rotation.unit == "rad"
    assert rotation.largest == pytest.approx(0.5, abs=0.05)


def test_another_start_is_refused_with_the_robot_held_and_nothing_played(episode):
    robot = FakeRobot()
    moved = Pose(HOME.position + np.array([0.0, 0.12, 0.0]), HOME.quaternion)
    with pytest.raises(ConfigError, match=r"state/arm/position by 0\.12 m \(limit 0\.05\)"):
        replay(make(robot, start=moved), episode)
    arrived = len(robot.sent)
    assert robot.num_stops >= 1
    report = replay(make(robot, start=moved), episode, limits=StartLimits(position_m=0.2))
    assert report.played == STEPS
    assert by_key(report)["state/arm/position"].start == pytest.approx(0.12, abs=0.01)
    assert len(robot.sent) > arrived
    turned = HOME @ Pose(np.zeros(3), rotvec_to_quaternion(np.array([0.0, 0.0, 0.4])))
    with pytest.raises(ConfigError, match=r"state/arm/rotation by 0\.4 rad"):
        replay(make(start=turned), episode)


def test_the_start_is_the_recorded_one_unless_told(episode):
    with pytest.raises(ConfigError, match="the start is not the recorded one"):
        replay(make(), episode, seed=8, limits=StartLimits(position_m=0.01))


def test_actions_that_mean_something_else_are_refused_before_anything_moves(episode):
    robot = FakeRobot()
    for env, message in (
        (make(robot, axes=("x", "y", "z", "yaw")), "has actions"),
        (make(robot, control_dt=0.05), "was recorded every 0.1 s; 'robot' acts every 0.05 s"),
    ):
        with pytest.raises(SpecMismatch, match=message):
            replay(env, episode)
    assert robot.sent == []


def test_an_environment_that_sees_nothing_of_what_was_recorded_is_refused_before_anything_moves(episode):
    robot = FakeRobot()
    env = make(robot)
    env.env_spec = replace(env.env_spec, obs={f"{key}_from_hand": entry for key, entry in env.env_spec.obs.items()})
    with pytest.raises(SpecMismatch, match=r"of what episode .* recorded .*'robot' observes nothing"):
        replay(env, episode)
    assert robot.sent == []


def test_a_fault_and_a_stop_cut_it_short_and_are_told(episode):
    robot = FakeRobot()
    report = replay(make(robot), episode, on_step=lambda number: number == 4 and robot.fail_next("command"))
    assert (report.played, report.cut) == (4, "fake: the cable is out")
    teleop = ScriptedTeleop([TeleopInput()] * 4 + [TeleopInput(stop=True)])
    report = replay(Intervention(make(), teleop), episode)
    assert (report.played, report.cut) == (3, "stopped by a person")
    assert len(report.deviations) == len(episode.spec.obs)


def test_an_environment_with_less_time_cuts_it_short(episode):
    report = replay(make(max_steps=6), episode)
    assert (report.played, report.cut) == (6, "the environment ended the episode after 6 steps")


def test_whatever_is_raised_the_robot_holds(episode):
    robot = FakeRobot()

    def interrupt(number):
        if number == 3:
            robot.num_stops = 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(make(robot), episode, on_step=interrupt)
    assert robot.num_stops == 1


def test_the_safety_limit_stays_in_force(episode, tmp_path):
    writer = EpisodeWriter(tmp_path / "wild", episode.spec)
    wild = read_episode(episode.path)
    action = np.tile(np.array([0.0, 0.0, -1.0, 0.0], np.float32), (STEPS, 1))
    path = writer.write(replace(wild, action=action))
    robot = FakeRobot()
    low = Pose(np.array([0.45, 0.0, 0.08]), HOME.quaternion)
    report = replay(make(robot, start=low), StoredEpisode(path), limits=StartLimits(position_m=1.0))
    assert report.clamped > 0
    lowest = min(command["arm"].pose.position[2] for command in robot.sent if "arm" in command)
    assert lowest >= robot.spec.parts["arm"].workspace_low[2] - 1e-9
