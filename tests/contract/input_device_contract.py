"""What every `InputDevice` keeps. Subclass it, call the class `Test...`, and say how one is made, moved and unplugged."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from robot_rl.errors import DeviceError
from robot_rl.protocols import InputDevice
from robot_rl.types import DeviceInput

EVENTS = ("success", "failure", "discard", "pause", "stop")


class InputDeviceContract:
    """Tests that need `make`, `move`, `rest`, `unplug` and, for devices that have such buttons, `tap`."""

    events: tuple[str, ...] = EVENTS
    """What the device has buttons for."""
    take_over = "take over"
    """What `tap` calls the button that takes over; empty: there is none."""
    axis = "x"
    """What `move` moves."""

    def make(self) -> InputDevice:
        """Return a device that has not been connected."""
        raise NotImplementedError

    def move(self) -> None:
        """Let a hand push the device of the last `make` all the way along `axis`."""
        raise NotImplementedError

    def rest(self) -> None:
        """Let the hand go."""
        raise NotImplementedError

    def tap(self, control: str) -> None:
        """Let the hand press and release a button."""
        raise NotImplementedError

    def unplug(self) -> None:
        """Pull the device's plug."""
        raise NotImplementedError

    @contextmanager
    def connected(self) -> Iterator[InputDevice]:
        device = self.make()
        device.connect()
        device.read()
        try:
            yield device
        finally:
            device.close()

    def test_is_an_input_device_with_a_name(self):
        device = self.make()
        assert isinstance(device, InputDevice)
        assert device.name

    def test_read_before_connect_names_device_and_remedy(self):
        device = self.make()
        with pytest.raises(DeviceError, match=r"connect\(\)") as raised:
            device.read()
        assert first_word(device) in str(raised.value)

    def test_read_after_close_names_the_remedy(self):
        with self.connected() as device:
            pass
        with pytest.raises(DeviceError, match=r"connect\(\)"):
            device.read()

    def test_a_hand_that_lies_still_does_nothing(self):
        with self.connected() as device:
            assert device.read() == device.read() == DeviceInput()

    def test_a_full_push_is_a_full_motion_until_it_ends(self):
        with self.connected() as device:
            self.move()
            pushed = device.read()
            assert set(pushed.motion) == {self.axis}
            assert pushed.motion[self.axis] == pytest.approx(1.0, abs=0.02)
            assert pushed.is_touched
            self.rest()
            device.read()
            assert device.read() == DeviceInput()

    def test_a_tap_between_two_reads_is_told_once(self):
        with self.connected() as device:
            for event in self.events:
                self.tap(event)
                told = [device.read() for _ in range(3)]
                assert [getattr(each, event) for each in told] == [True, False, False], event
                assert not any(getattr(told[0], other) for other in EVENTS if other != event), event

    def test_taps_of_different_buttons_are_all_told(self):
        with self.connected() as device:
            for event in self.events:
                self.tap(event)
            told = device.read()
            assert all(getattr(told, event) for event in self.events)

    def test_a_tap_on_the_take_over_button_is_told_once(self):
        if not self.take_over:
            return
        with self.connected() as device:
            self.tap(self.take_over)
            assert [device.read().is_tapped for _ in range(3)] == [True, False, False]

    def test_read_never_waits(self):
        with self.connected() as device:
            begin = time.perf_counter()
            for _ in range(20):
                device.read()
            assert time.perf_counter() - begin < 0.5

    def test_a_device_that_is_gone_says_so_at_every_read_and_can_be_closed(self):
        with self.connected() as device:
            self.move()
            self.unplug()
            for _ in range(3):
                with pytest.raises(DeviceError, match=first_word(device)):
                    device.read()
            device.close()

    def test_connects_and_closes_twice(self):
        with self.connected() as device:
            device.connect()
            self.move()
            assert device.read().motion
            device.close()
            device.close()

    def test_closes_unconnected(self):
        self.make().close()


def first_word(device: InputDevice) -> str:
    """Return the first word of a device's name: what is combined fails under the name of the one that is gone."""
    return re.split(r"[+ ]", device.name)[0]
