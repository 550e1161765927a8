"""What a person does is learned from as a demonstration, ends with what was seen after it, and what they reject is gone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.data.batch import BatchSpec
from robot_rl.data.episodes import list_discarded, list_episodes, load_dataset
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.training.config import TrainConfig
from robot_rl.training.experience import Experience, interventions, numbered
from robot_rl.types import EpisodeInfo, Transition

OBS = {"state/x": ArraySpec((1,)), "image/front": ArraySpec((2, 2, 3), "uint8")}
SPEC = EnvSpec("task", OBS, ActionSpec(("x",)), 0.1, 100)
CONFIG = TrainConfig(task="task")
POLICY, HUMAN = -0.5, 0.5


def observe(x):
    return {"state/x": np.array([x], np.float32), "image/front": np.full((2, 2, 3), x % 251, np.uint8)}


def episode(pattern, *, first=0, success=False):
    """Return steps that observe `first`, `first + 1`, ...: a person acts where the pattern has an x."""
    last = len(pattern) - 1
    return [
        Transition(
            observe(first + t), np.array([HUMAN if mark == "x" else POLICY], np.float32), float(success and t == last),
            observe(first + t + 1), terminated=success and t == last, truncated=not success and t == last,
            success=success and t == last, policy_action=np.array([POLICY], np.float32), is_intervention=mark == "x",
        )
        for t, mark in enumerate(pattern)
    ]  # fmt: skip


def begin(experience, steps, *, index=0, env_steps=0):
    experience.begin_episode(numbered(EpisodeInfo("task", "policy"), index, env_steps))
    for step in steps:
        experience.add(step)


def play(experience, steps, **numbers):
    begin(experience, steps, **numbers)
    experience.end_episode()


def drawn(buffer, horizon=1):
    """Return the windows of a buffer as a set of tuples of observations, whose images are those of their states."""
    if not buffer.num_starts(horizon):
        return set()
    obs = buffer.sample(BatchSpec(3000, horizon)).obs
    x = obs["state/x"][..., 0].int()
    assert obs["image/front"][..., 0, 0, 0].int().eq(x % 251).all()
    return {tuple(window) for window in x.T.tolist()}


@pytest.fixture
def experience(tmp_path):
    return Experience(CONFIG, SPEC, tmp_path, [])


@given(st.text("x ", min_size=1, max_size=40))
def test_interventions_are_the_runs_of_a_persons_steps(pattern):
    runs = interventions(episode(pattern))
    assert [len(run) for run in runs] == [len(run) for run in pattern.split()]
    assert all(step.is_intervention for run in runs for step in run)


def test_interventions_go_to_both_buffers_and_the_policys_steps_to_one(experience):
    play(experience, episode("  xxx xx  "))
    assert len(experience.online) == 10
    assert drawn(experience.demos) == {(2, 3), (3, 4), (4, 5), (6, 7), (7, 8)}


def test_each_intervention_keeps_its_own_next_observation_and_its_own_first_one(experience):
    """Not the next intervention's, and not the last one's: the two ways in which peers splice them."""
    play(experience, episode(" xx   xx ", first=100))
    play(experience, episode("xxx", first=200))
    play(experience, episode("x", first=300))
    windows = drawn(experience.demos)
    assert windows == {(101, 102), (102, 103), (106, 107), (107, 108), (200, 201), (201, 202), (202, 203), (300, 301)}


def test_no_window_crosses_from_one_intervention_into_the_next(experience):
    play(experience, episode("xx xxx", first=100))
    play(experience, episode("xx", first=200))
    assert drawn(experience.demos, horizon=2) == {(100, 101, 102), (103, 104, 105), (104, 105, 106), (200, 201, 202)}


def test_giving_control_back_terminates_nothing_and_success_under_a_persons_hand_does(experience):
    play(experience, episode("xx  "))
    batch = experience.demos.sample(BatchSpec(200))
    assert batch.terminated.sum() == 0
    play(experience, episode(" xx", first=100, success=True))
    batch = experience.demos.sample(BatchSpec(2000))
    is_last = batch.obs["state/x"][0, :, 0] == 102
    assert batch.terminated[0].bool().eq(is_last).all()
    assert batch.reward[0].eq(is_last.float()).all()


def test_the_action_that_is_learned_from_is_the_one_that_was_executed(experience):
    play(experience, episode("  xx "))
    for buffer in (experience.online, experience.demos):
        batch = buffer.sample(BatchSpec(500))
        x, action = batch.obs["state/x"][0, :, 0], batch.action[0, :, 0]
        is_human = (x == 2) | (x == 3)
        assert action[is_human].eq(HUMAN).all()
        assert action[~is_human].eq(POLICY).all()


def test_batches_draw_the_share_of_demonstrations_from_interventions_alone_if_there_are_no_others(experience):
    play(experience, episode("     "))
    assert next(experience.batches(BatchSpec(100))).is_demo.sum() == 0
    play(experience, episode("  x  ", first=100))
    batch = next(experience.batches(BatchSpec(100)))
    assert batch.is_demo.mean() == CONFIG.demo_fraction
    assert batch.obs["state/x"][0, batch.is_demo.bool(), 0].eq(102).all()


def test_a_success_with_help_is_imitated_where_the_person_acted_only(tmp_path):
    play(Experience(CONFIG, SPEC, tmp_path / "demos", []), episode("....", first=900, success=True))
    experience = Experience(CONFIG, SPEC, tmp_path / "episodes", load_dataset(tmp_path / "demos"))
    before = len(experience.demos)
    play(experience, episode("  xx  ", success=True))
    assert len(experience.demos) - before == 2
    play(experience, episode("    ", first=100, success=True))
    assert len(experience.demos) - before == 6


# Discarding


def test_a_discarded_episode_is_in_no_buffer_and_in_no_index(experience, tmp_path):
    play(experience, episode(" xx "))
    online, demos = drawn(experience.online), drawn(experience.demos)
    begin(experience, episode("   xxx    ", first=100)[:8])
    assert len(experience.online) == 12
    experience.discard_episode()
    assert (drawn(experience.online), drawn(experience.demos)) == (online, demos)
    assert (len(list_episodes(tmp_path)), len(list_discarded(tmp_path))) == (1, 1)
    play(experience, episode("x ", first=200))
    assert drawn(experience.online) == online | {(200, 201), (201, 202)}
    assert drawn(experience.demos) == demos | {(200, 201)}


def test_an_episode_that_ended_by_itself_can_still_be_discarded_in_its_last_step(experience, tmp_path):
    begin(experience, episode(" xx ", success=True))  # replay has closed its segment by now
    experience.discard_episode()
    assert experience.is_empty
    assert list_episodes(tmp_path) == []


def test_discarding_before_the_first_step_or_after_the_end_takes_nothing_away(experience, tmp_path):
    play(experience, episode(" x "))
    experience.discard_episode()
    begin(experience, [])
    experience.discard_episode()
    assert (len(experience.online), len(experience.demos)) == (3, 1)
    assert (len(list_episodes(tmp_path)), len(list_discarded(tmp_path))) == (1, 0)


def test_what_was_discarded_stays_away_after_a_restart_but_its_steps_are_counted(experience, tmp_path):
    play(experience, episode(" xx "), index=0, env_steps=0)
    begin(experience, episode("xxxxx ", first=100)[:5], index=1, env_steps=4)
    experience.discard_episode()
    play(experience, episode("  x", first=200, success=True), index=2, env_steps=9)
    begin(experience, episode("x  ", first=300)[:2], index=3, env_steps=12)
    experience.discard_episode()
    again = Experience(CONFIG, SPEC, tmp_path, [])
    stored = again.restore()
    assert drawn(again.online) == drawn(experience.online)
    assert drawn(again.demos) == drawn(experience.demos)
    assert (stored.episodes, stored.env_steps, stored.human_steps) == (4, 14, 2 + 5 + 1 + 1)
    assert [(o.success, o.length, o.interventions) for o in stored.outcomes] == [(False, 4, 2), (True, 3, 1)]


def test_a_damaged_discarded_episode_stops_nobody(experience, tmp_path, caplog):
    begin(experience, episode("xx ")[:2])
    experience.discard_episode()
    (list_discarded(tmp_path)[0] / "zarr.json").write_text("{")
    assert Experience(CONFIG, SPEC, tmp_path, []).restore().env_steps == 0
    assert "skipped" in caplog.text
