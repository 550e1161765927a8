"""What a page may send, checked at the border."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robot_rl.cockpit.inputs import EVENTS

KINDS = ("take", "release", "hand_over", "drive", "tap", "ack", "ping")
MAX_AXES = 32
MAX_NAME = 64
MAX_NBYTES = 8192


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a page."""

    kind: str
    motion: Mapping[str, float] = field(default_factory=dict)
    """axis to -1..1 (drive)"""
    gripper: float | None = None
    """-1..1 (drive)"""
    event: str = ""
    """of EVENTS but takeover (tap)"""
    camera: str = ""
    """whose picture has arrived (ack)"""
    sent: float = 0.0
    """when, on the page's clock, ms (ping)"""


def parse(text: str) -> Message:
    """Return a message.

    Raises:
        ValueError: If it is none; the message names what is wrong.
    """
    if len(text) > MAX_NBYTES:
        raise ValueError(f"a message of {len(text)} bytes is longer than {MAX_NBYTES}")
    try:
        raw = json.loads(text)
    except RecursionError as error:
        raise ValueError("a message is nested too deeply") from error
    if not isinstance(raw, dict) or raw.get("type") not in KINDS:
        raise ValueError(f"no such message; known: {', '.join(KINDS)}")
    kind = raw["type"]
    if kind == "drive":
        gripper = raw.get("gripper")
        return Message(kind, motion=_motion(raw.get("motion", {})), gripper=None if gripper is None else _number(gripper))
    if kind == "tap":
        if raw.get("event") not in EVENTS[1:]:
            raise ValueError(f"no event {raw.get('event')!r}; known: {', '.join(EVENTS[1:])}")
        return Message(kind, event=raw["event"])
    if kind == "ack":
        return Message(kind, camera=_name(raw.get("camera")))
    if kind == "ping":
        sent = raw.get("sent")
        return Message(kind, sent=float(sent) if isinstance(sent, int | float) and math.isfinite(sent) else 0.0)
    return Message(kind)


def _motion(raw: Any) -> dict[str, float]:
    if not isinstance(raw, dict) or len(raw) > MAX_AXES:
        raise ValueError(f"motion must map at most {MAX_AXES} axes to numbers")
    return {_name(axis): _number(value) for axis, value in raw.items()}


def _name(raw: Any) -> str:
    if not isinstance(raw, str) or not 0 < len(raw) <= MAX_NAME:
        raise ValueError(f"a name must be text of 1 to {MAX_NAME} letters")
    return raw


def _number(raw: Any) -> float:
    if not isinstance(raw, int | float) or not math.isfinite(raw):
        raise ValueError(f"{raw!r} is not a finite number")
    return min(1.0, max(-1.0, float(raw)))
