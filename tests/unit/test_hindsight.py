import numpy as np
import pytest

from robot_rl.data.episode import Episode
from robot_rl.data.hindsight import GRIP_STEPS, hindsight_goals
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo

LENGTH = 12


def poses(length: int) -> list[Pose]:
    """A tool that moves along x by a centimetre a step and turns about z."""
    return [Pose.of((0.01 * step, 0.2, 0.3), (0.0, 0.0, 0.05 * step)) for step in range(length + 1)]


def episode(*, success_at: int | None, gripper: list[float] | None = None, with_pose: bool = True) -> Episode:
    names = ("arm/x",) if gripper is None else ("arm/x", "gripper")
    action = np.zeros((LENGTH, len(names)), np.float32)
    if gripper is not None:
        action[:, 1] = gripper
    rows = np.stack([np.concatenate([pose.position, pose.quaternion]) for pose in poses(LENGTH)]).astype(np.float32)
    obs = {"pose/arm": rows} if with_pose else {"state/x": rows}
    key = next(iter(obs))
    none = np.zeros(LENGTH, bool)
    successes = none.copy()
    if success_at is not None:
        successes[success_at:] = True
    return Episode(
        EnvSpec("toy", {key: ArraySpec((7,))}, ActionSpec(names), 0.1, LENGTH),
        EpisodeInfo("toy", "demo"), obs, action, successes.astype(np.float32), none, none, successes,
        action, none, none, np.zeros(LENGTH, np.int64), 0.1 * np.arange(LENGTH),
    )  # fmt: skip


def test_the_goal_is_where_the_tool_was_at_success_without_a_gripper():
    goals = hindsight_goals(episode(success_at=LENGTH - 1))
    start, end = poses(LENGTH)[0], poses(LENGTH)[-1]
    assert goals.shape == (LENGTH + 1, 6)
    assert goals.dtype == np.float32
    expected = start.inverse() @ end
    np.testing.assert_allclose(goals[0], [*expected.position, *expected.rotvec], atol=1e-6)
    np.testing.assert_allclose(goals[-1], 0.0, atol=1e-6)


def test_every_frame_tells_the_same_place_in_the_base_frame():
    goals = hindsight_goals(episode(success_at=LENGTH - 1))
    places = [pose @ Pose.of(goal[:3].tolist(), goal[3:].tolist()) for pose, goal in zip(poses(LENGTH), goals, strict=True)]
    for place in places:
        np.testing.assert_allclose(place.position, places[0].position, atol=1e-6)


def test_frames_after_success_still_tell_where_it_was():
    goals = hindsight_goals(episode(success_at=8))  # success after step 8: seen in observation 9
    np.testing.assert_allclose(goals[9], 0.0, atol=1e-6)
    assert np.abs(goals[12, :3]).max() > 0.02


def test_with_a_gripper_the_goal_is_where_it_closed_last_and_then_the_hand():
    grip = [1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]  # closes at 2, opens, closes at 5
    goals = hindsight_goals(episode(success_at=LENGTH - 1, gripper=grip))
    expected = poses(LENGTH)[0].inverse() @ poses(LENGTH)[5 + GRIP_STEPS]
    np.testing.assert_allclose(goals[0, :3], expected.position, atol=1e-6)
    assert np.abs(goals[5, :3]).max() > 0.01
    np.testing.assert_allclose(goals[5 + GRIP_STEPS :], 0.0, atol=1e-6)


def test_a_gripper_that_never_closes_leaves_success_as_the_goal():
    goals = hindsight_goals(episode(success_at=LENGTH - 1, gripper=[1.0] * LENGTH))
    np.testing.assert_allclose(goals, hindsight_goals(episode(success_at=LENGTH - 1)), atol=1e-6)


def test_closing_after_success_does_not_count():
    grip = [1.0, -1.0, *[1.0] * 8, -1.0, -1.0]  # closes at 1 and, after the success at 6, at 10
    goals = hindsight_goals(episode(success_at=6, gripper=grip))
    np.testing.assert_allclose(goals[1 + GRIP_STEPS :], 0.0, atol=1e-6)


def test_a_failure_tells_nothing():
    assert hindsight_goals(episode(success_at=None)) is None


def test_without_the_tools_pose_the_setting_is_named():
    with pytest.raises(ConfigError, match="tool_pose"):
        hindsight_goals(episode(success_at=3, with_pose=False))


def test_a_gripper_that_hesitates_around_the_middle_is_not_closing_again():
    grip = [1.0, 1.0, -1.0, -0.1, 0.1, -0.2, 0.2, -0.6, -0.1, 0.1, -0.3, -1.0]  # closed from 2 on: never clearly opened
    goals = hindsight_goals(episode(success_at=LENGTH - 1, gripper=grip))
    np.testing.assert_allclose(goals[2 + GRIP_STEPS :], 0.0, atol=1e-6)
