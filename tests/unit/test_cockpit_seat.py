"""One viewer drives at a time, and only while their page is heard of."""

from __future__ import annotations

import pytest

from robot_rl.cockpit.device import HEARTBEAT_TIMEOUT_S
from robot_rl.cockpit.seat import IDLE_S, Seat

ANNA, BO, CY = 1, 2, 3


@pytest.fixture
def seat():
    seat = Seat()
    for viewer in (ANNA, BO, CY):
        seat.join(viewer)
    return seat


def test_whoever_takes_over_first_drives(seat):
    seat.take(ANNA, 0.0)
    seat.take(BO, 0.1)
    assert (seat.driver, seat.asking) == (ANNA, BO)
    seat.drive(BO, 0.1, {"x": 1.0}, None)
    assert seat.inputs(0.1).motion == {}
    seat.drive(ANNA, 0.1, {"x": 0.5, "y": 0.0}, None)
    assert seat.inputs(0.1).motion == {"x": 0.5}


def test_the_seat_is_handed_to_who_asks_and_the_hands_of_the_last_driver_with_it(seat):
    seat.take(ANNA, 0.0)
    seat.drive(ANNA, 0.1, {"x": 1.0}, 1.0)
    seat.take(BO, 0.2)
    taps = seat.inputs(0.2).taps["takeover"]
    seat.hand_over(BO, 0.2)
    assert seat.driver == ANNA, "only the driver hands over"
    seat.hand_over(ANNA, 0.3)
    inputs = seat.inputs(0.3)
    assert (seat.driver, seat.asking) == (BO, None)
    assert (inputs.motion, inputs.gripper, inputs.is_driven) == ({}, None, True)
    assert inputs.taps["takeover"] == taps, "the robot stays in human hands"
    seat.drive(ANNA, 0.4, {"x": 1.0}, None)
    assert seat.inputs(0.4).motion == {}


def test_nobody_hands_over_to_nobody(seat):
    seat.take(ANNA, 0.0)
    seat.hand_over(ANNA, 0.1)
    assert seat.driver == ANNA


def test_a_driver_who_is_not_heard_of_lets_go(seat):
    seat.take(ANNA, 10.0)
    seat.drive(ANNA, 10.1, {"x": 1.0}, None)
    seat.tick(10.1 + HEARTBEAT_TIMEOUT_S - 0.01)
    assert seat.driver == ANNA
    seat.tick(10.1 + HEARTBEAT_TIMEOUT_S + 0.01)
    assert (seat.driver, seat.inputs(10.6).motion, seat.inputs(10.6).is_driven) == (None, {}, False)


def test_a_page_that_is_closed_lets_go(seat):
    seat.take(ANNA, 0.0)
    seat.drive(ANNA, 0.0, {"x": 1.0}, None)
    seat.leave(ANNA)
    assert (seat.driver, seat.inputs(0.0).motion) == (None, {})
    assert seat.inputs(0.0).num_viewers == 2


def test_an_idle_driver_loses_the_seat_to_who_asks_and_to_nobody_else(seat):
    seat.take(ANNA, 0.0)
    seat.drive(ANNA, IDLE_S + 1.0, {}, None)
    seat.tick(IDLE_S + 1.0)
    assert seat.driver == ANNA
    seat.take(BO, IDLE_S + 1.0)
    seat.tick(IDLE_S + 1.0)
    assert seat.driver == BO


def test_a_driver_at_work_keeps_the_seat_however_long_another_asks(seat):
    seat.take(ANNA, 0.0)
    seat.take(BO, 0.0)
    seat.drive(ANNA, 60.0, {"x": 0.1}, None)
    seat.tick(60.1)
    assert seat.driver == ANNA


def test_taking_over_and_letting_go_are_each_a_tap(seat):
    """A toggle that counts taps is then on exactly while somebody drives, however the seat was left."""
    for leave in (lambda: seat.release(ANNA), lambda: seat.leave(ANNA), lambda: seat.tick(99.0), lambda: seat.tap(BO, "stop")):
        seat.take(ANNA, 0.0)
        assert seat.inputs(0.0).taps["takeover"] % 2 == 1
        leave()
        assert seat.driver is None
        assert seat.inputs(0.0).taps["takeover"] % 2 == 0


def test_everybody_stops_and_only_the_driver_labels(seat):
    assert seat.tap(BO, "success") is True
    seat.take(ANNA, 0.0)
    assert seat.tap(BO, "success") is False
    assert seat.tap(ANNA, "failure") is True
    assert seat.tap(BO, "stop") is True
    taps = seat.inputs(0.0).taps
    assert (taps["success"], taps["failure"], taps["stop"]) == (1, 1, 1)
    assert seat.driver is None


def test_asking_can_be_taken_back(seat):
    seat.take(ANNA, 0.0)
    seat.take(BO, 0.0)
    seat.release(BO)
    assert (seat.driver, seat.asking) == (ANNA, None)
