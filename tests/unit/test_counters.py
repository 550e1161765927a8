import json
import time
from dataclasses import fields, replace

import pytest

from robot_rl.envs.exertion import Exertion
from robot_rl.envs.rollout import EpisodeResult
from robot_rl.training.counters import Counters, EpisodeOutcome, EvaluationRow, RecentEpisodes, episode_metrics
from robot_rl.training.evaluate import Evaluation

ROW = EvaluationRow(env_steps=500, wall_s=12.5, successes=3, episodes=4, mean_length=7.5, mean_return=0.75, sampled_successes=2)


def result(length, success):
    return EpisodeResult(length, success, float(success), seconds=0.1, interventions=1)


def test_columns_begin_with_those_that_readers_of_evaluations_expect():
    names = [field.name for field in fields(EvaluationRow)]
    assert names[:5] == ["env_steps", "wall_s", "successes", "episodes", "mean_length"]


def test_a_row_tells_mean_and_sampled_actions_apart():
    greedy = Evaluation((result(5, True), result(20, False)))
    sampled = Evaluation((result(4, True), result(6, True)))
    row = EvaluationRow.of(100, 1.234, greedy, sampled)
    assert row == EvaluationRow(100, 1.23, 1, 2, 12.5, 0.5, 2)
    assert row.metrics == {"evaluation/success": 0.5, "evaluation/sampled_success": 1.0, "evaluation/length": 12.5}
    assert "evaluation/sampled_success" not in EvaluationRow.of(100, 1.234, greedy, None).metrics


def test_a_row_tells_how_much_a_person_did():
    none = Evaluation(())
    row = EvaluationRow.of(100, 1.0, none, none, intervention_rate=1 / 3, human_steps=40)
    assert (row.intervention_rate, row.human_steps) == (0.3333, 40)


ROUGH = Exertion(10, 1, 100, 250.0, 90.0, 0.3, 100, 100 * 16.0)
TOLD = {"peak_force": 90.0, "mean_force": 2.5, "peak_speed": 0.3, "rms_jerk": 4.0, "violation_rate": 0.1}


def test_a_row_tells_what_the_mean_actions_exerted_and_nothing_where_nobody_can():
    greedy = Evaluation((replace(result(10, True), exertion=ROUGH),))
    sampled = Evaluation((replace(result(10, True), exertion=ROUGH + ROUGH + replace(ROUGH, peak_force=500.0)),))
    row = EvaluationRow.of(100, 1.0, greedy, sampled)
    assert {name: getattr(row, name) for name in TOLD} == TOLD
    assert {f"evaluation/{name}": value for name, value in TOLD.items()}.items() <= row.metrics.items()
    assert EvaluationRow.of(100, 1.0, Evaluation((result(10, True),)), sampled).peak_force is None


def test_training_episodes_exertions_add_up_through_a_checkpoint():
    counters = Counters()
    for _ in range(2):
        counters.count(replace(result(10, True), exertion=ROUGH))
    counters.count(result(10, True))  # of one nobody can tell
    again = Counters.from_state_dict(json.loads(json.dumps(counters.state_dict())))
    assert again.exertion == counters.exertion == ROUGH + ROUGH
    older = {name: value for name, value in counters.state_dict().items() if name != "exertion"}
    assert Counters.from_state_dict(older).exertion is None


def test_an_episodes_metrics_tell_what_it_exerted():
    told = episode_metrics(replace(result(10, True), exertion=ROUGH))
    assert {name: told[f"safety/{name}"] for name in TOLD} == TOLD


def test_counters_survive_a_checkpoint():
    counters = Counters(env_steps=510, episodes=30, human_steps=70, is_learning=True, evaluations=[ROW])
    loaded = Counters.from_state_dict(json.loads(json.dumps(counters.state_dict())))
    assert (loaded.env_steps, loaded.episodes, loaded.is_learning, loaded.evaluations) == (510, 30, True, [ROW])
    assert loaded.human_steps == 70


def test_a_checkpoint_from_before_there_were_interventions_has_none():
    state = Counters(env_steps=510, evaluations=[ROW]).state_dict()
    del state["human_steps"]
    for row in state["evaluations"]:
        del row["human_steps"], row["intervention_rate"]
    loaded = Counters.from_state_dict(state)
    assert (loaded.env_steps, loaded.human_steps, loaded.evaluations[0].intervention_rate) == (510, 0, 0.0)


def test_the_intervention_rate_of_recent_episodes_is_one_of_steps_not_of_episodes():
    recent = RecentEpisodes()
    recent.add(EpisodeOutcome(True, 10, 10), EpisodeOutcome(False, 90, 0))
    assert recent.intervention_rate == 0.1
    assert recent.success_rate == 0.5
    assert recent.metrics == {"episode/recent_success": 0.5, "human/recent_intervention_rate": 0.1}


def test_only_the_last_episodes_are_recent():
    recent = RecentEpisodes(count=3)
    recent.add(*[EpisodeOutcome(False, 10, 10)] * 5, *[EpisodeOutcome(True, 10, 0)] * 2)
    assert recent.intervention_rate == pytest.approx(1 / 3)
    recent.add(EpisodeOutcome(True, 10, 0))
    assert (recent.intervention_rate, recent.success_rate) == (0.0, 1.0)


def test_before_the_first_episode_there_is_no_rate():
    recent = RecentEpisodes()
    assert (recent.intervention_rate, recent.success_rate, recent.metrics) == (None, None, {})


def test_the_clock_goes_on_without_the_time_between_two_sessions():
    first = Counters(started=time.monotonic() - 100.0)
    assert first.wall_s >= 100.0
    state, now = first.state_dict(), time.monotonic()
    loaded = Counters.from_state_dict(state)
    assert loaded.wall_s_before == state["wall_s"] >= 100.0
    assert loaded.started >= now
    assert loaded.wall_s >= state["wall_s"]


def test_an_episodes_metrics_are_shares_of_its_steps():
    assert episode_metrics(result(4, True)) == {
        "episode/success": 1.0,
        "episode/true_success": 0.0,
        "episode/length": 4.0,
        "episode/return": 1.0,
        "human/intervention_rate": pytest.approx(0.25),
    }


def test_false_successes_are_those_that_were_called_one_and_were_none():
    counters = Counters()
    for success, true_success in ((True, True), (True, False), (False, True), (False, False)):
        counters.count(replace(result(5, success), true_success=true_success))
    assert (counters.claimed_successes, counters.false_successes) == (2, 1)
    again = Counters.from_state_dict(counters.state_dict())
    assert (again.claimed_successes, again.false_successes) == (2, 1)
