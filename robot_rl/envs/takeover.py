"""Who is in control, and what a hand on an input device means as an action: the way from a device to the robot."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from robot_rl.envs.actions import AXES
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.protocols import InputDevice
from robot_rl.specs import ACTION_FRAME, EnvSpec
from robot_rl.types import DeviceInput, Observation, TeleopInput

TakeOverMode = Literal["touch", "hold", "toggle"]
TURNS = {"behind": (1, 1, 1), "facing": (-1, -1, 1)}
"""Signs of x, y, z from the person's view to the base's axes; a half turn about z for somebody who faces the robot."""
TOOL_DOWN = (1, -1, -1)
"""Signs of x, y, z from the base's axes to those of a tool that points down: half a turn about x."""


@dataclass(frozen=True, slots=True)
class TakeOverConfig:
    """When a person is in control, and how fast."""

    mode: TakeOverMode = "touch"
    """touch: while the device is moved, and `release_s` longer; hold: while its take-over button is down; toggle: from one tap
    of that button to the next"""
    release_s: float = 0.5
    """touch: s after the last touch at which control goes back to the policy; the robot stands still in between"""
    dead_band: float = 0.02
    """motions up to this are none; those beyond it begin at zero"""
    speed: float = 1.0
    """share of the action's range that a full motion uses, in (0, 1]"""
    scale: Mapping[str, float] = field(default_factory=dict)
    """by axis or name of an action dimension: factor of its motion; negative turns it round"""
    view: Literal["behind", "facing", "action"] = "behind"
    """where the person stands: behind the robot, facing it, or (action) motions are along the action's axes as they are"""
    part: str | None = None
    """arm that x y z roll pitch yaw move; None: the first of the action"""

    def __post_init__(self) -> None:
        if not 0 < self.speed <= 1:
            raise ConfigError(f"take-over speed {self.speed:g} is not in (0, 1]")
        if not 0 <= self.dead_band < 1:
            raise ConfigError(f"take-over dead_band {self.dead_band:g} is not in [0, 1)")
        if not self.release_s >= 0:
            raise ConfigError(f"take-over release_s {self.release_s:g} is negative")


