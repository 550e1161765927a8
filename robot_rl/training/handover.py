"""Who is handed out while learning: the clone, until the learner has shown in its own episodes to be as good."""

from __future__ import annotations

from collections import deque
from typing import Any


class Handover:
    """Compares the learner's last episodes with the clone's, as agency handover does (MoDem-V2, arXiv 2309.14236).

    A learner that starts from a clone gets worse before it gets better. Whoever evaluates or deploys in between should
    not be handed the worse of the two. The judgement rests on training episodes only: it costs no extra robot time.
    """

    def __init__(self, window: int = 15) -> None:
        """Start with the clone in charge.

        Args:
            window: Episodes of the learner that are compared.
        """
        self.window = window
        self.is_done = False
        """Whether the learner has taken over; it keeps the lead from then on."""
        self._clone = (0, 0)
        self._learner = deque[bool](maxlen=window)

    @property
    def clone_rate(self) -> float:
        """Success rate of the clone, as if one more episode had succeeded: few episodes must not be read as a bad clone."""
        successes, episodes = self._clone
        return (successes + 1) / (episodes + 1)

    def add(self, success: bool, *, by_clone: bool) -> None:
        """Count an episode."""
        if by_clone:
            self._clone = (self._clone[0] + success, self._clone[1] + 1)
            return
        self._learner.append(success)
        if len(self._learner) == self.window and sum(self._learner) / self.window >= self.clone_rate:
            self.is_done = True

    def state_dict(self) -> dict[str, Any]:
        """Return everything."""
        return {"is_done": self.is_done, "clone": list(self._clone), "learner": list(self._learner)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.is_done = state["is_done"]
        self._clone = (state["clone"][0], state["clone"][1])
        self._learner = deque(state["learner"], maxlen=self.window)
