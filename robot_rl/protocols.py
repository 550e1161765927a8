"""The seams of the house: what robots, cameras, people, rewards, resets, policies and agents promise each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from robot_rl.geometry import Pose
from robot_rl.specs import CameraSpec, RobotSpec
from robot_rl.types import Command, DeviceInput, EpisodeInfo, Frame, Metrics, Observation, RobotState, TeleopInput, Transition

if TYPE_CHECKING:
    from robot_rl.data.batch import Batch, BatchSpec


class Clock(Protocol):
    """Time of a station. On a wall clock `sleep_until` sleeps; on a simulated clock it steps physics."""

    def now(self) -> float:
        """Return s since an arbitrary origin; never runs backwards."""
        ...

    def sleep_until(self, deadline: float) -> None:
        """Return once `now() >= deadline`; at once if that has passed."""
        ...


@runtime_checkable
class Robot(Protocol):
    """A robot of named parts. Constructors do no I/O; `spec` is readable before `connect`."""

    spec: RobotSpec
    clock: Clock

    def connect(self) -> None:
        """Open the devices; idempotent. Raises DeviceError with the remedy."""
        ...

    def read(self) -> RobotState:
        """Return the newest state of every part, as copies. Raises DeviceError when not connected."""
        ...

    def command(self, command: Command) -> Command:
        """Send targets for some or all parts and return what was really sent."""
        ...

    def stop(self) -> None:
        """Hold position now. Idempotent, never raises, callable from any thread."""
        ...

    def close(self) -> None:
        """Stop and release the devices; idempotent."""
        ...


@runtime_checkable
class Camera(Protocol):
    """A camera of which only the newest frame matters."""

    spec: CameraSpec

    def connect(self) -> None:
        """Open the device; idempotent."""
        ...

    def read(self, max_age: float) -> Frame:
        """Return the newest frame. Raises StaleFrame if it is older than `max_age` s."""
        ...

    def close(self) -> None:
        """Release the device; idempotent."""
        ...


class Tracker(Protocol):
    """Tells where an object is: a fiducial or pose estimator on a robot, the physics state in simulation."""

    def read(self) -> Pose:
        """Return T_base_object."""
        ...


class Teleop(Protocol):
    """A person's input device. Events are latched: a tap between two reads is never lost.

    One with a method `follow(obs, action)` is told every observation and the action [A] executed before it, None after a
    reset, so that a hand starts where the policy was. One with a method `take_stop() -> bool` is asked while a reset moves the
    robot, whether the person wants it stopped.
    """

    def read(self) -> TeleopInput:
        """Return the input since the last read; never blocks."""
        ...


@runtime_checkable
class InputDevice(Protocol):
    """A keyboard, gamepad, SpaceMouse, leader arm or browser. Knows no robot: `TakeOver` makes a Teleop of it."""

    name: str

    def connect(self) -> None:
        """Open the device; idempotent. Raises DeviceError with the remedy."""
        ...

    def read(self) -> DeviceInput:
        """Return what was done since the last read; never blocks. Raises DeviceError once the device is gone."""
        ...

    def close(self) -> None:
        """Release the device; idempotent, never raises."""
        ...


class RewardModel(Protocol):
    """Says what an observation is worth and whether it is a success. It is shown an episode's observations in order."""

    def begin_episode(self) -> None:
        """Forget the last episode."""
        ...

    def __call__(self, obs: Observation) -> tuple[float, bool]:
        """Return (reward, success)."""
        ...


class ResetRoutine(Protocol):
    """Brings robot and scene to a start state."""

    def __call__(self, robot: Robot, rng: np.random.Generator) -> None:
        """Reset, or raise ResetFailed."""
        ...


class ExperienceSink(Protocol):
    """Takes transitions as they happen: a replay buffer, an episode writer."""

    def begin_episode(self, info: EpisodeInfo) -> None:
        """Start an episode; one still open is closed as truncated."""
        ...

    def add(self, transition: Transition) -> None:
        """Append one step to the open episode."""
        ...

    def end_episode(self) -> None:
        """Close the open episode; nothing happens if none is open."""
        ...

    def discard_episode(self) -> None:
        """Forget the newest episode, open or just ended; nothing happens if it has no steps, or is forgotten already."""
        ...


class Policy(Protocol):
    """Only what acting needs; what evaluation, actors and deployment receive."""

    version: int

    def begin_episode(self) -> None:
        """Forget the last episode."""
        ...

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action [A] in [-1, 1]; `explore` samples."""
        ...


class Agent(Policy, Protocol):
    """A learner."""

    batch_spec: BatchSpec

    def update(self, batches: Iterator[Batch]) -> Metrics:
        """Learn once, taking as many batches as the update ratio asks for."""
        ...

    def policy(self) -> Policy:
        """Return a frozen copy of what acting needs."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return everything: weights, optimizers, scales, schedules, random state."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...
