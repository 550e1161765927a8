"""The reports of each SpaceMouse mean what the hand did, and one that falls silent or is doubled says so."""

from __future__ import annotations

import sys
import types

import pytest
from toy_input import FakeHid, axes_report, buttons_report, hid_entry

from hardware import teleop_spacemouse
from hardware.teleop_spacemouse import (
    DEAD_BAND,
    MODEL_BY_ID,
    STALE_S,
    PuckDecoder,
    choose,
    import_hid,
    open_spacemouse,
)
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.types import DeviceInput

COMPACT, WIRELESS, PRO = MODEL_BY_ID[0x256F, 0xC635], MODEL_BY_ID[0x256F, 0xC62E], MODEL_BY_ID[0x046D, 0xC62B]
RECEIVER = MODEL_BY_ID[0x256F, 0xC652]
HANDS = [
    # right, towards the person, down, and turns about these, by the right hand
    ((0, -350, 0, 0, 0, 0), {"x": 1}),
    ((0, 350, 0, 0, 0, 0), {"x": -1}),
    ((-350, 0, 0, 0, 0, 0), {"y": 1}),
    ((0, 0, -350, 0, 0, 0), {"z": 1}),
    ((0, 0, 0, -350, 0, 0), {"pitch": 1}),
    ((0, 0, 0, 0, -350, 0), {"roll": 1}),
    ((0, 0, 0, 0, 0, -350), {"yaw": 1}),
    ((0, 0, 0, 0, 0, 350), {"yaw": -1}),
]


def after(model, *reports, at=0.0, decoder=None):
    decoder = decoder or PuckDecoder(model)
    for report in reports:
        decoder.feed(report, at)
    return decoder.take(at)


@pytest.mark.parametrize(("readings", "motion"), HANDS)
def test_six_axes_in_one_report_or_two_are_the_same(readings, motion):
    in_two = after(COMPACT, axes_report(1, *readings[:3]), axes_report(2, *readings[3:]))
    in_one = after(WIRELESS, axes_report(1, *readings))
    assert in_one == in_two
    assert in_one.motion == pytest.approx(motion)


def test_bytes_as_they_were_documented():
    """A SpaceNavigator pushed half-way to the left and turned fully clockwise, seen from above."""
    told = after(COMPACT, bytes.fromhex("01 51 ff 00 00 00 00"), bytes.fromhex("02 00 00 00 00 5e 01"))
    assert told.motion == pytest.approx({"y": (0.5 - DEAD_BAND) / (1 - DEAD_BAND), "yaw": -1})


def test_the_second_report_does_not_end_what_the_first_began():
    decoder = PuckDecoder(COMPACT)
    decoder.feed(axes_report(1, 0, -350, 0), 0.0)
    assert after(COMPACT, axes_report(2, 0, 0, 0), decoder=decoder).motion == {"x": 1}
    assert after(COMPACT, axes_report(1, 0, 0, 0), decoder=decoder) == DeviceInput()


def test_a_cap_that_was_let_go_rests_though_it_is_a_little_off():
    assert after(COMPACT, axes_report(1, 27, -27, 5), axes_report(2, -20, 27, 0)) == DeviceInput()
    begun = after(COMPACT, axes_report(1, 0, -31, 0)).motion["x"]
    assert 0 < begun < 0.02


def test_readings_beyond_full_deflection_are_full():
    assert after(COMPACT, axes_report(1, 0, -500, 32767)).motion == {"x": 1, "z": -1}


def test_a_link_that_is_lost_in_the_middle_of_a_push_ends_it():
    decoder = PuckDecoder(WIRELESS)
    decoder.feed(axes_report(1, 0, -350, 0, 0, 0, 0), 10.0)
    assert decoder.take(10.0 + STALE_S).motion == {"x": 1}
    assert decoder.take(10.01 + STALE_S) == DeviceInput()


@pytest.mark.parametrize("report", [b"", b"\x01", b"\x01\x05\x00", b"\x02\x01", b"\x17\x64\x00", b"\x03"])
def test_short_and_foreign_reports_do_nothing(report):
    assert after(PRO, report) == DeviceInput()


