"""The endpoints of SERL's robot server for any robot of ours: what each takes, does and answers, without HTTP."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

import numpy as np

from hardware.serl_goal import GoalFollower
from hardware.serl_wire import arm_to, euler_of, pose_from
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose
from robot_rl.specs import ArmSpec, GripperSpec
from robot_rl.types import ArmState, ArmTarget, GripperState, GripperTarget

SINGLE = {
    "getpos": ("pose", "pose"),
    "getvel": ("vel", "vel"),
    "getforce": ("force", "force"),
    "gettorque": ("torque", "torque"),
    "getq": ("q", "q"),
    "getdq": ("dq", "dq"),
    "getjacobian": ("jacobian", "jacobian"),
    "get_gripper": ("gripper", "gripper_pos"),
}
"""Endpoint to the name of its one number or list, and where /getstate has it."""
HOME_TOLERANCE = (0.01, 0.05)
"""m and rad from home at which it counts as reached: what a compliant spring leaves over."""


class Refused(Exception):
    """A request that gets an answer other than 200."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What clients of a SERL server may do, and how they see the gripper."""

    arm: str = "arm"
    """part that is the arm"""
    gripper: str = "gripper"
    """part that is the gripper; the robot need not have one"""
    gripper_open_at: int = 0
    """number 0..255 of /move_gripper that opens fully: 0 as for a Robotiq, 204 as for SERL's Franka hand"""
    gripper_closed_at: int = 255
    """number that closes fully: 255 as for a Robotiq, 0 as for SERL's Franka hand"""
    allow_clearerr: bool = False
    """let clients clear faults; SERL's do so before every pose, so nobody would look at the arm first"""
    home: tuple[float, float, float] | None = None
    """x y z in m of the place, tool down, where /jointreset drives; None: it is refused"""
    home_timeout_s: float = 30.0
    """/jointreset gives up after so long"""

    def __post_init__(self) -> None:
        numbers = (self.gripper_open_at, self.gripper_closed_at)
        if numbers[0] == numbers[1] or not all(0 <= number <= 255 for number in numbers):
            raise ConfigError(f"gripper_open_at, gripper_closed_at {numbers} must be two different numbers of 0..255")


