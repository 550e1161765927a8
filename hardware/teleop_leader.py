"""Leader arms: a small arm that a person moves, whose joints or tool the robot follows by as much as they move."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hardware.teleop_controls import AXES
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose, quaternion_conjugate, quaternion_multiply, quaternion_to_rotvec
from robot_rl.registry import resolve
from robot_rl.types import DeviceInput

LEADERS: dict[str, str] = {"so101": "hardware.so101:open_leader"}
"""Known leader arms: functions that return an InputDevice, called with the port that stands behind `@`, or None."""


@dataclass(frozen=True, slots=True)
class JointReading:
    """What the encoders of a leader arm say."""

    qpos: np.ndarray
    """[J], rad, without the gripper's."""
    opening: float | None = None
    """0 closed .. 1 open, of its trigger; None: it has none."""
    is_held: bool = False
    """Whether its button or pedal that takes over is down."""


class JointReader(Protocol):
    """The bus of a leader arm."""

    def connect(self) -> None:
        """Open the bus; idempotent. Raises DeviceError or OSError."""
        ...

    def read(self) -> JointReading:
        """Return the newest reading, within milliseconds. Raises DeviceError or OSError once the arm is gone."""
        ...

    def close(self) -> None:
        """Release the bus; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class LeaderConfig:
    """How much of the leader's motion between two reads is a full action. The environment's own scales copy it one to one."""

    joint_names: tuple[str, ...] = ()
    """[J], action dimension that each joint moves, as far as it has one ("" for none); empty: the tool is followed"""
    joint_scale_rad: float = 0.1
    """rad of a joint that are a full action"""
    position_scale_m: float = 0.02
    """m of the tool that are a full action, as ActionConfig's"""
    rotation_scale_rad: float = 0.1
    """rad of the tool that are a full action, as ActionConfig's"""
    dead_band_rad: float = 0.004
    """rad that some joint must turn before anything moves: encoders flicker by two or three of 4096 steps"""
    dead_band_opening: float = 0.03
    """how far the trigger must move to count"""

    def __post_init__(self) -> None:
        for name in ("joint_scale_rad", "position_scale_m", "rotation_scale_rad"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"leader {name} {getattr(self, name):g} is not positive")


