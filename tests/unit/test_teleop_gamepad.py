"""Sticks, triggers and buttons mean the same on every make, whatever codes its driver sends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy_input import DUALSENSE, PAD_KEYS, STICK, TRIGGER, XBOX_STICK

from hardware.input_event import EV_ABS, EV_KEY, AxisRange, DeviceInfo, InputEvent
from hardware.teleop_gamepad import (
    DEAD_BAND,
    MAP_BY_ID,
    PLAIN,
    PLAYSTATION,
    SWITCH,
    XBOX,
    XBOX_BLUETOOTH,
    PadDecoder,
    map_of,
)
from robot_rl.types import DeviceInput

HAT = DUALSENSE.axes[16]
XBOX_PAD = DeviceInfo(
    "/dev/input/event5",
    "Microsoft X-Box One pad",
    0x045E,
    0x02EA,
    PAD_KEYS,
    {
        0: XBOX_STICK,
        1: XBOX_STICK,
        2: AxisRange(0, 0, 1023),
        3: XBOX_STICK,
        4: XBOX_STICK,
        5: AxisRange(0, 0, 1023),
        16: HAT,
        17: HAT,
    },
)
XBOX_BT_PAD = replace(
    XBOX_PAD,
    product=0x0B13,
    axes={0: XBOX_STICK, 1: XBOX_STICK, 2: XBOX_STICK, 5: XBOX_STICK, 9: TRIGGER, 10: TRIGGER, 16: HAT, 17: HAT},
)
SWITCH_PAD = replace(
    DUALSENSE, vendor=0x057E, product=0x2009, axes={0: XBOX_STICK, 1: XBOX_STICK, 3: XBOX_STICK, 4: XBOX_STICK}
)
LOGITECH = DeviceInfo(
    "/dev/input/event6",
    "Logitech Dual Action",
    0x046D,
    0xC216,
    frozenset(range(0x120, 0x12C)),
    {0: STICK, 1: STICK, 2: STICK, 5: STICK, 16: HAT, 17: HAT},
)
PADS = {"ps": DUALSENSE, "xbox": XBOX_PAD, "xbox bt": XBOX_BT_PAD, "switch": SWITCH_PAD, "logitech": LOGITECH}


def after(info, *events):
    decoder = PadDecoder(info)
    for event in events:
        decoder.feed(InputEvent(*event), 0.0)
    return decoder.take(0.0)


def end(info, axis, share):
    """Return the event of an axis at a share of its range."""
    span = info.axes[axis]
    return (EV_ABS, axis, round(span.low + share * (span.high - span.low)))


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (DUALSENSE, PLAYSTATION),
        (XBOX_PAD, XBOX),
        (XBOX_BT_PAD, XBOX_BLUETOOTH),
        (SWITCH_PAD, SWITCH),
        (LOGITECH, PLAIN),
        (replace(XBOX_PAD, vendor=0x2DC8, product=0x3106), XBOX),
        (replace(LOGITECH, vendor=0x0079, product=0x0006), PLAIN),
    ],
)
def test_each_make_has_its_map_and_strangers_the_one_that_fits(info, expected):
    assert map_of(info) is expected


@pytest.mark.parametrize(
    ("pad", "right"), [("ps", (3, 4)), ("xbox", (3, 4)), ("xbox bt", (2, 5)), ("switch", (3, 4)), ("logitech", (2, 5))]
)
def test_sticks_push_away_left_up_and_turn_left(pad, right):
    info, (right_x, right_y) = PADS[pad], right
    for axis, share, motion in [
        (1, 0.0, {"x": 1}),
        (1, 1.0, {"x": -1}),
        (0, 0.0, {"y": 1}),
        (right_y, 0.0, {"z": 1}),
        (right_x, 0.0, {"yaw": 1}),
        (right_x, 1.0, {"yaw": -1}),
    ]:
        assert after(info, end(info, axis, share)).motion == pytest.approx(motion), (axis, share)


@pytest.mark.parametrize("pad", ["ps", "xbox"])
def test_the_cross_tilts(pad):
    info = PADS[pad]
    assert after(info, (EV_ABS, 17, -1)).motion == {"pitch": 1}  # up: tips the tool away
    assert after(info, (EV_ABS, 16, 1)).motion == {"roll": 1}  # right: tips it to the right
    assert after(info, (EV_ABS, 16, 1), (EV_ABS, 16, 0)) == DeviceInput()
    assert after(info, (EV_KEY, 0x221, 1)).motion == {"pitch": -1}


@pytest.mark.parametrize(
    ("pad", "upper", "left", "lower", "right"),
    [
        ("ps", 0x133, 0x134, 0x130, 0x131),
        ("xbox", 0x134, 0x133, 0x130, 0x131),
        ("xbox bt", 0x134, 0x133, 0x130, 0x131),
        ("switch", 0x133, 0x134, 0x130, 0x131),
        ("logitech", 0x123, 0x120, 0x121, 0x122),
    ],
)
def test_the_four_buttons_mean_what_their_places_say(pad, upper, left, lower, right):
    for code, event in [(upper, "success"), (left, "failure"), (right, "stop")]:
        told = after(PADS[pad], (EV_KEY, code, 1), (EV_KEY, code, 0))
        assert told == DeviceInput(**{event: True})
    assert after(PADS[pad], (EV_KEY, lower, 1)) == DeviceInput(is_touched=True, is_held=True, is_tapped=True)


@pytest.mark.parametrize(("pad", "select", "start"), [("ps", 0x13A, 0x13B), ("xbox", 0x13A, 0x13B), ("logitech", 0x128, 0x129)])
def test_the_small_buttons_discard_and_pause(pad, select, start):
    assert after(PADS[pad], (EV_KEY, select, 1)) == DeviceInput(discard=True)
    assert after(PADS[pad], (EV_KEY, start, 1)) == DeviceInput(pause=True)


def test_either_bumper_takes_over():
    for code in (0x136, 0x137):
        assert after(DUALSENSE, (EV_KEY, code, 1)).is_held
        assert not after(DUALSENSE, (EV_KEY, code, 1), (EV_KEY, code, 0)).is_held
    assert after(DUALSENSE, (EV_KEY, 0x136, 1), (EV_KEY, 0x137, 1), (EV_KEY, 0x136, 0)).is_held


@pytest.mark.parametrize(("pad", "opens", "closes"), [("ps", 2, 5), ("xbox", 2, 5), ("xbox bt", 10, 9)])
def test_triggers_work_the_gripper_once_a_pull(pad, opens, closes):
    info = PADS[pad]
    assert after(info, end(info, closes, 0.6)).gripper == -1
    assert after(info, end(info, opens, 0.6)).gripper == 1
    assert after(info, end(info, closes, 0.45)) == DeviceInput()
    decoder = PadDecoder(info)
    pulls = []
    for share in (0.6, 0.4, 0.6, 0.2, 0.6):  # a finger that trembles is no second pull
        decoder.feed(InputEvent(*end(info, closes, share)), 0.0)
        pulls.append(decoder.take(0.0).gripper)
    assert pulls == [-1, None, None, None, -1]


def test_a_trigger_that_is_told_as_button_too_counts_once():
    told = [after(DUALSENSE, (EV_KEY, 0x139, 1)), after(SWITCH_PAD, (EV_KEY, 0x139, 1))]
    assert [each.gripper for each in told] == [None, -1]


@pytest.mark.parametrize("pad", list(PADS))
def test_a_stick_within_its_dead_band_rests_and_beyond_it_begins_at_zero(pad):
    info = PADS[pad]
    assert after(info, end(info, 1, 0.5 - 0.49 * DEAD_BAND)) == DeviceInput()
    begun = after(info, end(info, 1, 0.5 - 0.5 * (DEAD_BAND + 0.05))).motion["x"]
    assert 0 < begun < 0.1


def test_products_are_told_by_vendor_and_product():
    assert all(vendor < 1 << 16 and product < 1 << 16 for vendor, product in MAP_BY_ID)
    assert after(DUALSENSE, (EV_ABS, 40, 255), (EV_KEY, 0x2C0, 1), (4, 4, 9)) == DeviceInput()