@pytest.mark.parametrize(
    ("bit", "told"),
    [
        (12, {"success": True}),
        (13, {"failure": True}),
        (14, {"discard": True}),
        (15, {"pause": True}),
        (22, {"stop": True}),
        (23, {"gripper": 1.0, "is_touched": True}),
        (24, {"gripper": -1.0, "is_touched": True}),
        (25, {"is_touched": True, "is_held": True, "is_tapped": True}),
    ],
)
@pytest.mark.parametrize("model", [PRO, RECEIVER])
def test_keys_of_the_big_models(model, bit, told):
    assert after(model, buttons_report(bit, size=4)) == DeviceInput(**told)


@pytest.mark.parametrize("model", [COMPACT, WIRELESS, RECEIVER])
def test_two_buttons_work_the_gripper_when_let_go_and_take_over_together(model):
    decoder = PuckDecoder(model)
    left, right, both, none = buttons_report(0), buttons_report(1), buttons_report(0, 1), buttons_report()
    assert after(model, left, decoder=decoder) == DeviceInput()
    assert after(model, none, decoder=decoder).gripper == -1
    assert after(model, right, none, decoder=decoder).gripper == 1
    held = [after(model, *reports, decoder=decoder) for reports in ([left], [both], [right], [none])]
    assert [each.is_held for each in held] == [False, True, True, False]
    assert [each.is_tapped for each in held] == [False, True, False, False]
    assert all(each.gripper is None for each in held)


def test_two_of_them_ask_for_a_choice_which_then_opens_that_one():
    entries = [hid_entry("/dev/hidraw4"), hid_entry("/dev/hidraw2", product=0xC631, name="SpaceMouse Pro Wireless")]
    with pytest.raises(DeviceError) as raised:
        choose(entries, None)
    message = str(raised.value)
    assert "/dev/hidraw2 (SpaceMouse Pro Wireless); /dev/hidraw4 (SpaceMouse Compact)" in message
    assert message.endswith("choose one as spacemouse:/dev/hidraw2")
    assert choose(entries, "/dev/hidraw4") is entries[0]
    with pytest.raises(DeviceError, match="no SpaceMouse at /dev/hidraw9"):
        choose(entries, "/dev/hidraw9")


def test_other_devices_and_other_parts_of_a_receiver_are_none():
    others = [
        hid_entry("/dev/hidraw0", vendor=0x046D, product=0xC52B),
        hid_entry("/dev/hidraw1", product=0xC652, usage=(1, 6)),
        hid_entry("/dev/hidraw2", product=0xC652, usage=(1, 2)),
    ]
    with pytest.raises(DeviceError, match=r"no SpaceMouse .*plug one in"):
        choose(others, None)
    puck = hid_entry("/dev/hidraw3", product=0xC652)
    assert choose([*others, puck, dict(puck)], None)["path"] == b"/dev/hidraw3"


def test_a_device_that_may_not_be_opened_names_the_udev_rule(monkeypatch):
    hid = FakeHid(hid_entry("/dev/hidraw3"))
    monkeypatch.setattr("toy_input.FakeHidDevice.open_path", lambda self, path: (_ for _ in ()).throw(OSError("open failed")))
    with pytest.raises(DeviceError, match=r"/dev/hidraw3 may not be opened; add the udev rule"):
        open_spacemouse(hid=hid).connect()


def test_a_missing_package_names_the_pip_line(monkeypatch):
    for name in ("hid", "hidraw"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"hidapi .*pip install -c constraints.txt -e '\.\[teleop\]'"):
        import_hid()


def test_a_package_of_the_same_name_is_told_from_the_right_one(monkeypatch):
    monkeypatch.setattr(teleop_spacemouse.importlib, "import_module", lambda name: types.ModuleType(name))
    with pytest.raises(ConfigError, match="not hidapi"):
        import_hid()


def test_the_installed_package_is_the_one_that_this_code_knows():
    device = import_hid().device()
    assert all(hasattr(device, name) for name in ("open_path", "set_nonblocking", "read", "close"))
