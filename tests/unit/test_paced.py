"""A paced environment is as slow as the world, and never hurries to catch up."""

import numpy as np
import pytest
from toy_env import Point

from robot_rl.envs.paced import Paced

STILL = np.zeros(2, np.float32)


class Wall:
    """A wall clock that only sleeping and working moves."""

    def __init__(self):
        self.time = 100.0

    def now(self):
        return self.time

    def sleep(self, duration):
        self.time += duration


class Working(Point):
    """Takes a while for each step."""

    def __init__(self, wall, work):
        super().__init__(radius=0.0)
        self.wall, self.work = wall, list(work)

    def step(self, action):
        self.wall.time += self.work.pop(0)
        return super().step(action)


def paced(*work):
    wall = Wall()
    env = Paced(Working(wall, work), now=wall.now, sleep=wall.sleep)
    env.reset(seed=0)
    return env, wall


def times(env, wall, count):
    """Return when the steps ended, s since the first began."""
    start, ends = wall.time, []
    for _ in range(count):
        env.step(STILL)
        ends.append(wall.time - start)
    return ends


def test_steps_end_on_the_grid_of_control_periods_whatever_they_cost():
    assert times(*paced(0.0, 0.07, 0.03, 0.09), 4) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_after_a_late_step_none_is_rushed():
    assert times(*paced(0.0, 0.35, 0.0, 0.0), 4) == pytest.approx([0.1, 0.45, 0.55, 0.65])


def test_the_time_between_episodes_is_not_made_up_for():
    env, wall = paced(0.0, 0.0, 0.0)
    env.step(STILL)
    wall.time += 60.0  # learning, say
    env.reset(seed=1)
    assert times(env, wall, 2) == pytest.approx([0.1, 0.2])


def test_nothing_else_is_changed():
    env, _ = paced(0.0)
    plain = Point(radius=0.0)
    plain.reset(seed=0)
    for one, other in zip(env.step(STILL), plain.step(STILL), strict=True):
        np.testing.assert_equal(one, other)
    assert env.env_spec == plain.env_spec
