"""Any arm behind the HTTP robot server of SERL and HIL-SERL, as a robot of ours."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import Sequence
from typing import Any, Literal

from hardware.clock import WallClock
from hardware.http_json import HttpJson
from hardware.serl_wire import STAMP, arm_from, opening_from, pose_from, pose_to
from robot_rl.envs.parts import check_parts
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.protocols import Clock
from robot_rl.specs import ArmSpec, GripperSpec, PartSpec, RobotSpec
from robot_rl.types import ArmTarget, Command, GripperState, GripperTarget, RobotState

log = logging.getLogger(__name__)

FRANKA_LOW = (-2.74, -1.78, -2.9, -3.04, -2.8, 0.54, -3.01)
"""rad: an FR3's joints. They are for the record: the arm's own controller keeps them, not this driver."""
FRANKA_HIGH = (2.74, 1.78, 2.9, -0.15, 2.8, 4.51, 3.01)
"""rad."""
OPENING_STEP = 0.02
"""Openings nearer than this are the same to a gripper that only opens or closes."""


class SerlRobot:
    """Parts `arm` and, unless the station has none, `gripper` of a robot behind a SERL server.

    The server's impedance controller pulls the arm to the last pose it was told. `stop` tells it the pose where the arm
    is, over a connection of its own, and leaves the fingers as they are, since to loosen a grasp is no stop. Errors of
    the arm are cleared by `recover` alone, never by itself. The protocol does not tell of a reflex: where the server
    is not ours, an arm that stands still although commanded is all one sees of it.
    """

    tells_of_faults = False
    """Whether an arm that its own safety stopped is an error here."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:5000",
        *,
        clock: Clock | None = None,
        timeout_s: float = 0.25,
        max_frozen_s: float = 0.5,
        gripper: Literal["continuous", "binary", "none"] = "continuous",
        gripper_open_at: int = 0,
        gripper_closed_at: int = 255,
        qpos_low: Sequence[float] = FRANKA_LOW,
        qpos_high: Sequence[float] = FRANKA_HIGH,
        workspace_low_m: Sequence[float] = (0.25, -0.35, 0.01),
        workspace_high_m: Sequence[float] = (0.75, 0.35, 0.6),
        max_tcp_speed: float = 0.25,
        max_tcp_angular_speed: float = 1.0,
        max_tilt: float = 0.6,
        stiffness: Sequence[float] = (2000.0, 75.0),
        max_spring: Sequence[float] = (0.01, 0.1),
        set_compliance: bool = True,
    ) -> None:
        """Remember what the station says; nothing is opened.

        Args:
            url: Where the server listens.
            clock: Stamps states; a wall clock unless given.
            timeout_s: Most that any call may take, s.
            max_frozen_s: s for which every number may stay the same before the state counts as stale: a real arm's
                numbers tremble. `inf` for a server of a simulator that repeats itself exactly.
            gripper: `continuous` uses /move_gripper, `binary` only /open_gripper and /close_gripper.
            gripper_open_at: Number 0..255 that opens fully: 0 for a Robotiq, 204 (of 0.1 m) for a Franka hand.
            gripper_closed_at: Number that closes fully: 255 for a Robotiq, 0 for a Franka hand.
            qpos_low: [J], rad; its length says how many joints the arm has.
            qpos_high: [J], rad.
            workspace_low_m: [3], m, base frame.
            workspace_high_m: [3], m, base frame.
            max_tcp_speed: m/s.
            max_tcp_angular_speed: rad/s.
            max_tilt: rad from tool down.
            stiffness: N/m and Nm/rad.
            max_spring: m and rad at which the spring's force saturates.
            set_compliance: Whether `connect` sets `stiffness` and `max_spring` in the server; if not, they only record
                what somebody else has set.
        """
        if gripper not in ("continuous", "binary", "none"):
            raise ConfigError(f"serl_server: gripper {gripper!r} is unknown; known: continuous, binary, none")
        if gripper_open_at == gripper_closed_at or not {gripper_open_at, gripper_closed_at} <= set(range(256)):
            raise ConfigError(
                f"serl_server: gripper_open_at {gripper_open_at} and gripper_closed_at {gripper_closed_at} "
                "must be two numbers of 0..255"
            )
        arm = ArmSpec(
            num_joints=len(qpos_low),
            qpos_low=tuple(qpos_low),
            qpos_high=tuple(qpos_high),
            workspace_low=_three(workspace_low_m),
            workspace_high=_three(workspace_high_m),
            max_tcp_speed=max_tcp_speed,
            max_tcp_angular_speed=max_tcp_angular_speed,
            max_tilt=max_tilt,
            stiffness=(stiffness[0], stiffness[1]),
            max_spring=(max_spring[0], max_spring[1]),
        )
        parts: dict[str, PartSpec] = {"arm": arm} if gripper == "none" else {"arm": arm, "gripper": GripperSpec()}
        self.spec = RobotSpec("serl_server", parts)
        self.clock: Clock = WallClock() if clock is None else clock
        self._compliance = _compliance(arm) if set_compliance else None
        self._gripper = gripper
        self._open_at, self._closed_at = gripper_open_at, gripper_closed_at
        self._max_frozen = max_frozen_s
        self._http = HttpJson(url, timeout_s, "robot server")
        self._urgent = HttpJson(url, timeout_s, "robot server")
        self._lock = threading.Lock()
        self._is_connected = False
        self._num_stops = 0
        self._last_pose: list[float] | None = None
        self._forget()

    def connect(self) -> None:
        """Ask the server for the arm's state and set its spring; nothing moves."""
        if self._is_connected:
            return
        self._forget()
        self._state()
        if self._compliance is not None:
            self._http.post("update_param", self._compliance)
        self._is_connected = True

    def read(self) -> RobotState:
        """Return what the server says now, stamped with the time at which it was asked.

        Raises:
            DeviceError: If the server is gone, slow, or talks nonsense, or its arm's numbers have frozen.
        """
        self._require_connection()
        return self._state()

    def command(self, command: Command) -> Command:
        """Move the anchor of the arm's spring, and the fingers.

        Raises:
            DeviceError: If the server is gone or slow, or refuses.
        """
        self._require_connection()
        check_parts(self.spec, command)
        stops = self._num_stops
        for name, target in command.items():
            if name == "arm" and isinstance(target, ArmTarget):
                numbers = pose_to(target.pose)
                pose_from(numbers)  # a NaN is refused here, before it is sent
                self._http.post("pose", {"arr": numbers})
            elif name == "gripper" and isinstance(target, GripperTarget):
                self._move_fingers(target.opening)
            else:
                raise ValueError(f"part {name!r} of {self.spec.name} cannot follow a {type(target).__name__}")
        if self._num_stops != stops:  # what was under way may have overtaken the stop
            self._hold()
        return dict(command)

    def stop(self) -> None:
        """Tell the server the pose where the arm is."""
        self._num_stops += 1
        if self._is_connected:
            self._hold()

    def recover(self) -> None:
        """Clear the arm's errors. Only a person asks for this, having looked at the arm.

        Raises:
            DeviceError: If the server is gone, or refuses.
        """
        self._require_connection()
        self._hold()  # or it jumps to where it was told to go before
        self._http.post("clearerr")

    def close(self) -> None:
        """Stop and close the connections."""
        if self._is_connected:
            self.stop()
        self._is_connected = False
        self._http.close()
        self._urgent.close()

    def _state(self) -> RobotState:
        stamp = self.clock.now()
        reply = self._http.fetch("getstate")
        arm = arm_from(reply, len(self._joints), stamp)
        self._require_change(reply, stamp)
        self._last_pose = pose_to(arm.pose)
        if self._gripper == "none":
            return {"arm": arm}
        self._opening = opening_from(reply)
        return {"arm": arm, "gripper": GripperState(self._opening, stamp)}

    @property
    def _joints(self) -> tuple[float, ...]:
        arm = self.spec.parts["arm"]
        return arm.qpos_low if isinstance(arm, ArmSpec) else ()

    def _require_change(self, reply: dict[str, Any], now: float) -> None:
        """Raise if the state has been the very same for too long: the server has lost its arm and repeats itself."""
        numbers = (STAMP,) if STAMP in reply else ("pose", "vel", "force", "torque", "q", "dq")
        seen = [reply[key] for key in numbers]
        with self._lock:
            if seen != self._seen:
                self._seen, self._seen_at = seen, now
            frozen = now - self._seen_at
        if frozen > self._max_frozen:
            raise DeviceError(
                f"robot server: the arm's state has not changed at all for {frozen:.2f} s, limit {self._max_frozen:.2f} s; "
                "it has lost its arm: see whether the controller runs and the arm is unlocked"
            )

    def _move_fingers(self, opening: float) -> None:
        if not math.isfinite(opening):
            raise ValueError(f"gripper target is not finite: {opening}")
        if self._gripper == "binary":
            if abs(opening - self._opening) < OPENING_STEP:
                return
            self._tell_fingers("open_gripper" if opening > self._opening else "close_gripper", None)
            return
        fraction = min(max(opening, 0.0), 1.0)
        number = round(self._closed_at + fraction * (self._open_at - self._closed_at))
        self._tell_fingers("move_gripper", {"gripper_pos": number})

    def _tell_fingers(self, endpoint: str, body: dict[str, int] | None) -> None:
        """Post what is new: a gripper that is told the same thing again starts again."""
        if (endpoint, body) != self._told_fingers:
            self._told_fingers = None
            self._http.post(endpoint, body)
            self._told_fingers = (endpoint, body)

    def _hold(self) -> None:
        """Anchor the spring where the arm is, or was at the last reading if the server does not say; never raises."""
        with contextlib.suppress(DeviceError, KeyError, TypeError, ValueError):
            self._last_pose = pose_to(pose_from(self._urgent.fetch("getstate")["pose"]))
        if self._last_pose is not None:
            try:
                self._urgent.post("pose", {"arr": self._last_pose})
            except DeviceError as error:
                log.error("the arm could not be told to hold, use its emergency stop: %s", error)

    def _require_connection(self) -> None:
        if not self._is_connected:
            raise DeviceError(f"robot {self.spec.name!r} is not connected; call connect() first")

    def _forget(self) -> None:
        self._seen: Any = None
        self._seen_at = 0.0
        self._opening = 1.0
        self._told_fingers: tuple[str, dict[str, int] | None] | None = None


def _three(numbers: Sequence[float]) -> tuple[float, float, float]:
    if len(numbers) != 3:
        raise ConfigError(f"serl_server: {list(numbers)} should be x, y, z in m")
    return numbers[0], numbers[1], numbers[2]


def _compliance(arm: ArmSpec) -> dict[str, float]:
    """Return the parameters of SERL's impedance controller that make the spring of `arm`.

    It takes the vector part of the quaternion as the rotation error, about half the angle, so its stiffness is twice ours.
    """
    (linear, angular), (reach, turn) = arm.stiffness, arm.max_spring
    parameters = {
        "translational_stiffness": linear,
        "translational_damping": 2 * math.sqrt(linear),
        "rotational_stiffness": 2 * angular,
    }
    for axis in "xyz":
        for sign in ("", "neg_"):
            parameters[f"translational_clip_{sign}{axis}"] = reach
            parameters[f"rotational_clip_{sign}{axis}"] = math.sin(turn / 2)
    return parameters