class SerlEndpoints:
    """What a SERL client may ask of a robot. Everything that moves it goes through a `GoalFollower`."""

    def __init__(self, follower: GoalFollower, config: EndpointConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        """Build the table of endpoints; `sleep` lets s pass while /jointreset waits and `follower` is ticked elsewhere."""
        parts = follower.robot.spec.parts
        if not isinstance(parts.get(config.arm), ArmSpec):
            raise ConfigError(f"robot {follower.robot.spec.name!r} has no arm {config.arm!r}; its parts: {', '.join(parts)}")
        self._follower, self._config, self._sleep = follower, config, sleep
        self._has_gripper = isinstance(parts.get(config.gripper), GripperSpec)
        self._is_started = True
        self._table: dict[str, Callable[[Any], object]] = {
            "getstate": lambda _: self._state(),
            "getpos_euler": lambda _: self._pose_as_euler(),
            "pose": self._go,
            "startimp": lambda _: self._start(),
            "stopimp": lambda _: self._stop(),
            "clearerr": lambda _: self._clear(),
            "jointreset": lambda _: self._go_home(),
            "update_param": self._update_param,
            "set_load": lambda _: _unsupported("the load is set in the robot's own settings"),
            "open_gripper": lambda _: self._grip(1.0),
            "close_gripper": lambda _: self._grip(0.0),
            "close_gripper_slow": lambda _: self._grip(0.0),
            "move_gripper": self._move_gripper,
            "activate_gripper": lambda _: "Activated",
            "reset_gripper": lambda _: "Reset",
        }
        for name, (key, source) in SINGLE.items():
            self._table[name] = lambda _, key=key, source=source: {key: self._state()[source]}

    def answer(self, name: str, body: bytes) -> tuple[HTTPStatus, str]:
        """Return status and text of the answer to a POST to `/name`; an object's text is JSON."""
        try:
            function = self._table.get(name)
            if function is None:
                raise Refused(HTTPStatus.NOT_FOUND, f"no endpoint /{name}; there are: {', '.join(sorted(self._table))}")
            value = function(_parsed(body))
        except Refused as refused:
            return refused.status, str(refused)
        except ValueError as error:
            return HTTPStatus.BAD_REQUEST, f"/{name}: {error}"
        except DeviceError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, f"/{name}: {error}"
        return HTTPStatus.OK, value if isinstance(value, str) else json.dumps(value, allow_nan=False)

    def _arm(self) -> tuple[ArmState, float]:
        state = self._follower.read()
        arm, gripper = state[self._config.arm], state.get(self._config.gripper)
        if not isinstance(arm, ArmState):
            raise DeviceError(f"part {self._config.arm!r} measured a {type(arm).__name__}; check the driver")
        return arm, gripper.opening if isinstance(gripper, GripperState) else 0.0

    def _state(self) -> dict[str, Any]:
        arm, opening = self._arm()
        state = arm_to(arm, opening)
        jacobian = getattr(self._follower.robot, "jacobian", None)
        return state if jacobian is None else {**state, "jacobian": np.asarray(jacobian()).tolist()}

    def _pose_as_euler(self) -> dict[str, list[float]]:
        pose = self._arm()[0].pose
        return {"pose": [*pose.position.tolist(), *euler_of(pose)]}

    def _go(self, body: Any) -> str:
        if not isinstance(body, dict) or "arr" not in body:
            raise ValueError('give {"arr": [x, y, z, qx, qy, qz, qw]} in m, base frame')
        self._require_started()
        self._follower.set_goal(self._config.arm, ArmTarget(pose_from(body["arr"])))
        return "Moved"

    def _start(self) -> str:
        self._is_started = True
        return "Started impedance"

    def _stop(self) -> str:
        self._is_started = False
        self._follower.hold()
        return "Stopped impedance"

    def _clear(self) -> str:
        if not self._follower.fault:
            return "Clear: there was no error"
        if not self._config.allow_clearerr:
            raise Refused(HTTPStatus.FORBIDDEN, f"clients may not clear faults here: {self._follower.fault}")
        self._follower.clear()
        return "Clear"

    def _go_home(self) -> str:
        if self._config.home is None:
            _unsupported("no home was given to this server; start it with one")
        goal = Pose.of(self._config.home, (math.pi, 0.0, 0.0))
        period = self._follower.config.period
        distance = math.inf
        for _ in range(math.ceil(self._config.home_timeout_s / period)):
            self._require_started()
            self._follower.set_goal(self._config.arm, ArmTarget(goal))
            distance, angle = self._arm()[0].pose.distance(goal)
            if distance < HOME_TOLERANCE[0] and angle < HOME_TOLERANCE[1]:
                return "Reset Joint"
            self._sleep(period)
        self._follower.hold()
        raise DeviceError(f"home was not reached within {self._config.home_timeout_s:g} s: {distance:.3f} m are left")

    def _require_started(self) -> None:
        if not self._is_started:
            raise Refused(HTTPStatus.CONFLICT, "the robot was stopped by /stopimp; /startimp lets it move again")

    def _update_param(self, body: Any) -> str:
        if not isinstance(body, dict) or not all(isinstance(value, (int, float)) for value in body.values()):
            raise ValueError('give {"parameter": number, ...}')
        return "Not applied: the spring of this arm is set by its station, not by clients"

    def _move_gripper(self, body: Any) -> str:
        number = body.get("gripper_pos") if isinstance(body, dict) else None
        if not isinstance(number, (int, float)) or not 0 <= number <= 255:
            raise ValueError('give {"gripper_pos": number of 0..255}')
        low, high = self._config.gripper_closed_at, self._config.gripper_open_at
        return self._grip(min(max((number - low) / (high - low), 0.0), 1.0))

    def _grip(self, opening: float) -> str:
        if not self._has_gripper:
            _unsupported("this robot has no gripper")
        self._require_started()
        self._follower.set_goal(self._config.gripper, GripperTarget(opening))
        return f"Gripper to {opening:.2f}"


def _parsed(body: bytes) -> Any:
    """Return the JSON in `body`, None if it is empty."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from error


def _unsupported(why: str) -> NoReturn:
    raise Refused(HTTPStatus.NOT_IMPLEMENTED, f"not supported: {why}")
