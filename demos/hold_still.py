"""The policy of a robot that only a person moves."""

from __future__ import annotations

import numpy as np

from robot_rl.envs.actions import AXES
from robot_rl.specs import ActionSpec
from robot_rl.types import Observation, Transition


class HoldStill:
    """Moves nothing and leaves grippers as they were told last; at first as they are."""

    version = 0

    def __init__(self, spec: ActionSpec) -> None:
        self._spec = spec
        self._grippers = [
            index for index, (name, axis) in enumerate(zip(spec.names, spec.axes, strict=True))
            if "gripper" in name and axis not in AXES and index not in spec.discrete
        ]  # fmt: skip
        self._openings: dict[int, float] = {}

    def begin_episode(self) -> None:
        """Forget what grippers were told."""
        self._openings.clear()

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return the action [A] of a robot that stands."""
        action = np.zeros(self._spec.dim, np.float32)
        for index in self._grippers:
            if index not in self._openings:
                opening = obs.get(f"state/{self._spec.names[index]}/opening", np.ones(1))
                self._openings[index] = 2 * float(np.clip(opening.flat[-1], 0, 1)) - 1
            action[index] = self._openings[index]
        return action

    def executed(self, transition: Transition) -> None:
        """Be told what was executed, whoever wanted it."""
        for index in self._grippers:
            self._openings[index] = float(transition.action[index])
