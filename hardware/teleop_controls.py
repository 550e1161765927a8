"""Which controls of an input device a hand holds down, and which it tapped since somebody looked."""

from __future__ import annotations

from robot_rl.errors import ConfigError
from robot_rl.types import DeviceInput

AXES = ("x", "y", "z", "roll", "pitch", "yaw")
EVENTS = ("success", "failure", "discard", "pause", "stop")
MOTIONS = {f"{sign}{axis}": (axis, 1.0 if sign == "+" else -1.0) for axis in AXES for sign in "+-"}
"""Controls that move: `+x` goes away from the person, `-x` comes back."""
GRIPPER = {"open": 1.0, "close": -1.0}
TAKE_OVER = "take over"
CONTROLS = (*MOTIONS, *GRIPPER, TAKE_OVER, *EVENTS)
"""Everything that a key or a button may stand for."""


class Controls:
    """The state of a device's controls. What was tapped between two `take`s is in the second, however short the tap."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._tapped: set[str] = set()
        self._gripper: float | None = None
        self._levels: dict[str, float] = {}

    def press(self, control: str) -> None:
        """Say that `control`, one of CONTROLS, went down; nothing happens if it is down."""
        if control not in CONTROLS:
            raise ConfigError(f"unknown control {control!r}; known: {', '.join(CONTROLS)}")
        if control in self._held:
            return
        self._held.add(control)
        self._tapped.add(control)
        self._gripper = GRIPPER.get(control, self._gripper)

    def release(self, control: str) -> None:
        """Say that `control` is up."""
        self._held.discard(control)

    def tap(self, control: str) -> None:
        """Say that `control` went down and up."""
        self.press(control)
        self.release(control)

    def set(self, control: str, *, is_down: bool) -> None:
        """Say whether `control` is down."""
        (self.press if is_down else self.release)(control)

    def move(self, axis: str, level: float) -> None:
        """Say how far an analogue axis is away from its rest, -1..1; dead bands are the caller's."""
        self._levels[axis] = level

    def take(self) -> DeviceInput:
        """Return what was done since the last `take`."""
        active, tapped = self._held | self._tapped, self._tapped
        motion = {axis: level for axis, level in self._levels.items() if level != 0}
        for control in active & MOTIONS.keys():
            axis, direction = MOTIONS[control]
            motion[axis] = motion.get(axis, 0.0) + direction
        motion = {axis: min(max(level, -1.0), 1.0) for axis, level in motion.items()}
        touching = bool(motion) or bool(active - set(EVENTS))
        taken = DeviceInput(
            motion,
            self._gripper,
            is_touched=touching,
            is_held=TAKE_OVER in self._held,
            is_tapped=TAKE_OVER in tapped,
            **{event: event in tapped for event in EVENTS},
        )
        self._tapped, self._gripper = set(), None
        return taken


def beyond(level: float, dead_band: float) -> float:
    """Return how far `level`, -1..1, is beyond the dead band, of the way that is left there."""
    way = (abs(level) - dead_band) / (1 - dead_band)
    return 0.0 if way <= 0 else min(way, 1.0) * (1 if level > 0 else -1)
