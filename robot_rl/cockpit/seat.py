"""Who drives: one viewer at a time, for as long as their page is heard of."""

from __future__ import annotations

from collections.abc import Mapping

from robot_rl.cockpit.device import HEARTBEAT_TIMEOUT_S
from robot_rl.cockpit.inputs import EVENTS, Inputs

IDLE_S = 10.0
"""s after which a driver whose hands are off loses the seat to one who asks for it"""


class Seat:
    """At most one viewer drives. Another one asks, and gets the seat when it is handed over, left, lost or idle.

    Everybody may stop, which also frees the seat. The other events are the driver's, and everybody's while nobody drives.
    All times are in s, on one clock.
    """

    def __init__(self) -> None:
        self.driver: int | None = None
        self.asking: int | None = None
        """Who would like to drive."""
        self.viewers: set[int] = set()
        self._heard = 0.0
        self._touched = 0.0
        self._motion: dict[str, float] = {}
        self._gripper: float | None = None
        self._grip, self._num_grips = 0.0, 0
        self._taps = dict.fromkeys(EVENTS, 0)

    def join(self, viewer: int) -> None:
        """A page has been opened."""
        self.viewers.add(viewer)

    def leave(self, viewer: int) -> None:
        """A page is gone, and with it its control."""
        self.viewers.discard(viewer)
        self.release(viewer)

    def take(self, viewer: int, now: float) -> None:
        """Take over, or ask for it where another drives."""
        if self.driver is None:
            self._tap("takeover")
            self._seat(viewer, now)
        elif self.driver != viewer:
            self.asking = viewer

    def release(self, viewer: int) -> None:
        """Let go, or stop asking. Nobody drives then: whoever asked sees that the seat is free."""
        if viewer in (self.driver, self.asking):
            self.asking = None
        if self.driver == viewer:
            self._tap("takeover")
            self.driver = None
            self._let_go()

    def hand_over(self, viewer: int, now: float) -> None:
        """Give the seat to whoever asks for it; the robot stays in human hands, and stands until they move it."""
        if self.driver == viewer and self.asking is not None:
            self._seat(self.asking, now)

    def drive(self, viewer: int, now: float, motion: Mapping[str, float], gripper: float | None) -> None:
        """Hear of a page, and of what its hands do; only the driver's move anything.

        Args:
            viewer: Who.
            now: s.
            motion: Axis to -1..1; 0 or left out: stands still.
            gripper: Opening asked for while a button is down, or None.
        """
        if self.driver != viewer:
            return
        self._heard = now
        self._motion = {axis: value for axis, value in motion.items() if value}
        if gripper is not None and gripper != self._gripper:
            self._grip, self._num_grips = gripper, self._num_grips + 1
        self._gripper = gripper
        if self._motion or gripper is not None:
            self._touched = now

    def tap(self, viewer: int, event: str) -> bool:
        """Press an event's button; return whether it counts."""
        if event == "stop":
            if self.driver is not None:
                self.release(self.driver)
        elif self.driver not in (None, viewer):
            return False
        self._tap(event)
        return True

    def tick(self, now: float) -> None:
        """Free the seat of a driver who has not been heard of, and hand over that of one who is idle and asked."""
        if self.driver is None:
            return
        if now - self._heard > HEARTBEAT_TIMEOUT_S:
            self.release(self.driver)
        elif self.asking is not None and now - self._touched > IDLE_S:
            self._seat(self.asking, now)

    def inputs(self, now: float) -> Inputs:
        """Return what the control process is told."""
        return Inputs(
            alive=now,
            heard=self._heard,
            is_driven=self.driver is not None,
            motion=dict(self._motion),
            gripper=self._gripper,
            grip=self._grip,
            num_grips=self._num_grips,
            taps=dict(self._taps),
            num_viewers=len(self.viewers),
        )

    def _seat(self, viewer: int, now: float) -> None:
        self.driver, self.asking = viewer, None
        self._heard = self._touched = now
        self._let_go()

    def _let_go(self) -> None:
        self._motion, self._gripper = {}, None

    def _tap(self, event: str) -> None:
        self._taps[event] += 1
