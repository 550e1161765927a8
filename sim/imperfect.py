"""Imperfect devices: wrappers of robot, camera and tracker that delay, blur and drop what a perfect simulation gives."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from robot_rl.errors import ConfigError, DeviceError, StaleFrame
from robot_rl.geometry import Pose
from robot_rl.protocols import Camera, Clock, Robot, Tracker
from robot_rl.types import Command, Frame, RobotState


@dataclass(frozen=True, slots=True)
class Delays:
    """How late a robot senses and obeys. Both must be whole physics steps."""

    observation_s: float = 0.0
    """age of what `read` returns"""
    action_s: float = 0.0
    """time until a command takes effect"""

    def __post_init__(self) -> None:
        if self.observation_s < 0 or self.action_s < 0:
            raise ConfigError(f"delays {self.observation_s} s and {self.action_s} s must not be negative")


@dataclass(frozen=True, slots=True)
class PoseNoise:
    """Errors of a pose estimator: constant within an episode (bias), and new at each reading (jitter)."""

    bias_m: float = 0.0
    """standard deviation per axis"""
    bias_rad: float = 0.0
    """standard deviation about the object's z axis"""
    jitter_m: float = 0.0
    """standard deviation per axis"""
    jitter_rad: float = 0.0
    """standard deviation about the object's z axis"""

    def __bool__(self) -> bool:
        return any((self.bias_m, self.bias_rad, self.jitter_m, self.jitter_rad))


@dataclass(frozen=True, slots=True)
class Imperfections:
    """All imperfections of a simulated station; the default has none."""

    delays: Delays = field(default_factory=Delays)
    """of the robot"""
    pose_noise: PoseNoise = field(default_factory=PoseNoise)
    """of the trackers"""
    frame_drop: float = 0.0
    """probability that a camera repeats its last frame"""

    def __post_init__(self) -> None:
        if not 0 <= self.frame_drop < 1:
            raise ConfigError(f"frame_drop {self.frame_drop} is not in [0, 1)")


TYPICAL = Imperfections(Delays(0.02, 0.02), PoseNoise(0.0005, 0.005, 0.0002, 0.002), frame_drop=0.05)
"""A decent station: 40 ms round trip, half a millimetre of bias, one frame in twenty lost."""


class DelayedRobot:
    """A robot that obeys and senses late. Its clock does the delaying, so use `clock` of this robot and not the inner one's."""

    def __init__(self, robot: Robot, delays: Delays):
        self.spec = robot.spec
        self._delayed = _DelayedClock(robot, delays)
        self.clock: Clock = self._delayed
        self._robot = robot
        self._is_connected = False

    def connect(self) -> None:
        """Connect the robot."""
        self._robot.connect()
        self._is_connected = True

    def read(self) -> RobotState:
        """Return the state of `observation_s` ago; its stamps tell."""
        return self._delayed.sensed()

    def command(self, command: Command) -> Command:
        """Take a command that takes effect `action_s` later; a newer one does not overtake it."""
        if not self._is_connected:
            raise DeviceError("delayed robot: not connected; call connect() first")
        for part in command:
            if part not in self.spec.parts:
                raise ConfigError(f"unknown part {part!r}; parts: {', '.join(self.spec.parts)}")
        return self._delayed.submit(command)

    def stop(self) -> None:
        """Drop what is under way and hold; stopping is never delayed."""
        self._delayed.forget()
        self._robot.stop()

    def close(self) -> None:
        """Close the robot."""
        self._delayed.forget()
        self._robot.close()
        self._is_connected = False

    def reset(self, rng: np.random.Generator) -> None:
        """Forget what is under way, at the start of an episode."""
        self._delayed.forget()


class _DelayedClock:
    """Stops on the way to a deadline where a command falls due and where the next reading is taken."""

    def __init__(self, robot: Robot, delays: Delays):
        self._robot = robot
        self._inner: Clock = robot.clock
        self._delays = delays
        self._pending: deque[tuple[float, Command]] = deque()
        self._sensed: RobotState | None = None

    def now(self) -> float:
        return self._inner.now()

    def sleep_until(self, deadline: float) -> None:
        if self._delays.observation_s > 0:
            self._run_to(deadline - self._delays.observation_s)
            self._sensed = self._robot.read()
        self._run_to(deadline)

    def submit(self, command: Command) -> Command:
        if self._delays.action_s <= 0:
            return self._robot.command(command)
        self._pending.append((self.now() + self._delays.action_s, command))
        return command

    def sensed(self) -> RobotState:
        return self._robot.read() if self._sensed is None else self._sensed

    def forget(self) -> None:
        self._pending.clear()
        self._sensed = None

    def _run_to(self, deadline: float) -> None:
        while self._pending and self._pending[0][0] <= deadline + 1e-9:
            due, command = self._pending.popleft()
            self._inner.sleep_until(due)
            self._robot.command(command)
        self._inner.sleep_until(deadline)


class NoisyTracker:
    """A tracker with a bias that holds for an episode and jitter that does not."""

    def __init__(self, tracker: Tracker, noise: PoseNoise):
        self._tracker = tracker
        self._noise = noise
        self.reset(np.random.default_rng(0))

    def read(self) -> Pose:
        """Return T_base_object with errors."""
        return self._tracker.read() @ self._bias @ self._draw(self._noise.jitter_m, self._noise.jitter_rad)

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the episode's bias."""
        self._rng = np.random.default_rng(rng.integers(2**63))
        self._bias = self._draw(self._noise.bias_m, self._noise.bias_rad)

    def _draw(self, deviation_m: float, deviation_rad: float) -> Pose:
        normal = self._rng.standard_normal(4)
        return Pose.of((deviation_m * normal[:3]).tolist(), (0.0, 0.0, deviation_rad * float(normal[3])))


class DroppingCamera:
    """A camera that now and then repeats its last frame, with that frame's stamp."""

    def __init__(self, camera: Camera, drop: float, clock: Clock):
        self.spec = camera.spec
        self._camera = camera
        self._drop = drop
        self._clock = clock
        self.reset(np.random.default_rng(0))

    def connect(self) -> None:
        """Open the camera."""
        self._camera.connect()

    def read(self, max_age: float) -> Frame:
        """Return a new frame, or the last one again while that is no older than `max_age`, s.

        Raises:
            StaleFrame: If the frames were dropped for longer than that.
        """
        if self._last is None or self._rng.random() >= self._drop:
            self._last = self._camera.read(max_age)
        age = self._clock.now() - self._last.stamp
        if age > max_age:
            raise StaleFrame(f"camera {self.spec.name!r}: newest frame is {age:.2f} s old, limit {max_age:.2f} s")
        return self._last

    def close(self) -> None:
        """Close the camera."""
        self._camera.close()

    def reset(self, rng: np.random.Generator) -> None:
        """Forget the last episode's frame."""
        self._rng = np.random.default_rng(rng.integers(2**63))
        self._last: Frame | None = None
