"""The browser as an input device: nothing tapped is lost, and no hand outlives its page."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from robot_rl.cockpit.device import HEARTBEAT_TIMEOUT_S, MAX_SILENCE_S, BrowserDevice
from robot_rl.cockpit.inputs import COUNTER, EVENTS, PAGE_NBYTES, InputReader, Inputs, InputWriter
from robot_rl.cockpit.seat import Seat
from robot_rl.cockpit.shared import create_shared, map_shared
from robot_rl.errors import DeviceError
from robot_rl.protocols import InputDevice

ANNA = 1


class Bench:
    """A seat that writes into the memory that a device reads, on a clock that stands still."""

    def __init__(self):
        self.now, self.reason = 100.0, ""
        self.fd = create_shared("test-inputs", PAGE_NBYTES)
        self.writer, self.reader = InputWriter(self.fd), InputReader(self.fd)
        self.seat = Seat()
        self.seat.join(ANNA)
        self.write()
        self.device = BrowserDevice(self, lambda: self.now)

    def inputs(self):
        return self.reader.read()

    def trouble(self):
        return self.reason

    def write(self):
        self.writer.write(self.seat.inputs(self.now))

    def tap(self, *events):
        for event in events:
            self.seat.tap(ANNA, event)
        self.write()

    def drive(self, motion=(), gripper=None):
        self.seat.take(ANNA, self.now)
        self.seat.drive(ANNA, self.now, dict(motion), gripper)
        self.write()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.reader.close()
    os.close(bench.fd)


@pytest.fixture
def device(bench):
    bench.device.connect()
    return bench.device


def test_is_an_input_device(device):
    assert isinstance(device, InputDevice)
    assert device.name == "browser"


def test_hands_off(device):
    read = device.read()
    assert (read.is_held, read.is_touched, dict(read.motion), read.gripper) == (False, False, {}, None)


def test_hands_on(bench, device):
    bench.drive({"x": 0.5, "yaw": -1.0}, 1.0)
    read = device.read()
    assert (read.is_held, read.is_touched, read.is_tapped) == (True, True, True)
    assert (dict(read.motion), read.gripper) == ({"x": 0.5, "yaw": -1.0}, 1.0)
    assert device.read().is_tapped is False


@pytest.mark.parametrize("event", [event for event in EVENTS if event != "takeover"])
def test_a_tap_between_two_reads_is_read_once(bench, device, event):
    bench.tap(event)
    assert getattr(device.read(), event) is True
    assert getattr(device.read(), event) is False


def test_a_grip_that_was_asked_for_between_two_reads_is_not_lost(bench, device):
    bench.drive()
    device.read()
    bench.drive(gripper=-1.0)
    bench.drive(gripper=None)
    assert device.read().gripper == -1.0
    assert device.read().gripper is None


def test_two_taps_on_pause_are_none_and_three_are_one(bench, device):
    bench.tap("pause", "pause")
    assert device.read().pause is False
    bench.tap("pause", "pause", "pause")
    assert device.read().pause is True


def test_taking_over_and_letting_go_between_two_reads_leaves_a_toggle_as_it_was(bench, device):
    bench.drive()
    bench.seat.release(ANNA)
    bench.write()
    read = device.read()
    assert (read.is_tapped, read.is_held) == (False, False)


def test_a_page_that_is_not_heard_of_has_let_go_even_if_the_cockpit_hangs(bench, device):
    bench.drive({"x": 1.0}, -1.0)
    bench.now += HEARTBEAT_TIMEOUT_S - 0.01
    assert device.read().is_held is True
    bench.now += 0.02
    read = device.read()
    assert (read.is_held, dict(read.motion), read.gripper) == (False, {}, None)


def test_a_cockpit_that_is_dead_or_hangs_is_a_device_that_is_gone(bench, device):
    bench.now += MAX_SILENCE_S + 0.1
    with pytest.raises(DeviceError, match=r"not been heard of for 3\.1 s, limit 3 s"):
        device.read()
    bench.reason = "process 7 ended with status -9"
    with pytest.raises(DeviceError, match="process 7 ended with status -9"):
        device.read()


def test_what_was_tapped_before_somebody_listens_does_not_count_but_a_stop_does(bench):
    bench.tap("success", "stop")
    bench.device.connect()
    read = bench.device.read()
    assert (read.success, read.stop) == (False, True)


def test_reading_without_listening_names_the_remedy(bench):
    with pytest.raises(DeviceError, match=r"call connect\(\) first"):
        bench.device.read()
    bench.reason = "the cockpit is not running"
    with pytest.raises(DeviceError, match="not running"):
        bench.device.connect()


def test_a_stop_is_taken_once(bench):
    bench.tap("stop")
    assert bench.device.num_stops_read == 0
    assert bench.device.take_stop() is True
    assert bench.device.take_stop() is False
    assert bench.device.num_stops_read == 1


def test_inputs_that_are_half_written_are_not_read(bench):
    bench.drive({"x": 1.0})
    last = bench.inputs()
    memory = map_shared(bench.fd)
    (number,) = COUNTER.unpack_from(memory, 0)
    memory[COUNTER.size : PAGE_NBYTES] = b"\x7f" * (PAGE_NBYTES - COUNTER.size)
    assert bench.inputs() == last
    bench.tap("stop")
    assert COUNTER.unpack_from(memory, 0)[0] == number + 1
    assert bench.inputs().taps["stop"] == 1


def test_as_many_axes_as_a_page_may_send_fit(bench):
    motion = {f"{number:02d}" + "a" * 62: -0.123456789012345 for number in range(32)}
    bench.writer.write(replace(Inputs(), motion=motion))
    assert bench.inputs().motion == motion
