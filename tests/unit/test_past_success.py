"""Episodes go on for so many steps after success, hold what was reached, and say what was executed."""

from __future__ import annotations

import numpy as np
import pytest

from demos.past_success import REACTION_STEPS, Hold, PastSuccess
from demos.record import record
from hardware.fake import HOME, FakeRobot
from robot_rl.data.episodes import load_dataset
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError
from robot_rl.specs import ActionSpec

ACTION = np.array([1.0, 0.0, 0.0, -1.0], np.float32)


def station(goal=0.059, max_steps=30, ends=False):
    """Return an environment in which ACTION succeeds in its third step, and its robot."""
    robot = FakeRobot()
    config = RobotEnvConfig(
        max_steps=max_steps,
        action=ActionConfig(frame="base", axes=("x", "y", "z"), gripper="continuous"),
        terminate_on_success=ends,
    )
    reward = SparseReward(lambda obs: bool(np.linalg.norm(obs["state/arm/position"]) >= goal))
    return RobotEnv(robot, config=config, reward=reward, reset=DrivenReset(HOME)), robot


HOLDS, GOES_ON = 2, 0
"""Seeds of an episode of either kind."""


def play(env, seed=0):
    env.reset(seed=seed)
    steps = [env.step(ACTION)]
    while not (steps[-1][2] or steps[-1][3]):
        steps.append(env.step(ACTION))
    return steps


class East:
    version = 0

    def begin_episode(self):
        pass

    def act(self, obs, *, explore):
        return ACTION


@pytest.mark.parametrize("steps", [1, 4])
def test_an_episode_ends_so_many_steps_after_its_first_success(steps):
    env, robot = station()
    played = play(PastSuccess(env, steps))
    assert len(played) == 3 + steps
    assert [step[4]["success"] for step in played[:3]] == [False, False, True]
    assert not any(step[2] for step in played)
    assert robot.num_stops > 0


def test_in_other_episodes_the_policy_goes_on_past_success():
    env, _ = station()
    played = play(PastSuccess(env, 10), seed=GOES_ON)
    assert all(step[4]["action"].tolist() == ACTION.tolist() for step in played)
    assert sum(step[4]["success"] for step in played) == 11


def test_both_kinds_of_episodes_are_about_as_frequent():
    env, _ = station()
    past = PastSuccess(env, REACTION_STEPS + 1)
    holds = [play(past, seed)[-1][4]["action"].tolist() != ACTION.tolist() for seed in range(30)]
    assert 8 <= sum(holds) <= 22


def test_the_hand_stays_where_it_succeeded_and_the_gripper_goes_on():
    env, _ = station()
    played = play(PastSuccess(env, 10), seed=HOLDS)
    before, after = played[: 3 + REACTION_STEPS], played[3 + REACTION_STEPS :]
    assert all(step[4]["action"].tolist() == ACTION.tolist() for step in before)
    assert all(np.abs(step[4]["action"][:3]).max() < 0.8 for step in after)
    assert (
        len({float(step[4]["action"][0]) for step in after}) == len(after) == 7
    )  # a tremor: no two pictures of it are the same
    assert all(step[4]["action"][3] == -1.0 for step in after)
    assert all(step[4]["policy_action"].tolist() == ACTION.tolist() for step in played)
    assert np.linalg.norm(after[-1][0]["state/arm/position"] - before[-1][0]["state/arm/position"]) < 0.03


def test_the_seed_decides_the_tremor():
    first, again, other = (play(PastSuccess(station()[0], 6), seed)[-1][4]["action"].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_running_out_of_time_comes_first():
    played = play(PastSuccess(station(max_steps=4)[0], 10))
    assert len(played) == 4
    assert played[-1][3]


def test_actions_without_known_axes_pass_as_they_are():
    hold = Hold(ActionSpec(("action/0", "action/1")), np.random.default_rng(0))
    assert hold(np.array([0.3, -1.0])).tolist() == pytest.approx([0.3, -1.0])


def test_recording_keeps_what_came_after_success(tmp_path):
    env, _ = station()
    summary = record(env, East(), tmp_path, 2, 0, past_success=5)
    assert summary.mean_length == 8
    for episode in load_dataset(tmp_path, env.env_spec):
        assert not episode.terminated.any()
        assert not episode.successes[:2].any()
        assert episode.successes[2]


def test_an_environment_that_ends_at_success_and_negative_numbers_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="end_at_success=False"):
        record(station(ends=True)[0], East(), tmp_path, 1, 0, past_success=5)
    with pytest.raises(ConfigError, match="-1 steps"):
        PastSuccess(station()[0], -1)
