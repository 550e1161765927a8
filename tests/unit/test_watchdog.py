"""The watchdog stops a robot that is no longer told anything, and leaves a well-driven one alone."""

from __future__ import annotations

import threading

import pytest

from hardware.clock import ManualClock
from hardware.fake import HOME, FakeRobot
from hardware.watchdog import Watchdog
from robot_rl.envs.actions import displace
from robot_rl.errors import ConfigError
from robot_rl.types import ArmState, ArmTarget, Command

AWAY: Command = {"arm": ArmTarget(displace(HOME, [0.2, 0.2, 0.0, 0, 0, 0], "base"))}


@pytest.fixture
def watched():
    robot = FakeRobot()
    dog = Watchdog(robot, timeout_s=0.25)
    dog.connect()
    return dog, robot


def test_holds_the_robot_when_commands_stop(watched):
    dog, robot = watched
    dog.command(AWAY)
    for _ in range(10):
        robot.clock.advance(0.05)
    assert dog.trips == 1
    arm = dog.read()["arm"]
    assert isinstance(arm, ArmState)
    assert arm.pose.distance(HOME)[0] == pytest.approx(0.5 * 0.30)  # looks every 0.05 s: held at the first look after 0.25 s


def test_leaves_a_commanded_robot_alone(watched):
    dog, robot = watched
    for _ in range(20):
        dog.command(AWAY)
        robot.clock.advance(0.2)
    assert (dog.trips, robot.num_stops) == (0, 0)


def test_is_asleep_before_the_first_command_and_after_stop(watched):
    dog, robot = watched
    robot.clock.advance(9.0)
    dog.command(AWAY)
    dog.stop()
    robot.clock.advance(9.0)
    assert (dog.trips, robot.num_stops) == (0, 1)


def test_wakes_again_after_a_trip(watched):
    dog, robot = watched
    for _ in range(2):
        dog.command(AWAY)
        robot.clock.advance(1.0)
    assert dog.trips == 2


def test_a_driver_that_hangs_in_command_is_watched(watched):
    dog, robot = watched
    robot.command = lambda command: robot.clock.advance(1.0)
    dog.command(AWAY)
    assert dog.trips == 1


def test_no_longer_looks_after_close(watched):
    dog, robot = watched
    dog.command(AWAY)
    dog.close()
    stops = robot.num_stops
    robot.clock.advance(9.0)
    assert (dog.trips, robot.num_stops) == (0, stops)


class Hand:
    """A clock without watchers, turned by hand."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time

    def sleep_until(self, deadline):
        self.time = max(self.time, deadline)


def test_on_a_clock_without_watchers_a_thread_looks(monkeypatch):
    clock = Hand()
    robot = FakeRobot(clock)
    dog = Watchdog(robot, timeout_s=0.01)
    stopped = threading.Event()
    stop = robot.stop
    monkeypatch.setattr(robot, "stop", lambda: (stop(), stopped.set()))
    dog.connect()
    try:
        dog.command(AWAY)
        clock.time = 1.0
        assert stopped.wait(timeout=30)
    finally:
        dog.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "watchdog-fake"]


def test_connecting_twice_watches_once():
    clock = ManualClock()
    dog = Watchdog(FakeRobot(clock), timeout_s=0.1)
    dog.connect()
    dog.connect()
    dog.close()
    assert clock._watchers == []


def test_a_timeout_must_be_positive():
    with pytest.raises(ConfigError, match="timeout_s 0"):
        Watchdog(FakeRobot(), 0.0)
