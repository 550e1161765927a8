"""Following the goals that a client sets now and then, at a steady rate and through the safety limit."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from robot_rl.envs.safety import limit
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.protocols import Robot
from robot_rl.types import ArmState, ArmTarget, Command, PartTarget, RobotState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GoalConfig:
    """How goals are followed."""

    rate_hz: float = 20.0
    """how often the robot is commanded"""
    goal_timeout_s: float = 2.0
    """an arm whose goal nobody has set again for so long stays where it is then"""
    max_state_age_s: float = 0.2
    """a state that is older than this is a fault"""

    def __post_init__(self) -> None:
        for name in ("rate_hz", "goal_timeout_s", "max_state_age_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} {getattr(self, name):g} is not positive")

    @property
    def period(self) -> float:
        """S between two commands."""
        return 1.0 / self.rate_hz


class GoalFollower:
    """A robot that is led to its goals by `tick`, never faster or further than its spec allows.

    After a fault the robot is held and goals are refused until `clear`. One lock keeps the driver's calls apart; `hold`
    does not take it, so that a driver which hangs cannot keep anybody from stopping the robot.
    """

    def __init__(self, robot: Robot, config: GoalConfig) -> None:
        self.robot = robot
        self.config = config
        self.fault = ""
        """Why the robot is held until `clear`; empty: nothing is wrong."""
        self.clamped: set[str] = set()
        """Every `<part>/<limit>` that had to change what clients asked for."""
        self._lock = threading.RLock()
        self._goal: Command = {}
        self._set_at: dict[str, float] = {}
        self._num_holds = 0

    def read(self) -> RobotState:
        """Return the robot's state. Raises DeviceError if it is too old; an old or failed reading is a fault."""
        with self._lock:
            try:
                state = self.robot.read()
                now = self.robot.clock.now()
                for name, part in state.items():
                    if now - part.stamp > self.config.max_state_age_s:
                        raise DeviceError(
                            f"state of {name!r} is {now - part.stamp:.2f} s old, limit {self.config.max_state_age_s:.2f} s"
                        )
            except DeviceError as error:
                self._fail(error)
                raise
            return state

    def set_goal(self, part: str, target: PartTarget) -> None:
        """Head for `target` from now on, and take the first step at once.

        Raises:
            ValueError: If the target is no such thing or not finite; the robot keeps its old goal.
            DeviceError: If there is a fault.
        """
        with self._lock:
            self._require_no_fault()
            limit({part: target}, self.read(), self.robot.spec, self.config.period)
            self._goal[part] = target
            if isinstance(target, ArmTarget):
                self._set_at[part] = self.robot.clock.now()
            self.tick()
            self._require_no_fault()

    def tick(self) -> None:
        """Lead the robot one period closer to its goals; called once a period. Device errors become the fault."""
        with self._lock:
            if self.fault or not self._goal:
                return
            holds = self._num_holds
            try:
                state = self.read()
                self._give_up_old(state)
                limited = limit(self._goal, state, self.robot.spec, self.config.period)
                self.robot.command(limited.command)
                self.clamped.update(limited.clamped)
            except DeviceError as error:
                self._fail(error)
            except BaseException:
                self.hold()
                raise
            if self._num_holds != holds:  # somebody said hold while the command was under way
                self.robot.stop()

    def hold(self) -> None:
        """Forget the goals and stop the robot; from any thread, never raises."""
        self._num_holds += 1
        self._goal, self._set_at = {}, {}
        self.robot.stop()

    def clear(self) -> None:
        """Forget the fault. The robot's driver recovers first, if it has a `recover`.

        Raises:
            DeviceError: If the driver cannot recover; the fault stays.
        """
        with self._lock:
            self.hold()
            recover = getattr(self.robot, "recover", None)
            if recover is not None:
                recover()
            self.fault = ""

    def _give_up_old(self, state: RobotState) -> None:
        """Let arms whose client has fallen silent stay where they are; fingers go on, they may hold something."""
        now = self.robot.clock.now()
        for part, since in list(self._set_at.items()):
            arm = state[part]
            if now - since > self.config.goal_timeout_s and isinstance(arm, ArmState):
                self._goal[part] = ArmTarget(arm.pose)
                del self._set_at[part]

    def _fail(self, error: DeviceError) -> None:
        if not self.fault:
            log.error("held: %s", error)
        self.fault = str(error)
        self.hold()

    def _require_no_fault(self) -> None:
        if self.fault:
            raise DeviceError(f"held because of a fault: {self.fault}; look at the robot, then /clearerr")
