"""Time: never backwards, and only the wall's clock sleeps."""

from __future__ import annotations

import pytest

from hardware.clock import ManualClock, WallClock


class Sleeper:
    """A wall whose sleeps end early, as the operating system's may."""

    def __init__(self):
        self.time, self.slept = 100.0, []

    def sleep(self, duration):
        self.slept.append(duration)
        self.time += max(0.75 * duration, 0.001)


def test_wall_clock_sleeps_until_the_deadline_even_if_woken_early():
    wall = Sleeper()
    WallClock(lambda: wall.time, wall.sleep).sleep_until(100.5)
    assert wall.time >= 100.5
    assert len(wall.slept) > 1


def test_wall_clock_does_not_sleep_after_the_deadline():
    wall = Sleeper()
    WallClock(lambda: wall.time, wall.sleep).sleep_until(99.0)
    assert wall.slept == []


def test_wall_clock_goes_forward_by_itself():
    clock = WallClock()
    assert clock.now() <= clock.now()


def test_manual_clock_stands_still_until_slept_on():
    clock = ManualClock(5.0)
    assert clock.now() == 5.0
    clock.sleep_until(5.1)
    assert clock.now() == 5.1
    clock.sleep_until(4.0)
    assert clock.now() == 5.1


def test_manual_clock_refuses_to_run_backwards():
    with pytest.raises(ValueError, match=r"-0\.1"):
        ManualClock().advance(-0.1)


def test_watchers_see_each_advance_until_they_leave():
    clock = ManualClock()
    seen = []
    leave = clock.on_advance(lambda: seen.append(clock.now()))
    clock.advance(1.0)
    clock.sleep_until(3.0)
    leave()
    leave()
    clock.advance(1.0)
    assert seen == [1.0, 3.0]