class TakeOver:
    """A Teleop made of an input device: decides who is in control, and turns the hand's motion into the environment's action.

    Changing hands moves no target: a hand at rest gives an action of zero, which leaves the target where the policy had it,
    and a continuous gripper that the hand has not touched keeps what was executed last, or what is observed before anything
    was. `Intervention` tells it both through `follow`. A discrete gripper stays (0) but for the step in which it is told.
    """

    def __init__(
        self,
        device: InputDevice,
        spec: EnvSpec,
        config: TakeOverConfig | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put `device` before an environment; nothing is opened.

        Args:
            device: What the hand is on.
            spec: Of the environment that is driven.
            config: Defaults if None.
            now: Clock of `release_s`, s.

        Raises:
            ConfigError: If `config.part` or a name in `config.scale` is none of the action's.
        """
        self._device, self._config, self._now = device, config or TakeOverConfig(), now
        self._spec = spec.action
        self._slots = _slots(spec, self._config.part)
        self._grippers = tuple(
            index for index, name in enumerate(self._spec.names) if index in self._spec.discrete or _is_gripper(name)
        )
        self._gains = _gains(spec, self._config, self._slots)
        self._openings: dict[int, float] = {}
        self._is_on = self._is_paused = False
        self._last_touch = -math.inf

    def connect(self) -> None:
        """Open the device; idempotent. Raises DeviceError with the remedy."""
        self._device.connect()

    def close(self) -> None:
        """Release the device; idempotent, never raises."""
        self._device.close()

    def follow(self, obs: Observation, action: np.ndarray | None) -> None:
        """Be told what is observed and was executed, whoever wanted it: that is where the hand starts.

        Args:
            obs: The newest observation.
            action: [A] executed before it, or None at the start of an episode.
        """
        for index in self._grippers:
            opening = obs.get(f"state/{self._spec.names[index]}/opening")
            if action is not None:
                self._openings[index] = float(action[index])
            elif opening is not None:
                self._openings[index] = 2 * min(max(float(opening.flat[-1]), 0.0), 1.0) - 1
            else:
                self._openings.pop(index, None)

    def read(self) -> TeleopInput:
        """Return what the person did since the last read; action None: hands off.

        Raises:
            DeviceError: If the device is gone, or does not fit this environment.
        """
        hand = self._device.read()
        action = self._action(hand) if self._takes_over(hand) else None
        pause, self._is_paused = hand.pause != self._is_paused, False
        return TeleopInput(action, hand.success, hand.failure, hand.discard, pause, hand.stop)

    def take_stop(self) -> bool:
        """Return whether the person pressed stop since the last read, as while a reset moves the robot.

        Of what else they pressed only a pause is kept for the next `read`.

        Raises:
            DeviceError: If the device is gone.
        """
        hand = self._device.read()
        self._is_paused ^= hand.pause
        return hand.stop

    def _takes_over(self, hand: DeviceInput) -> bool:
        if self._config.mode == "hold":
            return hand.is_held or hand.is_tapped
        if self._config.mode == "toggle":
            self._is_on ^= hand.is_tapped
            return self._is_on
        if hand.is_touched or hand.is_held or hand.is_tapped:
            self._last_touch = self._now()
        return self._now() - self._last_touch <= self._config.release_s

    def _action(self, hand: DeviceInput) -> np.ndarray:
        """Return the action [A], float32 in [-1, 1], of a hand in control."""
        action = np.zeros(self._spec.dim, np.float32)
        for axis, motion in hand.motion.items():
            slot = self._slots.get(axis)
            if not math.isfinite(motion):
                raise DeviceError(f"{self._device.name} says {axis} is {motion}, which is no motion; calibrate or replug it")
            if slot is not None:
                action[slot] = self._gains[axis] * _beyond(motion, self._config.dead_band)
            elif axis not in AXES or not self._slots.keys() & set(AXES):
                known = ", ".join(self._spec.names)
                raise DeviceError(f"{self._device.name} moves {axis!r}, which is not in this environment's action: {known}")
        for index in self._grippers:
            action[index] = self._gripper(index, hand.gripper)
        return np.clip(action, -1, 1)

    def _gripper(self, index: int, wanted: float | None) -> float:
        if index in self._spec.discrete:
            return 0.0 if wanted is None or abs(wanted) <= 0.5 else math.copysign(1.0, wanted)
        if wanted is not None:
            self._openings[index] = wanted
        return self._openings.setdefault(index, 1.0)


def _slots(spec: EnvSpec, part: str | None) -> dict[str, int]:
    """Return the index of each action dimension, by its name and, for the arm that is moved, by its axis."""
    names = spec.action.names
    slots = {name: index for index, name in enumerate(names)}
    parts = [name.rpartition("/")[0] for name, axis in zip(names, spec.action.axes, strict=True) if axis in AXES]
    if part is not None and part not in parts:
        known = ", ".join(sorted(set(parts))) or "none"
        raise ConfigError(f"take-over part {part!r} is no arm of {spec.name!r}; its arms: {known}")
    moved = part if part is not None or not parts else parts[0]
    return slots | {axis: slots[name] for axis in AXES for name in (f"{moved}/{axis}" if moved else axis,) if name in slots}


def _gains(spec: EnvSpec, config: TakeOverConfig, slots: Mapping[str, int]) -> dict[str, float]:
    """Return by axis and name what a motion is multiplied with: speed, scale and the sign of the person's view."""
    unknown = sorted({*config.scale} - {*slots, *AXES})
    if unknown:
        known = ", ".join(slots)
        raise ConfigError(f"take-over scale {unknown[0]!r} is no axis and not in the action of {spec.name!r}: {known}")
    signs = (1, 1, 1) if config.view == "action" else TURNS[config.view]
    if config.view != "action" and spec.extra.get(ACTION_FRAME) == "tcp":
        signs = tuple(sign * turn for sign, turn in zip(signs, TOOL_DOWN, strict=True))
    sign_by_axis = {
        axis: signs[index % 3] for index, axis in enumerate(AXES)
    }  # a rotation vector turns with the axes, as a motion does
    return {axis: config.speed * config.scale.get(axis, 1.0) * sign_by_axis.get(axis, 1) for axis in slots}


def _is_gripper(name: str) -> bool:
    return "gripper" in name and name.rpartition("/")[2] not in AXES


def _beyond(motion: float, dead_band: float) -> float:
    """Return how far `motion` in [-1, 1] is beyond the dead band, of what there is beyond it."""
    return math.copysign(max(min(abs(motion), 1.0) - dead_band, 0.0) / (1 - dead_band), motion)
