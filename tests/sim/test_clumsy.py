"""Failures that come close, repeat with their seed, and spare nothing of an action's promises."""

from __future__ import annotations

import numpy as np
import pytest

from robot_rl.envs.factory import make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from robot_rl.specs import ActionSpec
from sim.clumsy import ClumsyPolicy, clumsy, draw_habits, draw_lapse

SPEC = ActionSpec(("arm/x", "arm/z", "gripper"))
INTENDED = np.array([0.2, -0.1, 1.0], np.float32)


class Steady:
    version = 0

    def begin_episode(self):
        pass

    def act(self, obs, *, explore):
        return INTENDED.copy()


def actions(progress, seed=0, episodes=20, steps=40):
    policy = ClumsyPolicy(Steady(), SPEC, lambda: progress, seed)
    played = []
    for _ in range(episodes):
        policy.begin_episode()
        played.append([policy.act({}, explore=True) for _ in range(steps)])
    return np.array(played)  # [episodes, steps, A]


def test_actions_are_valid_and_repeat_with_their_seed():
    played = actions(progress=0.0)
    assert played.dtype == np.float32
    assert np.abs(played).max() <= 1.0
    np.testing.assert_array_equal(played, actions(progress=0.0))
    assert np.abs(played - actions(progress=0.0, seed=1)).max() > 0.1
    assert np.abs(played[0] - played[1]).max() > 0.1


def test_an_attempt_is_given_up_near_the_end_and_not_far_from_it():
    quiet = [draw_habits(np.random.default_rng([0, episode]), np.array([True, True, False])) for episode in range(1, 21)]
    unspoiled = [e for e, habits in enumerate(quiet) if habits.noise <= 0.1 and not habits.bias.any() and habits.grip is None]
    assert len(unspoiled) > 5
    far = np.abs(actions(progress=0.0)[unspoiled, :30] - INTENDED).max(axis=(1, 2))
    near = np.abs(actions(progress=0.97)[unspoiled, :30] - INTENDED).max(axis=(1, 2))
    assert far.max() < 0.5  # only the tremor of a person
    assert near.min() > 0.1
    assert np.median(near) > np.median(far)


def test_the_gripper_stays_as_told_unless_something_goes_wrong_with_it():
    grips = actions(progress=0.0)[..., 2]
    assert set(np.unique(grips)) == {-1.0, 1.0}
    assert (grips == 1.0).mean() > 0.5


@pytest.mark.parametrize("up", [-1.0, 1.0])
def test_the_hand_goes_up_with_nothing_in_it_as_if_it_held_something(up):
    policy = ClumsyPolicy(Steady(), SPEC, lambda: 0.5, 0, up)
    played = []
    for _ in range(20):
        policy.begin_episode()
        played.append([policy.act({}, explore=True) for _ in range(100)])
    raised = [np.array(episode)[:, 1] * up >= 0.2 for episode in played]
    longest = [max(map(len, "".join(".#"[int(step)] for step in episode).split("."))) for episode in raised]
    assert sum(length >= 8 for length in longest) > 5
    grips = np.concatenate([np.array(episode)[is_up, 2] for episode, is_up in zip(played, raised, strict=True)])
    assert {-1.0, 1.0} <= set(np.unique(grips))


def test_tasks_without_gripper_never_fumble():
    habits = [draw_habits(np.random.default_rng(seed), np.array([True, True])) for seed in range(50)]
    assert all(each.grip is None for each in habits)


def test_tasks_without_gripper_hold_nothing_that_could_be_missing():
    lapses = [draw_lapse(np.random.default_rng(seed), np.array([True, True])) for seed in range(50)]
    assert not any(lapse.raising_steps for lapse in lapses)


def test_attempts_at_a_task_mostly_fail_and_some_come_close():
    env = make_env("pick_lift", EnvOptions(end_at_success=False, max_steps=80))
    policy = clumsy(env, make_demonstrator("scripted", "pick_lift", env, 0), 0)
    successes, progress, raised_empty = [], [], 0
    for seed in range(12):
        obs, _ = env.reset(seed=seed)
        policy.begin_episode()
        for _ in range(80):
            obs, _, _, _, info = env.step(policy.act(obs, explore=True))
            successes.append(info["success"])
            progress.append(env.task.progress(env.physics))
            cube, hand = env.physics.body_pose("cube").position[2], env.physics.site_pose("tcp").position[2]
            raised_empty += cube < 0.03 and hand > 0.13 and bool(obs["state/gripper/opening"][0] < 0.9)
    assert np.mean(successes) < 0.3
    failures = np.array(progress)[~np.array(successes)]
    assert (failures > 0.5).mean() > 0.02  # the cube is off the table
    assert (failures < 0.4).mean() > 0.2
    assert raised_empty > 10  # what a success looks like, but for the cube


def test_foreign_environments_have_no_progress_to_fail_by():
    env = make_env("gymnasium:Pendulum-v1", EnvOptions(reward="dense"))
    with pytest.raises(ConfigError, match="not a simulated task"):
        clumsy(env, Steady(), 0)
