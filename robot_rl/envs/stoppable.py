"""A robot whose motions others can end: a stop from any thread, or a person's during a reset."""

from __future__ import annotations

from collections.abc import Callable

from robot_rl.errors import DeviceError
from robot_rl.protocols import Clock, Robot
from robot_rl.specs import RobotSpec
from robot_rl.types import Command, RobotState

STOPPED_ELSEWHERE = "stopped from another thread"


class StopCount:
    """Counts stops, so that whoever commands a robot sees that there was one since."""

    def __init__(self) -> None:
        self._count = 0

    def add(self) -> None:
        """Note a stop; from any thread."""
        self._count += 1

    def watch(self) -> Callable[[], None]:
        """Return what raises DeviceError once there has been a stop since now."""
        seen = self._count

        def check() -> None:
            if self._count != seen:
                raise DeviceError(STOPPED_ELSEWHERE)

        return check


class StoppableRobot:
    """A robot for one motion: `check` is called around every command, and what it raises holds the robot and is raised."""

    def __init__(self, robot: Robot, check: Callable[[], None]) -> None:
        self._robot, self._check = robot, check
        self.spec: RobotSpec = robot.spec
        self.clock: Clock = robot.clock

    def connect(self) -> None:
        """Open the devices."""
        self._robot.connect()

    def read(self) -> RobotState:
        """Return the robot's state."""
        return self._robot.read()

    def command(self, command: Command) -> Command:
        """Pass a command on, unless the motion is to end; a stop that races it is made good."""
        self._check()
        sent = self._robot.command(command)
        try:
            self._check()
        except BaseException:
            self._robot.stop()
            raise
        return sent

    def stop(self) -> None:
        """Hold position now."""
        self._robot.stop()

    def close(self) -> None:
        """Stop and release the devices."""
        self._robot.close()
