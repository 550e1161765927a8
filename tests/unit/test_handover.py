"""Laws of the handover: nobody is given agency before its time, nor for a worse performance than was had."""

import pytest

from robot_rl.agents.handover import Handover, HandoverConfig
from robot_rl.errors import ConfigError


def test_the_schedule_has_its_ends():
    handover = Handover(HandoverConfig(start=100, end=300))
    assert [handover.share(step) for step in (0, 100, 150, 200, 300, 10_000)] == pytest.approx([0.0, 0.0, 0.25, 0.5, 1.0, 1.0])


def test_without_a_ramp_the_planner_acts_from_the_start_on():
    assert Handover(HandoverConfig()).share(0) == 1.0
    assert [Handover(HandoverConfig(start=5, end=5)).share(step) for step in (4, 5)] == [0.0, 1.0]


def gated(**settings):
    return Handover(HandoverConfig(end=100, is_gated=True, gate_step=0.25, **settings))


def test_the_gate_opens_by_performance_and_never_closes():
    handover, limits = gated(), []
    for rate in (0.2, 0.3, 0.1, 0.3, 0.0, 0.9):
        handover.measured(rate, step=100)
        limits.append(handover.limit)
    assert limits == [0.25, 0.5, 0.5, 0.75, 0.75, 1.0]
    assert handover.share(100) == 1.0


def test_the_planner_has_to_reach_what_the_clone_did():
    handover = gated()
    handover.measured(0.8, step=0)  # the clone
    assert handover.limit == 0.0
    handover.measured(0.7, step=100)
    assert handover.share(100) == 0.0
    handover.measured(0.8, step=100)
    assert handover.share(100) == 0.25


def test_the_gate_does_not_run_ahead_of_the_schedule():
    handover = gated(start=50)
    for _ in range(10):
        handover.measured(1.0, step=60)  # a fifth of the ramp
    assert handover.limit == 0.25
    assert handover.share(60) == pytest.approx(0.2)


def test_what_was_measured_is_saved():
    handover, other = gated(), gated()
    handover.measured(0.4, step=100)
    other.load_state_dict(handover.state_dict())
    for each in (handover, other):
        each.measured(0.3, step=100)
    assert handover.share(100) == other.share(100) == 0.25


def test_settings_that_cannot_be_are_refused():
    for settings in ({"start": -1}, {"gate_step": 0.0}):
        with pytest.raises(ConfigError, match="handover"):
            HandoverConfig(**settings)
