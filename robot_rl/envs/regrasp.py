"""The reflex of a hand that has closed on nothing: it opens and goes up, and whoever acts may try again."""

from __future__ import annotations

from robot_rl.types import GripperState

STEPS = 6
"""Control steps for which the hand goes up."""
RAISE_M = 0.01
"""How far up in each of them, along the z axis of the robot's base."""
CLOSED = 0.25
"""A wished opening up to this much means to close."""


class Regrasp:
    """Notices a grasp that missed by the gripper's own measurement. Grippers with object detection do the same in firmware.

    A policy that has never seen an empty closed hand stands still with it, or carries it off as if it held something.
    """

    def __init__(self, empty_opening: float) -> None:
        """Take what the gripper measures with something in it at least; a gripper that was told to close and measures less
        holds nothing. 0..1; 0: the reflex is off."""
        self._empty_opening = empty_opening
        self._left = 0

    def begin_episode(self) -> None:
        """Forget what was going on."""
        self._left = 0

    def acts(self, wished_opening: float | None, gripper: GripperState) -> bool:
        """Return whether the reflex acts in this control step, instead of whoever asked for `wished_opening`, 0..1."""
        closes = wished_opening is not None and wished_opening <= CLOSED
        if self._left == 0 and closes and gripper.opening < self._empty_opening:
            self._left = STEPS
        acts = self._left > 0
        self._left = max(self._left - 1, 0)
        return acts
