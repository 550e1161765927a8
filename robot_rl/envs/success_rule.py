"""How success is read in environments that are not ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from robot_rl.errors import ConfigError

SUCCESS_KEYS = ("success", "is_success", "goal_achieved")
"""Info keys by which the field's environments report success, in order of preference."""

_THRESHOLD = re.compile(r"(reward|return)\s*>=\s*(\S+)")


@dataclass(frozen=True, slots=True)
class SuccessRule:
    """A predicate on one step: an info key is true, or the reward or the return so far reaches a threshold."""

    source: Literal["info", "reward", "return", "never"]
    key: str = ""
    """info key, for source `info`"""
    threshold: float = 0.0
    """least reward or return, for the sources of that name"""

    def __call__(self, info: Mapping[str, Any], reward: float, return_: float) -> bool:
        """Return whether the task is solved at this step.

        Args:
            info: What the environment's `step` said.
            reward: Of this step, as the environment gave it.
            return_: Undiscounted sum of the episode's rewards up to this step.
        """
        match self.source:
            case "info":
                return bool(info.get(self.key, False))
            case "reward":
                return reward >= self.threshold
            case "return":
                return return_ >= self.threshold
            case "never":
                return False

    def __str__(self) -> str:
        if self.source == "never":
            return "never"
        return self.key if self.source == "info" else f"{self.source}>={self.threshold:g}"


def parse_rule(text: str) -> SuccessRule:
    """Return the rule that `text` states: `reward>=X`, `return>=X`, or an info key.

    Raises:
        ConfigError: If X is not a number, or the text is neither of them.
    """
    if found := _THRESHOLD.fullmatch(text.strip()):
        source, number = found.groups()
        try:
            threshold = float(number)
        except ValueError as error:
            raise ConfigError(f"success_rule {text!r}: {number!r} is not a number") from error
        return SuccessRule("return" if source == "return" else "reward", threshold=threshold)
    if not text.strip() or any(symbol in text for symbol in "<>="):
        raise ConfigError(f"success_rule {text!r} is none of: an info key, 'reward>=X', 'return>=X'")
    return SuccessRule("info", key=text.strip())


def choose_rule(text: str | None, info: Mapping[str, Any], owner: str, *, is_required: bool) -> SuccessRule:
    """Return the rule that was asked for, or the one that an environment's `info` offers by itself.

    Args:
        text: The rule asked for, or None.
        info: What the environment's `step` said once; success keys are absent from many a reset.
        owner: Name of the environment, for messages.
        is_required: Whether the reward depends on the rule.

    Raises:
        ConfigError: If the key asked for does not exist, or a rule is required and there is none.
    """
    keys = ", ".join(sorted(map(str, info))) or "none"
    if text is not None:
        rule = parse_rule(text)
        if rule.source == "info" and rule.key not in info:
            raise ConfigError(f"{owner}: success_rule names info key {rule.key!r}, but a step's info holds: {keys}")
        return rule
    offered = [key for key in SUCCESS_KEYS if key in info]
    if offered:
        return SuccessRule("info", key=offered[0])
    if is_required:
        raise ConfigError(
            f"{owner} does not say when it is solved (info holds: {keys}), so it has no sparse reward; "
            "set option success_rule (an info key, 'reward>=X' or 'return>=X'), or option reward to 'dense'"
        )
    return SuccessRule("never")
