"""Hours of points fit on a page, and still show where the curve went."""

from __future__ import annotations

import pytest

from robot_rl.cockpit.curves import MAX_CURVES, MAX_NEWEST, MAX_POINTS, Curve, Curves


def test_a_long_curve_keeps_its_span_and_its_shape():
    curve = Curve()
    for step in range(100_000):
        curve.add(float(step), 2.0 * step)
    assert MAX_POINTS / 4 < len(curve.points) <= MAX_POINTS
    assert all(value == pytest.approx(2.0 * time) for time, value in curve.points)
    assert curve.points[0][0] < 1000
    assert curve.points[-1][0] > 99_000
    assert [time for time, _ in curve.newest] == list(range(100_000 - MAX_NEWEST, 100_000))


def test_no_point_is_lost_by_thinning():
    curve = Curve()
    for step in range(MAX_POINTS):
        curve.add(float(step), float(step % 7))
    kept = sum(value * curve.stride for _, value in curve.points)
    assert kept == sum(step % 7 for step in range(MAX_POINTS))


def test_a_running_mean_is_that_of_the_last_ten():
    curve = Curve()
    for episode in range(30):
        curve.add(float(episode), float(episode >= 15))
    means = dict(curve.running_mean())
    assert (means[0.0], means[14.0], means[19.0], means[29.0]) == (0.0, 0.0, 0.5, 1.0)


def test_points_that_are_no_number_are_left_out_and_names_are_bounded():
    curves = Curves()
    curves.add(0.0, {"a": None, "b": 1.0})
    assert list(curves.by_name) == ["b"]
    assert (curves.last("a"), curves.last("b")) == (None, 1.0)
    curves.add(1.0, {f"c{number}": 0.0 for number in range(MAX_CURVES + 10)} | {"b": 2.0})
    assert len(curves.by_name) == MAX_CURVES
    assert curves.last("b") == 2.0
