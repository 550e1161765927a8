"""The Franka hand: opening fingers to a width and grasping with a bounded force, without ever waiting for them."""

from __future__ import annotations

import logging
import math
import threading
from typing import Any

from robot_rl.errors import DeviceError
from robot_rl.protocols import Clock
from robot_rl.types import GripperState

log = logging.getLogger(__name__)

GRASP_BELOW = 0.02
"""Openings below this are a grasp: the fingers close on whatever is there and keep pressing."""
SAME = 0.01
"""Openings nearer than this to the last target are no new target."""
READ_EVERY_S = 0.02
"""How often the background looks; the hand itself sends some 30 states a second."""
MAX_AGE_S = 0.5
"""A state that is older than this is stale."""


class FrankaHand:
    """One hand over franky's `Gripper`. Targets that come while it moves wait, the newest alone is kept.

    The hand is asked for its state by a thread, since an answer takes as long as the hand likes; or with
    `in_background` false whenever somebody reads.
    """

    def __init__(
        self, gripper: Any, clock: Clock, max_width_m: float, speed: float, force_n: float, *, in_background: bool = True
    ) -> None:
        """Take over an open `franky.Gripper`; speed in m/s of the opening, force in N that a grasp presses with."""
        self._gripper, self._clock = gripper, clock
        self._max_width, self._speed, self._force = max_width_m, speed, force_n
        self._lock = threading.Lock()
        self._moving: Any = None  # franky.BoolFuture of what is under way
        self._waiting: float | None = None
        self._told: float | None = None
        self._cause = ""
        self._newest: GripperState | None = None
        self._ended = threading.Event()
        self._in_background = in_background
        self.refresh()
        if in_background:
            threading.Thread(target=self._watch, name="franka-hand", daemon=True).start()

    def refresh(self) -> None:
        """Ask the hand for its state now."""
        try:
            width = float(self._gripper.state.width)
            if not math.isfinite(width):
                raise ValueError(f"width {width}")
        except Exception as error:
            self._cause = f"{type(error).__name__}: {error}"
            return
        self._cause = ""
        self._newest = GripperState(min(max(width / self._max_width, 0.0), 1.0), self._clock.now())

    def read(self) -> GripperState:
        """Return the newest state, and go on with what waits.

        Raises:
            DeviceError: If it is older than half a second.
        """
        if not self._in_background:
            self.refresh()
        self._go_on()
        newest, now = self._newest, self._clock.now()
        if newest is None or now - newest.stamp > MAX_AGE_S or (self._cause and not self._in_background):
            age = "none has come" if newest is None else f"the newest is {now - newest.stamp:.2f} s old"
            raise DeviceError(f"franka hand: no fresh state, {age}, limit {MAX_AGE_S:g} s (cause: {self._cause or 'unknown'})")
        return newest

    def move(self, opening: float) -> None:
        """Head for `opening`, 0..1, as soon as what is under way has ended.

        Raises:
            ValueError: If it is not finite.
        """
        if not math.isfinite(opening):
            raise ValueError(f"gripper target is not finite: {opening}")
        opening = min(max(opening, 0.0), 1.0)
        with self._lock:
            if self._told is None or abs(opening - self._told) > SAME:
                self._waiting = self._told = opening
        self._go_on()

    def stop(self) -> None:
        """Stop fingers that move; a grasp that holds keeps holding. Never raises."""
        with self._lock:
            self._waiting = self._told = None
            try:
                if self._moving is not None and not self._moving.wait(0.0):
                    self._gripper.stop_async()
            except Exception as error:
                log.error("franka hand did not stop: %s", error)

    def close(self) -> None:
        """Stop and look no more; idempotent."""
        self._ended.set()
        self.stop()

    def _go_on(self) -> None:
        """Start what waits, if nothing is under way."""
        with self._lock:
            if self._moving is not None:
                if not self._moving.wait(0.0):
                    return
                finished, self._moving = self._moving, None
                try:
                    finished.get()
                except Exception as error:  # fingers that are blocked or stopped: no reason to stop the arm
                    log.warning("franka hand: %s", error)
            if self._waiting is None:
                return
            opening, self._waiting = self._waiting, None
            try:
                if opening < GRASP_BELOW:
                    self._moving = self._gripper.grasp_async(0.0, self._speed, self._force, 0.0, self._max_width)
                else:
                    self._moving = self._gripper.move_async(opening * self._max_width, self._speed)
            except Exception as error:
                self._told = None
                raise DeviceError(f"franka hand did not take opening {opening:.2f}: {error}") from error

    def _watch(self) -> None:
        while not self._ended.wait(READ_EVERY_S):
            self.refresh()
