import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.envs.exertion import REPORTED, Exertion, total

GENTLE = Exertion(
    steps=3, violations=0, samples=30, force_sum=60.0, peak_force=10.0, peak_speed=0.4, num_jerks=27, squared_jerk_sum=27 * 9.0
)
ROUGH = Exertion(
    steps=1,
    violations=1,
    samples=10,
    force_sum=500.0,
    peak_force=90.0,
    peak_speed=0.2,
    num_jerks=10,
    squared_jerk_sum=10 * 49.0,
)
exertions = st.builds(
    Exertion,
    steps=st.integers(0, 100), violations=st.integers(0, 100), samples=st.integers(0, 1000), force_sum=st.integers(0, 10**6),
    peak_force=st.integers(0, 1000), peak_speed=st.integers(0, 10), num_jerks=st.integers(0, 1000),
    squared_jerk_sum=st.integers(0, 10**6),
)  # fmt: skip


def test_a_sum_weighs_by_time_and_keeps_the_worst():
    both = GENTLE + ROUGH
    assert (both.mean_force, both.peak_force, both.peak_speed) == (14.0, 90.0, 0.4)
    assert both.rms_jerk == pytest.approx(math.sqrt((27 * 9 + 10 * 49) / 37))
    assert both.violation_rate == 0.25


@given(exertions, exertions, exertions)
def test_the_order_of_adding_does_not_matter(a, b, c):
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a


def test_what_was_not_measured_adds_nothing():
    assert total([]) is total([None, None]) is None
    assert total([None, GENTLE, None, ROUGH]) == GENTLE + ROUGH


def test_nothing_exerts_nothing():
    nothing = Exertion(0, 0, 0, 0.0, 0.0, 0.0, 0, 0.0)
    assert nothing.report() == dict.fromkeys(REPORTED, 0.0)