class LeaderArm:
    """An InputDevice whose motion is how far the leader moved since the last read, so that taking over moves nothing by itself.

    Motion below the dead band is not lost but counts once it adds up; motion beyond a full action is: the robot follows no
    faster than its action allows, and does not catch up.
    """

    def __init__(
        self,
        reader: JointReader,
        config: LeaderConfig | None = None,
        kinematics: Callable[[np.ndarray], Pose] | None = None,
        name: str = "leader",
    ) -> None:
        """Follow the joints of `reader`, or with `kinematics` the tool; nothing is opened.

        Args:
            reader: The leader's bus.
            config: Defaults if None.
            kinematics: From qpos [J], rad, to the pose of the leader's tool, T_base_tcp, its base parallel to the robot's.
            name: For messages.

        Raises:
            ConfigError: If it is not said what is to be followed.
        """
        self.name = name
        self._reader, self._config, self._kinematics = reader, config or LeaderConfig(), kinematics
        if (kinematics is None) == (not self._config.joint_names):
            raise ConfigError(f"{name}: give either joint_names, to follow joints, or kinematics, to follow the tool")
        self._is_connected = False
        self._last: np.ndarray | None = None
        self._last_opening: float | None = None
        self._was_held = False

    def connect(self) -> None:
        """Open the bus; idempotent. Raises DeviceError with the remedy."""
        try:
            self._reader.connect()
        except OSError as error:
            raise DeviceError(f"{self.name}: {error}; check its cable and power") from error
        self._is_connected = True

    def read(self) -> DeviceInput:
        """Return how far the leader moved since the last read. Raises DeviceError once it is gone."""
        if not self._is_connected:
            raise DeviceError(f"{self.name} is not connected; call connect() first")
        try:
            reading = self._reader.read()
        except OSError as error:
            raise DeviceError(f"{self.name} is gone ({error}); check its cable and power") from error
        except DeviceError as error:
            raise DeviceError(f"{self.name}: {error}") from error
        if not np.all(np.isfinite(reading.qpos)):
            raise DeviceError(f"{self.name} reads joints {reading.qpos.tolist()} rad; check its encoders")
        motion, opening = self._motion(reading.qpos), self._opening(reading.opening)
        is_tapped, self._was_held = reading.is_held and not self._was_held, reading.is_held
        is_touched = bool(motion) or opening is not None
        return DeviceInput(motion, opening, is_touched=is_touched, is_held=reading.is_held, is_tapped=is_tapped)

    def close(self) -> None:
        """Release the bus; idempotent, never raises."""
        self._is_connected, self._last, self._last_opening = False, None, None
        try:
            self._reader.close()
        except (OSError, DeviceError):
            return  # a bus that is gone cannot be given back

    def _motion(self, qpos: np.ndarray) -> dict[str, float]:
        last = self._last
        if last is None or last.shape != qpos.shape:
            self._last = qpos.copy()
            return {}
        if np.abs(qpos - last).max() < self._config.dead_band_rad:
            return {}
        self._last = qpos.copy()
        if self._kinematics is None:
            turned = (qpos - last) / self._config.joint_scale_rad
            moves = zip(self._config.joint_names, turned.tolist(), strict=True)
            return {name: min(max(move, -1.0), 1.0) for name, move in moves if name}
        before, now = self._kinematics(last), self._kinematics(qpos)
        turn = quaternion_to_rotvec(quaternion_multiply(now.quaternion, quaternion_conjugate(before.quaternion)))
        shift = _within((now.position - before.position) / self._config.position_scale_m)
        return dict(zip(AXES, [*shift, *_within(turn / self._config.rotation_scale_rad)], strict=True))

    def _opening(self, opening: float | None) -> float | None:
        """Return the opening that is asked for, -1..1, while the trigger moves."""
        if opening is None:
            return None
        if self._last_opening is None or abs(opening - self._last_opening) < self._config.dead_band_opening:
            self._last_opening = opening if self._last_opening is None else self._last_opening
            return None
        self._last_opening = opening
        return 2 * min(max(opening, 0.0), 1.0) - 1


class ScriptedJoints:
    """A leader arm that follows a script, one reading a read, and then stays where it is."""

    def __init__(self, readings: Iterable[JointReading | OSError]) -> None:
        self._readings = deque(readings)
        self._last: JointReading | None = None

    def connect(self) -> None:
        """Pretend to open the bus."""

    def read(self) -> JointReading:
        """Return the next reading; an error is raised instead."""
        following = self._readings.popleft() if self._readings else self._last
        if isinstance(following, OSError):
            raise following
        if following is None:
            raise DeviceError("the script of this leader arm has no reading")
        self._last = following
        return following

    def close(self) -> None:
        """Pretend to release the bus."""


def open_leader(selected: str | None = None) -> object:
    """Return the leader arm that `selected` names.

    Args:
        selected: One of LEADERS, with `@` and its port where there are several (`so101@/dev/ttyACM1`); or
            `package.module:function`, which returns an InputDevice.

    Raises:
        ConfigError: If it is unknown, or nothing is selected.
    """
    if selected is None:
        known = ", ".join(sorted(LEADERS))
        raise ConfigError(f"which leader arm? known: {known}; or leader:package.module:function, which returns a LeaderArm")
    name, _, port = selected.partition("@")
    opener = resolve(name, LEADERS, "leader arm")
    return opener(port or None) if name in LEADERS else opener()


def _within(vector: np.ndarray) -> list[float]:
    """Return `vector` shortened to a length of at most 1, its direction kept."""
    return (vector / max(float(np.linalg.norm(vector)), 1.0)).tolist()
