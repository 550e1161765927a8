"""The watchdog: holds a robot whose commands have stopped coming."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from robot_rl.errors import ConfigError
from robot_rl.protocols import Clock, Robot
from robot_rl.specs import RobotSpec
from robot_rl.types import Command, RobotState

log = logging.getLogger(__name__)


class Watchdog:
    """A robot that is stopped when no command came for `timeout_s` since the last one.

    It is active from a command until the next `stop`; a command after a trip moves the robot again. On a clock with
    `on_advance` it looks whenever time advances, otherwise from a thread, four times in `timeout_s`. No lock is held
    while the driver works, so a command that races a trip may be held for one period; the next one moves on.
    """

    def __init__(self, robot: Robot, timeout_s: float) -> None:
        if not timeout_s > 0:
            raise ConfigError(f"watchdog timeout_s {timeout_s:g} must be positive; give several control periods")
        self._robot = robot
        self._timeout = timeout_s
        self._last_command: float | None = None
        self._unwatch: Callable[[], None] | None = None
        self.trips = 0
        """How often it had to stop the robot."""
        self.spec: RobotSpec = robot.spec
        self.clock: Clock = robot.clock

    def connect(self) -> None:
        """Connect the robot and start watching."""
        self._robot.connect()
        if self._unwatch is None:
            on_advance = getattr(self.clock, "on_advance", None)
            self._unwatch = self._start_thread() if on_advance is None else on_advance(self.check)

    def read(self) -> RobotState:
        """Return the robot's state."""
        return self._robot.read()

    def command(self, command: Command) -> Command:
        """Pass the command on and start counting anew."""
        self._last_command = self.clock.now()  # now too: a driver that hangs is watched
        sent = self._robot.command(command)
        self._last_command = self.clock.now()
        return sent

    def stop(self) -> None:
        """Stop the robot, which also ends the watch until the next command."""
        self._last_command = None
        self._robot.stop()

    def close(self) -> None:
        """Stop watching and close the robot."""
        unwatch, self._unwatch = self._unwatch, None
        if unwatch is not None:
            unwatch()
        self._last_command = None
        self._robot.close()

    def check(self) -> bool:
        """Stop the robot if its last command is older than the timeout; return whether that was so."""
        last = self._last_command
        if last is None or self.clock.now() - last <= self._timeout:
            return False
        self._last_command = None
        self._robot.stop()
        self.trips += 1
        log.warning("watchdog: %s had no command for more than %g s and was stopped", self.spec.name, self._timeout)
        return True

    def _start_thread(self) -> Callable[[], None]:
        """Watch from a thread; return what ends it."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(self._timeout / 4):
                self.check()

        thread = threading.Thread(target=watch, name=f"watchdog-{self.spec.name}", daemon=True)
        thread.start()

        def end() -> None:
            ended.set()
            if thread is not threading.current_thread():
                thread.join()

        return end
