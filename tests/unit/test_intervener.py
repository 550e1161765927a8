"""The scripted person lets be what goes well, corrects what does not, and helps less the less it is needed."""

import numpy as np
import pytest
from toy_env import Point

from robot_rl.envs.factory import make_demonstrator, make_env
from robot_rl.envs.intervention import Intervention
from robot_rl.errors import ConfigError
from sim.intervener import Intervener, IntervenerConfig

REACTION_STEPS = 20  # 2 s at 10 Hz


@pytest.fixture(scope="module")
def task():
    env = make_env("reach")
    yield env
    env.close()


def beside(task, **config):
    intervener = Intervener(task, seed=0, config=IntervenerConfig(**config))
    return intervener, Intervention(task, intervener)


def play(env, act, seed=0):
    """Return whether a person acted at each step, and whether the episode was a success."""
    obs, _ = env.reset(seed=seed)
    flags, is_over, info = [], False, {}
    while not is_over:
        obs, _, terminated, truncated, info = env.step(act(obs))
        flags.append(info["is_intervention"])
        is_over = terminated or truncated
    return flags, info["success"]


def idle(obs):
    return np.zeros(4, np.float32)[: len(obs["state/target/position"])]


def good(obs):
    """Go straight to the target, without hesitation."""
    return np.clip(obs["state/target/position"] / 0.02, -1.0, 1.0).astype(np.float32)


def test_a_policy_that_gets_on_is_left_alone(task):
    _, env = beside(task)
    for seed in range(3):
        flags, success = play(env, good, seed)
        assert success
        assert not any(flags)


def test_one_that_never_got_on_is_helped_after_the_reaction_time_and_to_the_end(task):
    _, env = beside(task, max_hold_s=100.0)
    flags, success = play(env, idle)
    assert flags == [False] * REACTION_STEPS + [True] * (len(flags) - REACTION_STEPS)
    assert success


def test_one_that_has_got_there_before_is_let_go_once_it_has_recovered_and_helped_again_if_need_be(task):
    _, env = beside(task, max_hold_s=100.0, reaction_s=0.8, recovery=0.2)
    play(env, good)
    flags, success = play(env, idle)
    runs = "".join("x" if flag else " " for flag in flags).split()
    assert len(runs) > 1
    assert min(map(len, runs[:-1])) >= 5  # at least half a second
    assert success


def test_a_person_gives_up_after_a_while(task):
    _, env = beside(task, max_hold_s=0.5)
    flags, _ = play(env, idle)
    assert flags[REACTION_STEPS : REACTION_STEPS + 6] == [True] * 5 + [False]


def test_attention_falls_with_what_was_achieved_without_help_and_returns_with_failures(task):
    intervener, env = beside(task, memory_episodes=4)
    attention = []
    for seed in range(5):  # an episode counts once the next has begun
        play(env, good, seed)
        attention.append(intervener.attention)
    assert attention == [1.0, 15 / 16, 12 / 16, 7 / 16, 0.0]
    helped = [any(play(env, idle, seed)[0]) for seed in range(8)]
    assert not helped[0]  # trusts it at first
    assert all(helped[5:])  # has seen nothing but failures


def test_a_success_with_help_is_none_of_the_policys_own(task):
    intervener, env = beside(task)
    for seed in range(3):
        flags, success = play(env, idle, seed)
        assert any(flags)
    assert success
    assert intervener.attention == 1.0


def test_the_same_seed_gives_the_same_person(task):
    runs = []
    for _ in range(2):
        _, env = beside(task)
        actions = []
        for seed in range(2):
            obs, _ = env.reset(seed=seed)
            for _ in range(REACTION_STEPS + 10):
                obs, _, terminated, _, info = env.step(idle(obs))
                actions.append(info["action"])
                if terminated:
                    break
        runs.append(np.array(actions))
    np.testing.assert_array_equal(*runs)
    assert np.any(runs[0] != 0)


def test_who_watches_does_not_change_what_the_policy_sees(task):
    def course(env):
        obs, _ = env.reset(seed=3)
        return [obs, *(env.step(good(obs))[0] for _ in range(5))]

    watched = course(beside(task)[1])
    for one, other in zip(course(task), watched, strict=True):
        for key, value in one.items():
            np.testing.assert_array_equal(value, other[key])


def test_in_peg_insertion_it_carries_a_policy_that_does_nothing_to_the_end():
    env = make_env("peg_insert")
    try:
        _, watched = beside(env, recovery=1.0, max_hold_s=100.0)
        flags, success = play(watched, lambda _: np.zeros(4, np.float32))
        assert success
        assert flags == [False] * REACTION_STEPS + [True] * (len(flags) - REACTION_STEPS)
    finally:
        env.close()


def test_a_peg_that_is_over_its_hole_already_is_not_brought_there_anew():
    env = make_env("peg_insert")
    try:
        person = make_demonstrator("scripted", "peg_insert", env, seed=1)
        obs, _ = env.reset(seed=0)
        person.begin_episode()
        while not (obs["state/hole/position"][2] < 0.04 and np.hypot(*obs["state/hole/position"][:2]) < 0.01):
            obs = env.step(person.act(obs, explore=True))[0]
        above, heights = float(obs["state/hole/position"][2]), []
        person.begin_episode()
        for _ in range(15):
            obs, _, terminated, _, _ = env.step(person.act(obs, explore=True))
            heights.append(float(obs["state/hole/position"][2]))
            if terminated:
                break
        assert max(heights) < above + 0.005  # and not up by three centimetres first
        assert heights[-1] < above - 0.005
    finally:
        env.close()


def test_only_simulated_tasks_can_be_seen_through():
    with pytest.raises(ConfigError, match="not a simulated task"):
        Intervener(Point(), seed=0)


@pytest.mark.parametrize("wrong", [{"reaction_s": 0.0}, {"taper": -1.0}, {"noise": -0.1}, {"memory_episodes": 0}])
def test_impossible_habits_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        IntervenerConfig(**wrong)
