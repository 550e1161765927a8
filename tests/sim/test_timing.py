"""Simulated time: whole substeps, exact deadlines, never backwards."""

from __future__ import annotations

import numpy as np
import pytest

from robot_rl.errors import ConfigError, DeviceError
from sim.timing import SimClock, substeps


@pytest.mark.parametrize(("control_dt", "physics_dt", "count"), [(0.1, 0.002, 50), (0.06, 0.002, 30), (0.002, 0.002, 1)])
def test_substeps_are_rounded_and_not_truncated(control_dt, physics_dt, count):
    assert substeps(control_dt, physics_dt) == count


@pytest.mark.parametrize("control_dt", [0.0, 0.001, 0.0031, -0.1])
def test_periods_that_do_not_divide_are_refused(control_dt):
    with pytest.raises(ConfigError, match="whole number"):
        substeps(control_dt, 0.002)


def test_sleeping_steps_physics_to_the_deadline(station):
    clock = SimClock(station.physics)
    for _ in range(1000):
        clock.sleep_until(clock.now() + 0.002)
    assert clock.now() == pytest.approx(2.0, abs=1e-9)
    assert station.physics.data.time == pytest.approx(2.0, abs=1e-6)


def test_past_deadline_returns_at_once(station):
    clock = SimClock(station.physics)
    clock.sleep_until(0.1)
    clock.sleep_until(0.05)
    assert clock.now() == pytest.approx(0.1)


def test_time_never_runs_backwards_through_a_reset(station):
    station.wait(0.1)
    station.physics.reset()
    assert station.physics.time == pytest.approx(0.1)


def test_long_and_short_sleeps_give_the_same_motion(station):
    goal = station.place().position + np.array([0.0, 0.02, 0.02])
    state = station.physics.data.qpos.copy()
    ends = []
    for parts in (1, 4):
        station.physics.reset()
        station.physics.data.qpos[:] = state
        station.physics.touch()
        station.robot.stop()
        station.physics.data.mocap_pos[0] = goal
        for _ in range(parts):
            station.wait(0.4 / parts)
        ends.append(station.physics.data.qpos.copy())
    np.testing.assert_array_equal(ends[0], ends[1])


def test_divergence_is_a_device_error(station):
    station.physics.data.qvel[0] = np.nan
    with pytest.raises(DeviceError, match="diverged"):
        station.wait(0.1)
    station.physics.reset()
    station.wait(0.1)
