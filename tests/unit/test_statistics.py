import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.training.statistics import Z_95, bootstrap_interval, interquartile_mean, stratified_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [(48, 50, 0.8654, 0.9890), (50, 50, 0.9287, 1.0), (0, 10, 0.0, 0.2775), (1, 1, 0.2065, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_matches_published_values(successes, episodes, low, high):
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_bounds_are_where_the_score_test_just_rejects(counts):
    successes, episodes = counts
    rate = successes / episodes
    low, high = wilson_interval(successes, episodes)
    assert 0.0 <= low <= rate <= high <= 1.0
    for bound in (low, high):
        if 0.0 < bound < 1.0:
            z = abs(rate - bound) / math.sqrt(bound * (1 - bound) / episodes)
            assert z == pytest.approx(Z_95, rel=1e-6)


def test_wilson_refuses_more_successes_than_episodes():
    with pytest.raises(ValueError, match=r"successes 6 is not in 0\.\.5"):
        wilson_interval(6, 5)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], 3.0),
        ([100, 1, 0, 2], 1.5),
        ([-50, 1, 2, 3, 4, 5, 6, 900], 3.5),
        ([0, 2, 10], (2 * 4 + 0 + 10) / 6),  # of the middle half, 4/6 is the middle value's and 1/6 each neighbour's
    ],
)
def test_the_interquartile_mean_ignores_the_outer_quarters(values, expected):
    assert interquartile_mean(values) == pytest.approx(expected)


def test_statistics_of_nothing_are_refused():
    for function in (interquartile_mean, bootstrap_interval):
        with pytest.raises(ValueError, match=r"no values|at least one"):
            function([])


def test_the_bootstrap_repeats_and_covers_the_statistic():
    values = np.random.default_rng(1).normal(5.0, 1.0, 10)
    first = bootstrap_interval(values, seed=3)
    assert first == bootstrap_interval(values, seed=3)
    assert first[0] < interquartile_mean(values) < first[1]


def test_the_bootstrap_of_a_mean_has_the_width_theory_predicts():
    values = np.random.default_rng(2).normal(0.0, 1.0, 200)
    low, high = bootstrap_interval(values, lambda sample: float(sample.mean()))
    assert high - low == pytest.approx(2 * Z_95 * values.std() / math.sqrt(200), rel=0.1)


def test_equal_seeds_leave_no_doubt():
    assert bootstrap_interval([0.95] * 5) == pytest.approx((0.95, 0.95))


def test_one_stratum_is_the_plain_bootstrap():
    values = np.random.default_rng(4).normal(5.0, 1.0, 7)
    assert stratified_interval([values]) == bootstrap_interval(values)


def test_which_tasks_there_are_is_not_up_to_chance():
    easy, hard = [1.0] * 3, [0.0] * 3
    assert stratified_interval([easy, hard]) == (0.5, 0.5)  # seeds agree on each task
    low, high = bootstrap_interval(easy + hard)
    assert low < 0.3 < 0.7 < high


def test_a_task_without_seeds_has_no_interval():
    for strata in ([], [[0.5, 0.6], []]):
        with pytest.raises(ValueError, match="at least one value"):
            stratified_interval(strata)
