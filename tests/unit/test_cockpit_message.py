"""What a page sends is checked before anything moves."""

from __future__ import annotations

import json

import pytest

from robot_rl.cockpit.message import Message, parse


def sent(**message):
    return parse(json.dumps(message))


def test_motion_is_limited_to_what_an_action_may_be():
    message = sent(type="drive", motion={"x": 0.25, "yaw": -7, "z": 0}, gripper=3)
    assert message == Message("drive", motion={"x": 0.25, "yaw": -1.0, "z": 0.0}, gripper=1.0)


@pytest.mark.parametrize("kind", ["take", "release", "hand_over"])
def test_words_without_numbers(kind):
    assert sent(type=kind) == Message(kind)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "Expecting value"),
        ("[]", "no such message"),
        ('{"type": "reboot"}', "no such message"),
        ('{"type": "tap", "event": "takeover"}', "no event 'takeover'"),
        ('{"type": "tap", "event": ["stop"]}', "no event"),
        ('{"type": "drive", "motion": {"x": "fast"}}', "not a finite number"),
        ('{"type": "drive", "motion": {"x": NaN}}', "not a finite number"),
        ('{"type": "drive", "motion": {"x": 1e999}}', "not a finite number"),
        ('{"type": "drive", "motion": [1, 2]}', "motion must map"),
        ('{"type": "drive", "motion": {"": 1}}', "a name must be text"),
        ('{"type": "ack", "camera": 3}', "a name must be text"),
        (json.dumps({"type": "drive", "motion": {f"a{n}": 1 for n in range(33)}}), "at most 32 axes"),
        ('{"type": "take", "fill": "' + "x" * 9000 + '"}', "longer than"),
        ("[" * 8000, "nested too deeply"),
    ],
)
def test_what_is_no_message_is_named(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse(text)
