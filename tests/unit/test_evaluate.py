import numpy as np
import pytest
from toy_env import Lost, Point, Straight

from hardware.fake import ScriptedTeleop
from robot_rl.envs.intervention import Intervention
from robot_rl.training.evaluate import Evaluation, evaluate, first_reaching
from robot_rl.training.seeds import episode_seed
from robot_rl.types import TeleopInput


class Explorer(Straight):
    """Succeeds only when it is told to explore."""

    def act(self, obs, *, explore):
        return super().act(obs, explore=explore) if explore else np.zeros(2, np.float32)


def test_starts_depend_on_seed_stream_and_index_alone():
    env = Point()
    evaluate(env, Straight(0), 3, seed=5)
    evaluate(env, Lost(9), 2, seed=5)
    evaluate(env, Straight(0), 2, seed=5, stream="final")
    expected = [episode_seed(5, "evaluate", index) for index in (0, 1, 2, 0, 1)]
    assert env.seeds == [*expected, *(episode_seed(5, "final", index) for index in (0, 1))]


def test_results_are_those_of_the_policy():
    good, bad = (evaluate(Point(), policy, 4, seed=0) for policy in (Straight(0), Lost(0)))
    assert (good.successes, good.episodes, good.success_rate, good.mean_return) == (4, 4, 1.0, 1.0)
    assert good.mean_length < 10.0
    assert (bad.successes, bad.success_rate, bad.mean_length, bad.mean_return) == (0, 0.0, 20.0, 0.0)
    assert good.success == {"k": 4, "n": 4, "low": pytest.approx(0.51, abs=0.01), "high": 1.0}


def test_exploring_is_passed_on_to_the_policy():
    assert evaluate(Point(), Explorer(0), 2, seed=0).successes == 0
    assert evaluate(Point(), Explorer(0), 2, seed=0, explore=True).successes == 2


def test_episodes_are_told_as_they_end():
    seen = []
    evaluation = evaluate(Point(), Straight(0), 3, seed=0, on_episode=lambda *told: seen.append(told))
    assert seen == list(enumerate(evaluation.results))


def test_help_is_counted_by_episodes_and_by_steps():
    hand, nothing = TeleopInput(action=np.zeros(2, np.float32)), TeleopInput()
    script = [nothing, *[hand] * 3, *[nothing] * 18]  # a read for the reset, one for each of 20 steps, one at the end
    env = Intervention(Point(radius=0.0), ScriptedTeleop([*script, *[nothing] * 22, nothing, hand, *[nothing] * 20]))
    result = evaluate(env, Straight(0), 3, seed=0)
    assert [episode.interventions for episode in result.results] == [3, 0, 1]
    assert (result.helped, result.intervention_rate) == (2, 4 / 60)


def test_what_a_person_discards_is_not_measured():
    script = [TeleopInput(), TeleopInput(discard=True)]
    env = Intervention(Point(), ScriptedTeleop(script))
    result = evaluate(env, Straight(0), 3, seed=0)
    assert (result.episodes, result.successes) == (2, 2)


def test_nothing_measured_is_no_success():
    nothing = Evaluation(())
    assert (nothing.success_rate, nothing.mean_length, nothing.mean_return) == (0.0, 0.0, 0.0)
    assert (nothing.helped, nothing.intervention_rate) == (0, 0.0)
    assert nothing.success == {"k": 0, "n": 0, "low": 0.0, "high": 1.0}


@pytest.mark.parametrize(("threshold", "steps"), [(0.5, 200), (0.95, 300), (1.0, None), (0.0, 100)])
def test_the_first_point_at_or_above_a_threshold(threshold, steps):
    assert first_reaching([(100, 0.2), (200, 0.5), (300, 0.95), (400, 0.3)], threshold) == steps
