"""What a user may ask of any environment, and what every environment's `info` holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np

from robot_rl.envs.exertion import Exertion
from robot_rl.errors import ConfigError

MAX_ACTION_REPEAT = 1000
"""longer than any episode is of use"""


class StepInfo(TypedDict):
    """Keys that are in `info` after every `step` of every environment of the house."""

    action: np.ndarray
    """[A] in [-1, 1]: what entered the action mapping (the human's if they intervened, the reflex's if it acted)."""
    policy_action: np.ndarray
    """[A]: what was given to `step`."""
    is_intervention: bool
    clamped: bool
    """Whether the safety limit changed the command."""
    success: bool
    """Whether the task is solved, as far as is known: what rewards are paid by."""
    true_success: bool
    """The same by the environment itself (the true state in simulation), whatever a learned reward or a person says."""
    stamp: float
    """s since the first observation of the episode, when the returned one was measured."""
    fault: str
    """What failed, or an empty string; a fault truncates the episode."""
    exertion: Exertion | None
    """How hard the arm touched and how roughly it moved during the step; None where nobody can tell."""


@dataclass(frozen=True, slots=True)
class EnvOptions:
    """Options of `make_env`."""

    cameras: tuple[str, ...] = ()
    """cameras to observe, for example front wrist"""
    object_state: bool = True
    """observe the objects' poses (true state in simulation)"""
    image_size: int = 128
    """observed images are square, in pixels"""
    reward: Literal["sparse", "dense"] = "sparse"
    """1 at success and 0 elsewhere, or the environment's own dense reward"""
    end_at_success: bool = True
    """end an episode at success; otherwise it goes on, and every step of success is rewarded. With their dense reward,
    environments that are not ours go on in any case"""
    max_steps: int | None = None
    """steps after which an episode is truncated; None: the environment's own"""
    action_repeat: int = 1
    """steps of an environment that is not ours for which an action lasts; dense rewards are added up"""
    from_hand: bool = False
    """Meta-World: objects and goal as seen from the hand, and the step before as a motion, instead of places in the room"""
    success_rule: str | None = None
    """how success is read in environments that are not ours: an info key, or `reward>=X` or `return>=X`"""
    regrasp: bool = False
    """let a gripper that has closed on nothing open and go up by itself (our simulated tasks that grasp, and stations that
    say `empty_opening`)"""
    randomize: bool = False
    """domain randomisation and device imperfections (our simulated tasks)"""
    viewer: bool = False
    """open MuJoCo's viewer (needs a display)"""

    @property
    def is_for_foreign(self) -> bool:
        """Whether something is asked for that only environments that are not ours can do."""
        return self.success_rule is not None or self.action_repeat != 1 or self.from_hand

    def __post_init__(self) -> None:
        if self.image_size < 8:
            raise ConfigError(f"image_size {self.image_size} is below 8 pixels")
        if self.max_steps is not None and self.max_steps < 1:
            raise ConfigError(f"max_steps {self.max_steps} is below 1")
        if not 1 <= self.action_repeat <= MAX_ACTION_REPEAT:
            raise ConfigError(f"action_repeat {self.action_repeat} is not in 1..{MAX_ACTION_REPEAT}")
