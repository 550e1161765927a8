"""An input device that plays a script: the hand of tests and demonstrations that need nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from robot_rl.errors import DeviceError
from robot_rl.types import DeviceInput


class ScriptedDevice:
    """Gives one input of its script a read, then those of a hand that lies still. After an error it is gone until `connect`."""

    def __init__(self, inputs: Iterable[DeviceInput | DeviceError] = (), name: str = "scripted") -> None:
        self.name = name
        self._inputs = deque(inputs)
        self._is_connected = False
        self._failure: DeviceError | None = None

    def then(self, *inputs: DeviceInput | DeviceError) -> None:
        """Append to the script; an error is raised instead of read, from then on."""
        self._inputs.extend(inputs)

    def connect(self) -> None:
        """Pretend to open the device."""
        self._is_connected, self._failure = True, None

    def read(self) -> DeviceInput:
        """Return the next input of the script."""
        if not self._is_connected:
            raise DeviceError(f"{self.name} is not connected; call connect() first")
        following = self._failure or (self._inputs.popleft() if self._inputs else DeviceInput())
        if isinstance(following, DeviceError):
            self._failure = following
            raise following
        return following

    def close(self) -> None:
        """Pretend to release the device."""
        self._is_connected = False
