"""Imperfect devices are imperfect by exactly what they were told."""

from __future__ import annotations

import numpy as np
import pytest

from robot_rl.errors import ConfigError, StaleFrame
from robot_rl.geometry import Pose
from robot_rl.types import ArmTarget, Frame
from sim.imperfect import DelayedRobot, Delays, DroppingCamera, Imperfections, NoisyTracker, PoseNoise
from sim.robot import SimTracker

HERE = Pose.of((0.4, 0.1, 0.0), (0.0, 0.0, 0.3))


def delayed(station, **delays) -> DelayedRobot:
    station.place()
    robot = DelayedRobot(station.robot, Delays(**delays))
    robot.connect()
    return robot


def raised(robot) -> ArmTarget:
    return ArmTarget(robot.read()["arm"].pose @ Pose.of((0.0, 0.0, -0.02)))


@pytest.mark.parametrize("delay", [0.02, 0.06])
def test_readings_are_as_old_as_the_delay(station, delay):
    robot = delayed(station, observation_s=delay)
    for _ in range(3):
        robot.clock.sleep_until(robot.clock.now() + 0.1)
        assert robot.clock.now() - robot.read()["arm"].stamp == pytest.approx(delay)


def test_delayed_reading_is_what_was_measured_then(station):
    robot = delayed(station, observation_s=0.04)
    robot.command({"arm": raised(robot)})
    robot.clock.sleep_until(0.06)
    then = station.arm.pose.position
    robot.clock.sleep_until(0.10)
    np.testing.assert_allclose(robot.read()["arm"].pose.position, then, atol=1e-12)
    assert station.arm.pose.position[2] > then[2] + 0.001


def test_commands_take_effect_after_the_delay_and_in_order(station):
    robot = delayed(station, action_s=0.03)
    before = station.physics.data.mocap_pos[0].copy()
    robot.command({"arm": raised(robot)})
    robot.clock.sleep_until(robot.clock.now() + 0.028)
    np.testing.assert_array_equal(station.physics.data.mocap_pos[0], before)
    robot.clock.sleep_until(robot.clock.now() + 0.002)
    assert station.physics.data.mocap_pos[0, 2] == pytest.approx(before[2] + 0.02)


def test_stop_is_not_delayed_and_drops_what_is_under_way(station):
    robot = delayed(station, action_s=0.05)
    before = station.arm.pose
    robot.command({"arm": raised(robot)})
    robot.stop()
    robot.clock.sleep_until(robot.clock.now() + 0.5)
    assert station.arm.pose.distance(before)[0] < 1e-3


def test_bias_holds_for_an_episode_and_jitter_does_not(rng):
    biased = NoisyTracker(SimTracker(lambda: HERE), PoseNoise(bias_m=0.01, bias_rad=0.1))
    biased.reset(rng)
    first, again = biased.read(), biased.read()
    assert first.distance(again) == (0.0, 0.0)
    assert first.distance(HERE)[0] > 0
    biased.reset(rng)
    assert biased.read().distance(first)[0] > 0
    jittering = NoisyTracker(SimTracker(lambda: HERE), PoseNoise(jitter_m=0.01))
    assert jittering.read().distance(jittering.read())[0] > 0


def test_noise_has_the_size_it_was_given(rng):
    tracker = NoisyTracker(SimTracker(lambda: HERE), PoseNoise(jitter_m=0.01, jitter_rad=0.1))
    errors = [HERE.inverse() @ tracker.read() for _ in range(2000)]
    assert np.std([error.position for error in errors], axis=0) == pytest.approx([0.01] * 3, rel=0.1)
    assert np.std([error.rotvec for error in errors], axis=0) == pytest.approx([0, 0, 0.1], rel=0.1)


def test_same_rng_same_noise():
    readings = []
    for _ in range(2):
        tracker = NoisyTracker(SimTracker(lambda: HERE), PoseNoise(bias_m=0.01, jitter_m=0.01))
        tracker.reset(np.random.default_rng(5))
        readings.append(tracker.read().position)
    np.testing.assert_array_equal(readings[0], readings[1])


class CountingCamera:
    """A camera whose images tell when they were taken."""

    def __init__(self, clock):
        self.spec = None
        self.clock = clock

    def connect(self):
        pass

    def read(self, max_age):
        return Frame(np.zeros((1, 1, 3), np.uint8), self.clock.now())

    def close(self):
        pass


def test_dropped_frames_repeat_the_last_with_its_stamp(station, rng):
    clock = station.robot.clock
    camera = DroppingCamera(CountingCamera(clock), drop=0.3, clock=clock)  # type: ignore[arg-type]
    camera.reset(rng)
    fresh = []
    for _ in range(200):
        clock.sleep_until(clock.now() + 0.002)
        fresh.append(camera.read(max_age=1.0).stamp == clock.now())
    assert np.mean(fresh) == pytest.approx(0.7, abs=0.1)


def test_a_camera_that_drops_for_too_long_is_stale(station, rng):
    from robot_rl.specs import CameraSpec

    clock = station.robot.clock
    inner = CountingCamera(clock)
    inner.spec = CameraSpec("front", 1, 1)  # type: ignore[assignment]
    camera = DroppingCamera(inner, drop=0.999999, clock=clock)  # type: ignore[arg-type]
    camera.reset(rng)
    camera.read(max_age=0.2)
    clock.sleep_until(clock.now() + 0.3)
    with pytest.raises(StaleFrame, match=r"'front'.*0\.30 s old, limit 0\.20 s"):
        camera.read(max_age=0.2)


@pytest.mark.parametrize(
    "make",
    [lambda: Delays(observation_s=-0.1), lambda: Imperfections(frame_drop=1.0), lambda: Imperfections(frame_drop=-0.1)],
)
def test_impossible_imperfections_are_refused(make):
    with pytest.raises(ConfigError):
        make()
