"""Counting deployed policies: what counts, how sure it is, and that an order gives nothing away."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from scipy.stats import fisher_exact

from robot_rl.deploy.trial import Trial, blind_order, fisher_p, periods
from robot_rl.envs.rollout import EpisodeResult
from robot_rl.errors import ConfigError


def result(success=True, interventions=0, fault="", is_discarded=False, length=5):
    return EpisodeResult(length, success, 0.0, 1.0, interventions, fault, success, is_discarded)


def test_only_what_a_policy_did_alone_is_its_success():
    trial = Trial()
    for each in (
        result(), result(length=7), result(success=False), result(interventions=1),
        result(fault="camera"), result(is_discarded=True, success=False),
    ):  # fmt: skip
        trial.add(each)
    assert (trial.successes, trial.failures, trial.helped, trial.faults, trial.discarded) == (2, 2, 1, 1, 1)
    summary = trial.summary()
    assert (summary["k"], summary["n"], summary["mean_length"]) == (2, 4, 6.0)
    assert summary["low"] < 0.5 < summary["high"]
    assert "2/4" in str(trial)
    assert "1 faults" in str(trial)


def test_every_round_has_each_policy_once_in_an_order_that_is_drawn():
    order = blind_order(2, 200, seed=0)
    rounds = [tuple(order[at : at + 2]) for at in range(0, 400, 2)]
    assert Counter(rounds).keys() == {(0, 1), (1, 0)}
    assert 70 < Counter(rounds)[0, 1] < 130
    same = sum(a == b for a, b in pairwise(rounds))
    assert 70 < same < 130  # the last round does not tell the next
    assert order == blind_order(2, 200, seed=0) != blind_order(2, 200, seed=1)
    assert blind_order(1, 3, seed=0) == [0, 0, 0]
    with pytest.raises(ConfigError, match="a trial of 2 policies in 0 episodes"):
        blind_order(2, 0, seed=0)


@pytest.mark.parametrize(("k", "n", "j", "m"), [(9, 10, 3, 10), (5, 10, 5, 10), (0, 4, 4, 4), (20, 20, 19, 20), (3, 7, 1, 9)])
def test_the_p_value_is_fishers(k, n, j, m):
    expected = fisher_exact([[k, n - k], [j, m - j]])[1]
    assert fisher_p(Trial(k, n - k), Trial(j, m - j)) == pytest.approx(expected)
    assert fisher_p(Trial(), Trial()) == 1.0


def test_periods_tell_how_regular_a_loop_was():
    regular = periods([0.1 * step for step in range(101)], 0.1)
    assert (regular["p50"], regular["p99"], regular["worst"], regular["missed"]) == pytest.approx((0.1, 0.1, 0.1, 0))
    late = periods([0.0, 0.1, 0.2, 0.45, 0.55], 0.1)
    assert (late["worst"], late["missed"]) == (pytest.approx(0.25), 1)
    assert periods([0.0], 0.1)["missed"] == 0
    assert not math.isnan(periods([], 0.1)["p50"])
