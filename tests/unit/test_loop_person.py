"""Training beside a person: what they do is learned from and counted, what they reject is gone, and a stop is a stop."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from toy_env import MAX_STEPS, Point
from toy_run import CONFIG, WITHOUT_DEMOS, toy_trainer

from robot_rl.data.episodes import list_discarded, load_dataset
from robot_rl.types import TeleopInput

BOTH = pytest.mark.parametrize("config", [CONFIG, WITHOUT_DEMOS], ids=["demos", "scratch"])
HAND = TeleopInput(action=np.array([0.25, -0.25], np.float32))
NOTHING, DISCARD, STOP = TeleopInput(), TeleopInput(discard=True), TeleopInput(stop=True)


class Died(BaseException):
    """Ends a run in the middle of a step, without a chance to save."""


class Person:
    """Speaks in some steps of the run, counted over all episodes from 1; none of them may be the first of an episode."""

    def __init__(self, env, **by_step):
        self._env = env
        self._by_step = {int(step.removeprefix("at_")): word for step, word in by_step.items()}

    def read(self):
        return self._by_step.pop(self._env.total_steps + 1, NOTHING) if self._env.is_ready else NOTHING


class Lasting(Point):
    """Never succeeds; tells whether an episode is under way, so that nothing is said during resets or after the end."""

    is_ready = False

    def __init__(self):
        super().__init__(radius=0.0)

    def reset(self, *, seed=None, options=None):
        self.is_ready = False
        return super().reset(seed=seed, options=options)

    def step(self, action):
        result = super().step(action)
        self.is_ready = not result[3]
        return result


def train(folder, config=CONFIG, env=None, **by_step):
    env = env or Lasting()
    trainer = toy_trainer(folder, config, env, teleop=Person(env, **by_step))
    trainer.train()
    return trainer


def stored_steps(folder):
    return sum(episode.length for episode in load_dataset(folder / "episodes"))


def hand(*steps):
    return {f"at_{step}": HAND for step in steps}


def results(trainer):
    return [{**asdict(row), "wall_s": 0.0} for row in trainer.counters.evaluations]


def assert_same_agent(one, other):
    states = one.agent.state_dict(), other.agent.state_dict()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


@BOTH
def test_what_a_person_does_is_executed_stored_counted_and_a_demonstration(tmp_path, config):
    trainer = train(tmp_path / "run", config, **hand(3, 4, 5, 30))
    episodes = load_dataset(tmp_path / "run" / "episodes")
    is_human = np.concatenate([episode.is_intervention for episode in episodes])
    assert np.flatnonzero(is_human).tolist() == [2, 3, 4, 29]
    action = np.concatenate([episode.action for episode in episodes])
    policy_action = np.concatenate([episode.policy_action for episode in episodes])
    assert (action[is_human] == HAND.action).all()
    assert (policy_action[is_human] != HAND.action).all()
    np.testing.assert_array_equal(action[~is_human], policy_action[~is_human])
    num_demo_steps = sum(episode.length for episode in trainer.demos)
    assert len(trainer.experience.demos) == num_demo_steps + 4
    assert len(trainer.experience.online) == trainer.counters.env_steps == 50
    assert trainer.counters.human_steps == trainer.counters.evaluations[-1].human_steps == 4
    assert trainer.counters.evaluations[-1].intervention_rate == 4 / 40  # of the two episodes that ended


@BOTH
def test_a_person_who_does_nothing_changes_nothing(tmp_path, config):
    alone = toy_trainer(tmp_path / "alone", config, Lasting())
    alone.train()
    watched = train(tmp_path / "watched", config)
    assert_same_agent(watched, alone)
    assert results(watched) == results(alone)


@BOTH
def test_a_run_with_interventions_that_is_continued_is_the_run_that_never_stopped(tmp_path, config):
    config = replace(config, evaluation=replace(config.evaluation, every=MAX_STEPS))

    def run(name, env_steps, *steps):
        return train(tmp_path / name, replace(config, env_steps=env_steps), **hand(*steps))

    whole = run("whole", 3 * MAX_STEPS, 4, 5, 12, 33, 34, 50)
    run("parts", MAX_STEPS, 4, 5, 12)
    parts = run("parts", 3 * MAX_STEPS, 13, 14, 30)
    assert_same_agent(parts, whole)
    assert results(parts) == results(whole)
    assert parts.counters.human_steps == whole.counters.human_steps == 6


def phases(folder, config, *steps):
    env, seen = Lasting(), []
    trainer = toy_trainer(folder, config, env, teleop=Person(env, **hand(*steps)), report=seen.append)
    trainer.train()
    return trainer, [status.phase for status in seen if status.phase != "training"]


@BOTH
def test_corrections_are_cloned_before_the_critic_is_fitted_and_only_if_there_are_any(tmp_path, config):
    config = replace(config, random_steps=25, warm_start=replace(config.warm_start, env_steps=25))
    first = ["cloning"] if config.demos.episodes else []
    _, seen = phases(tmp_path / "corrected", config, *range(2, 20))
    assert seen == [*first, "cloning corrections", "settling the critic"]
    _, seen = phases(tmp_path / "alone", config)
    assert seen == ([*first, "settling the critic"] if first else [])
    _, seen = phases(tmp_path / "late", config, 30)
    assert "cloning corrections" not in seen


def test_without_demonstrations_an_agent_begins_as_a_clone_of_the_person(tmp_path):
    warm_start = replace(WITHOUT_DEMOS.warm_start, clone_steps=1200)
    config = replace(WITHOUT_DEMOS, random_steps=25, env_steps=25, warm_start=warm_start)
    trainer = train(tmp_path / "run", config, **hand(*range(2, 20)))
    (episode, *_) = load_dataset(tmp_path / "run" / "episodes")
    acted = [trainer.agent.act({"state/position": where.copy()}, explore=False) for where in episode.obs["state/position"]]
    assert np.abs(np.array(acted) - HAND.action).mean() < 0.1


# Discard


@BOTH
def test_a_discarded_episode_is_gone_and_its_steps_before_the_last_count(tmp_path, config):
    folder = tmp_path / "run"
    trainer = train(folder, config, **hand(22, 23), at_28=DISCARD)
    assert len(list_discarded(folder / "episodes")) == 1
    assert trainer.counters.env_steps == 50
    assert trainer.env.unwrapped.total_steps == 51  # the one in which it was said is neither counted nor kept
    assert len(trainer.experience.online) == stored_steps(folder) == 50 - 7
    assert len(trainer.experience.demos) == sum(episode.length for episode in trainer.demos)
    assert trainer.counters.human_steps == 2
    assert trainer.counters.evaluations[-1].intervention_rate == 0.0
    steps_that_owe = 50 - (15 if config is WITHOUT_DEMOS else config.warm_start.env_steps)
    owed = config.sac.utd_ratio * steps_that_owe + (0 if config is WITHOUT_DEMOS else config.warm_start.critic_steps)
    assert trainer.agent.critic_updates == owed


@BOTH
def test_a_discarded_episode_stays_away_across_a_crash(tmp_path, config):
    folder = tmp_path / "run"

    class Mortal(Lasting):
        def step(self, action):
            if self.total_steps == 40:
                raise Died
            return super().step(action)

    with pytest.raises(Died):
        train(folder, config, Mortal(), **hand(23), at_28=DISCARD)
    trainer = train(folder, config)
    assert trainer.counters.env_steps == 50
    assert trainer.env.unwrapped.total_steps == 50 - 39
    assert len(trainer.experience.online) == stored_steps(folder) == 50 - 7
    assert len(trainer.experience.demos) == sum(episode.length for episode in trainer.demos)
    assert trainer.counters.human_steps == 1
    seeds = [episode.info.seed for episode in load_dataset(folder / "episodes")]
    assert len(set(seeds)) == len(seeds) == trainer.counters.episodes - 1


def test_a_run_of_which_everything_was_discarded_before_it_died_goes_on(tmp_path):
    folder, config = tmp_path / "run", replace(WITHOUT_DEMOS, random_steps=5)

    class Mortal(Lasting):
        def step(self, action):
            if self.total_steps == 15:
                raise Died
            return super().step(action)

    with pytest.raises(Died):
        train(folder, config, Mortal(), at_15=DISCARD)
    trainer = train(folder, config)
    assert trainer.counters.env_steps == 50
    assert len(trainer.experience.online) == 50 - 14


# Stop


def test_a_stop_ends_the_run_before_the_next_reset_and_nothing_is_lost(tmp_path):
    folder = tmp_path / "run"
    env = Lasting()
    trainer = toy_trainer(folder, CONFIG, env, teleop=Person(env, at_28=STOP))
    assert not trainer.train()
    assert len(env.seeds) == 2  # two episodes: no third reset moves what was stopped
    assert env.total_steps == trainer.counters.env_steps == stored_steps(folder) == 27
    again = train(folder)
    assert again.counters.env_steps == stored_steps(folder) == 50


def test_a_stop_with_a_discard_forgets_the_episode_too(tmp_path):
    folder = tmp_path / "run"
    train(folder, at_28=TeleopInput(stop=True, discard=True))
    assert stored_steps(folder) == 20
    assert len(list_discarded(folder / "episodes")) == 1


# Showing


def test_points_of_curves_are_published_as_they_come(tmp_path):
    env, points, seen = Lasting(), [], []
    trainer = toy_trainer(
        tmp_path / "run", CONFIG, env, teleop=Person(env, **hand(3, 4)), publish=points.append, report=seen.append
    )
    trainer.train()
    values = [point["critic/q"] for point in points if "critic/q" in point]
    assert len(values) == 50
    assert len(set(values)) > 25
    rates = [point["human/intervention_rate"] for point in points if "human/intervention_rate" in point]
    assert rates == [0.1, 0.0]  # of episodes that ended
    assert sum("evaluation/success" in point for point in points) == len(trainer.counters.evaluations)
    assert seen[-1].intervention_rate == 0.05
