"""A gripper that has closed on nothing opens and goes up, whatever is asked; and nothing else makes it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hardware.fake import FAKE_SPEC
from robot_rl.envs.actions import ActionConfig, ActionMapper
from robot_rl.envs.regrasp import RAISE_M, STEPS
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, GripperState

TILTED = Pose.of((0.4, 0.1, 0.3), (math.pi - 0.4, 0.3, -0.1))
CLOSE, STAY, OPEN = (np.array([1.0, 0.0, 0.0, gripper]) for gripper in (-1.0, 0.0, 1.0))
"""Actions along x, and of the gripper."""


def mapper_with(**settings) -> ActionMapper:
    settings = {"axes": ("x", "y", "z"), "gripper": "continuous", "empty_opening": 0.4} | settings
    mapper = ActionMapper(ActionConfig(**settings), FAKE_SPEC)
    mapper.begin_episode()
    return mapper


def told(mapper: ActionMapper, action, opening: float) -> tuple[np.ndarray, float]:
    """Return how the tool was told to move, [3], m, in the base frame, and the gripper to open."""
    arm = ArmState(TILTED, np.zeros(6), np.zeros(6), np.zeros(7), np.zeros(7), 0.0)
    state = {"arm": arm, "gripper": GripperState(opening, 0.0)}
    command = mapper.command(mapper.executed(mapper.check(action), state), state)
    return command["arm"].pose.position - TILTED.position, command["gripper"].opening


@pytest.mark.parametrize("frame", ["tcp", "base"])
def test_an_empty_hand_opens_and_goes_straight_up_and_then_does_as_told(frame):
    mapper = mapper_with(frame=frame)
    assert told(mapper, CLOSE, 1.0)[1] == 0.0
    for opening in (0.39, *[1.0] * (STEPS - 1)):
        move, wish = told(mapper, CLOSE, opening)
        np.testing.assert_allclose(move, [0.0, 0.0, RAISE_M], atol=1e-8)
        assert wish == 1.0
    move, wish = told(mapper, CLOSE, 1.0)
    assert wish == 0.0
    assert np.linalg.norm(move[:2]) > 0.01


def test_it_tries_again_as_often_as_it_misses():
    mapper = mapper_with()
    for _ in range(3):
        assert [told(mapper, CLOSE, 0.1)[1] for _ in range(STEPS)] == [1.0] * STEPS
        assert told(mapper, CLOSE, 1.0)[1] == 0.0


@pytest.mark.parametrize(("action", "opening"), [(CLOSE, 0.41), (OPEN, 0.1), (STAY, 0.1)])
def test_what_is_held_or_opening_is_left_alone(action, opening):
    move, wish = told(mapper_with(), action, opening)
    assert wish == (action[-1] + 1) / 2
    assert np.linalg.norm(move[:2]) > 0.01


def test_without_a_limit_a_hand_may_be_empty():
    assert told(mapper_with(empty_opening=0.0), CLOSE, 0.0)[1] == 0.0


def test_a_discrete_gripper_stays_open_until_it_is_told_again():
    mapper = mapper_with(gripper="discrete")
    assert told(mapper, CLOSE, 0.1)[1] == 1.0
    assert [told(mapper, STAY, 1.0)[1] for _ in range(STEPS + 3)] == [1.0] * (STEPS + 3)
    assert told(mapper, CLOSE, 1.0)[1] == 0.0


def test_a_new_episode_begins_without():
    mapper = mapper_with()
    told(mapper, CLOSE, 0.1)
    mapper.begin_episode()
    assert told(mapper, CLOSE, 1.0)[1] == 0.0


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"empty_opening": 1.0}, "empty_opening 1 "),
        ({"empty_opening": -0.1}, "empty_opening -0.1"),
        ({"gripper": "none"}, "gripper is 'none'"),
        ({"axes": ("x", "y")}, "axes are \\('x', 'y'\\)"),
    ],
)
def test_bad_settings_say_why(settings, cause):
    with pytest.raises(ConfigError, match=cause):
        mapper_with(**settings)
