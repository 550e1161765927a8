"""Pictures without content are faults, a robot that holds still is none, and nothing is learned from either's step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware.clock import ManualClock
from hardware.fake import HOME, FakeCamera, FakeRobot
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.frame_guard import FrameGuard, FrameGuardConfig
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.envs.rollout import run_episode
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, DriveState, EpisodeInfo, Frame, GripperState, JointState

NOISE = np.random.default_rng(0)
PICTURE = NOISE.integers(0, 255, (128, 128, 3), np.uint8)


def arm(x=0.0, yaw=0.0):
    return {"arm": ArmState(Pose.of((x, 0, 0), (0, 0, yaw)), *(np.zeros(n) for n in (6, 6, 7, 7)), stamp=0.0)}


def drive(speed, stamp):
    return {"base": DriveState(speed, 0.0, stamp)}


def joints(*qpos):
    return {"hand": JointState(np.array(qpos), np.zeros(len(qpos)), 0.0)}


def same_picture(states, picture=PICTURE, config=None):
    """Show a guard the same picture in every state."""
    guard = FrameGuard(config or FrameGuardConfig())
    for state in states:
        guard.check({"front": picture}, state)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (200, 90, 10)])
@pytest.mark.parametrize("size", [(8, 8), (128, 128), (480, 640)])
def test_a_picture_of_one_colour_is_named(color, size):
    guard = FrameGuard(FrameGuardConfig())
    noise = NOISE.normal(0, 1, (*size, 3))
    picture = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
    with pytest.raises(DeviceError, match=r"camera 'wrist': the picture is of one colour \(RGB .*check lens cap"):
        guard.check({"front": PICTURE, "wrist": picture}, arm())
    FrameGuard(FrameGuardConfig(min_deviation=0)).check({"wrist": picture}, arm())


def test_a_dark_room_is_a_picture():
    dim = (PICTURE // 20).astype(np.uint8)
    FrameGuard(FrameGuardConfig()).check({"front": dim}, arm())


@pytest.mark.parametrize(
    "states",
    [
        [arm(0.003 * step) for step in range(12)],
        [arm(yaw=0.05 * step) for step in range(12)],
        [arm(0.03 if step == 1 else 0.0) for step in range(12)],  # it went and came back
        [joints(0.0, 0.05 * step) for step in range(12)],
        [drive(0.5, 0.1 * step) for step in range(12)],
    ],
)
def test_a_picture_that_stays_while_the_robot_moves_is_frozen(states):
    same_picture(states[:11])
    with pytest.raises(DeviceError, match=r"camera 'front': the same picture in 12 control steps .*replug or restart"):
        same_picture(states)
    same_picture(states, config=FrameGuardConfig(frozen_steps=0))


@pytest.mark.parametrize(
    "states",
    [
        [arm()] * 50,
        [arm(0.001 * (step % 2)) for step in range(50)],
        [arm() | {"gripper": GripperState(step / 50, 0.0)} for step in range(50)],
        [drive(0.0, 0.1 * step) for step in range(50)],
    ],
)
def test_a_robot_that_holds_still_may_look_the_same_for_ever(states):
    same_picture(states)


def test_any_change_of_the_picture_starts_the_count_again():
    guard = FrameGuard(FrameGuardConfig(frozen_steps=3))
    for step in range(40):
        picture = PICTURE.copy()
        picture[77, 3, 1] += step // 4 % 2  # one pixel every fourth step
        guard.check({"front": picture}, arm(0.1 * step))


def test_a_driver_that_uses_its_buffer_again_is_not_frozen():
    guard, buffer = FrameGuard(FrameGuardConfig(frozen_steps=3)), PICTURE.copy()
    for step in range(20):
        buffer[:] = np.roll(buffer, 1, axis=1)
        guard.check({"front": buffer}, arm(0.1 * step))


def test_episodes_and_cameras_are_counted_apart():
    guard = FrameGuard(FrameGuardConfig(frozen_steps=3))
    for _ in range(5):
        guard.begin_episode()
        for step in range(4):
            guard.check({"front": PICTURE}, arm(0.1 * step))
    for step in range(4):
        guard.check({"front": np.roll(PICTURE, 1 + step, axis=0), "wrist": PICTURE}, arm(0.1 * step))
    with pytest.raises(DeviceError, match="'wrist'"):
        guard.check({"front": PICTURE, "wrist": PICTURE}, arm(0.4))


def test_negative_settings_are_refused():
    with pytest.raises(ConfigError, match="frozen_steps -1"):
        FrameGuardConfig(frozen_steps=-1)


class Camera(FakeCamera):
    """Goes black or freezes in a step."""

    def __init__(self, clock, failure):
        super().__init__(clock)
        self.failure, self.reads = failure, 0

    def read(self, max_age):
        frame = super().read(max_age)
        self.reads += 1
        if self.failure == "black" and self.reads == 6:
            return replace(frame, image=np.zeros_like(frame.image))
        if self.failure == "frozen":
            return Frame(self._picture.copy(), frame.stamp)
        return frame


class East:
    """Goes one way."""

    version = 0

    def begin_episode(self):
        pass

    def act(self, obs, *, explore):
        return np.array([1.0, 0.0, 0.0], np.float32)


class Kept:
    """An ExperienceSink that keeps transitions."""

    def __init__(self):
        self.transitions = []

    def begin_episode(self, info):
        pass

    def end_episode(self):
        pass

    def add(self, transition):
        self.transitions.append(transition)


def episode(camera_failure, max_steps, env=None):
    """Return how an episode went, what was kept of it, and the environment."""
    clock = ManualClock()
    env = env or RobotEnv(
        FakeRobot(clock),
        config=RobotEnvConfig(max_steps=max_steps, action=ActionConfig(frame="base", axes=("x", "y", "z"))),
        reward=SparseReward(lambda obs: False),
        reset=DrivenReset(HOME),
        cameras={"front": Camera(clock, camera_failure)},
    )
    kept = Kept()
    result = run_episode(env, East(), seed=0, explore=False, info=EpisodeInfo("fake", "policy"), sinks=(kept,))
    return result, kept.transitions, env


@pytest.mark.parametrize(("failure", "steps"), [("black", 5), ("frozen", 11), ("none", 15)])
def test_a_bad_camera_ends_the_episode_as_a_fault_of_which_nothing_is_kept(failure, steps):
    result, kept, env = episode(failure, max_steps=15)
    assert result.length == steps
    assert ("camera 'front'" in result.fault) == (failure != "none")
    assert len(kept) == steps - bool(result.fault)
    assert env.robot.num_stops > 0


def test_pictures_are_not_compared_across_episodes():
    env = None
    for _ in range(3):
        result, _, env = episode("frozen", 8, env)
        assert (result.length, result.fault) == (8, "")
