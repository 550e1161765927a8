"""What the cockpit's process knows, between the control process on one side and the viewers on the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from robot_rl.cockpit.curves import Curves
from robot_rl.cockpit.frames import FrameReader
from robot_rl.cockpit.inputs import InputWriter
from robot_rl.cockpit.pictures import Pictures
from robot_rl.cockpit.seat import Seat


class Listener(Protocol):
    """Somebody who wants to know when there is news."""

    def wake(self) -> None:
        """Called after each change."""
        ...


class Hub:
    """Takes what comes from both sides, passes it on at once, and keeps the newest of it for those who come later."""

    def __init__(self, title: str, frames: FrameReader, inputs: InputWriter, now: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing known.

        Args:
            title: Of the page.
            frames: Where pictures come from.
            inputs: Where hands go.
            now: s, on the clock that the control process reads too.
        """
        self.title = title
        self.seat = Seat()
        self.frames, self.pictures = frames, Pictures(frames)
        self.curves = Curves()
        self.state: Mapping[str, Any] = {}
        self.text = ""
        """What the control process says."""
        self.started = now()
        self._inputs, self._now = inputs, now
        self._listeners: dict[int, Listener] = {}
        self._num_joined = 0
        self._layout: Mapping[str, Any] = {}
        self._state_at = now()
        self._num_stops = 0
        self.tick()

    # From the control process

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take a message of the control process."""
        now = self._now()
        if message["type"] == "state":
            self.state, self._state_at = message, now
            if message["cameras"] != self._layout:
                self._layout = message["cameras"]
                self.frames.lay_out(self._layout)
        elif message["type"] == "points":
            self.curves.add(now - self.started, message["points"])
        elif message["type"] == "phase":
            self.state = {**self.state, "phase": message["phase"]}
        elif message["type"] == "say":
            self.text = message["text"]
        if message["type"] != "points":  # points go with the next state: there may be hundreds a second
            self._wake()

    # From the viewers

    def join(self, listener: Listener) -> int:
        """Return the number of a new viewer."""
        self._num_joined += 1
        self._listeners[self._num_joined] = listener
        self.seat.join(self._num_joined)
        self._changed()
        return self._num_joined

    def leave(self, viewer: int) -> None:
        """Forget a viewer."""
        self._listeners.pop(viewer, None)
        self.seat.leave(viewer)
        self._changed()

    def take(self, viewer: int) -> None:
        """Take over, or ask for it."""
        self.seat.take(viewer, self._now())
        self._changed()

    def release(self, viewer: int) -> None:
        """Let go."""
        self.seat.release(viewer)
        self._changed()

    def hand_over(self, viewer: int) -> None:
        """Give the seat to whoever asks."""
        self.seat.hand_over(viewer, self._now())
        self._changed()

    def drive(self, viewer: int, motion: Mapping[str, float], gripper: float | None) -> None:
        """Move the robot, if it is the driver."""
        self.seat.drive(viewer, self._now(), motion, gripper)
        self._write()

    def tap(self, viewer: int, event: str) -> bool:
        """Press an event's button; return whether it counts."""
        counts = self.seat.tap(viewer, event)
        self._num_stops += event == "stop"
        self._changed()
        return counts

    def tick(self) -> None:
        """Let time pass: whoever is not heard of loses the seat. Call it often."""
        driver = self.seat.driver
        self.seat.tick(self._now())
        if self.seat.driver != driver:
            self._wake()
        self._write()

    def view(self, viewer: int) -> dict[str, Any]:
        """Return what a viewer's page shows, pictures and curves left out."""
        seat, state = self.seat, self.state
        return {
            "type": "view",
            "viewer": viewer,
            "num_viewers": len(seat.viewers),
            "driver": seat.driver,
            "asking": seat.asking,
            "text": self.text,
            "age_s": round(self._now() - self._state_at, 2) if state else None,
            "num_stops": self._num_stops,
            "values": {name: self.curves.last(name) for name in ("critic/q", "reward/probability")},
            "state": dict(state),
        }

    def _changed(self) -> None:
        self._write()
        self._wake()

    def _write(self) -> None:
        self._inputs.write(self.seat.inputs(self._now()))

    def _wake(self) -> None:
        for listener in list(self._listeners.values()):
            listener.wake()
