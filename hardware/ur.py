"""UR arms over RTDE: a bounded Cartesian spring, as a wrench for the controller's force mode."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hardware.clock import WallClock
from hardware.gripper_robotiq import RobotiqGripper
from hardware.served import Served
from hardware.ur_link import UrLink, UrReading, UrSetUp
from robot_rl.envs.parts import check_parts
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose, quaternion_conjugate, quaternion_multiply, quaternion_to_rotvec
from robot_rl.protocols import Clock
from robot_rl.specs import ArmSpec, PartSpec, RobotSpec
from robot_rl.types import ArmState, ArmTarget, Command, RobotState

log = logging.getLogger(__name__)

STOP_WAIT_S = 0.2
"""s that `stop` waits for the controller to have been told."""
ARM = ArmSpec(
    num_joints=6,
    qpos_low=(-2 * math.pi,) * 6,
    qpos_high=(2 * math.pi,) * 6,
    workspace_low=(-0.85, -0.85, -0.3),
    workspace_high=(0.85, 0.85, 1.0),
    max_tcp_speed=0.25,
    max_tcp_angular_speed=1.0,
    stiffness=(1000.0, 40.0),
    max_spring=(0.02, 0.2),
)
"""20 N and 8 Nm at most. The workspace is as far as a UR5e reaches: let the station file narrow it."""


def spring(anchor: Pose, pose: Pose, twist: np.ndarray, spec: ArmSpec, damping: Sequence[float]) -> np.ndarray:
    """Return the wrench [6], N and Nm, base axes, that pulls the tool to its anchor.

    The error is clipped along each axis before it counts, so that no axis of a tool at rest is pulled by more than
    stiffness times `max_spring`, however far the anchor is; damping acts against motion and adds nothing at rest.

    Args:
        anchor: T_base_tcp wanted.
        pose: T_base_tcp measured.
        twist: [6], m/s and rad/s, base axes.
        spec: Stiffness and clip.
        damping: N s/m and Nm s/rad.
    """
    shift = anchor.position - pose.position
    turn = quaternion_to_rotvec(quaternion_multiply(anchor.quaternion, quaternion_conjugate(pose.quaternion)))
    force = spec.stiffness[0] * np.clip(shift, -spec.max_spring[0], spec.max_spring[0])
    torque = spec.stiffness[1] * np.clip(turn, -spec.max_spring[1], spec.max_spring[1])
    return np.concatenate([force - damping[0] * twist[:3], torque - damping[1] * twist[3:]])


class UrRobot(Served):
    """A UR arm, and a Robotiq gripper if its options are given.

    A thread pulls the tool to the anchor of the last command, `rate_hz` times a second. Until there is one, and after `stop`
    or any failure, the arm stands still; if this computer dies, the controller's watchdog ends the program, which
    stops the arm. After a `RobotFault` nothing moves until `recover` is called.
    """

    def __init__(
        self,
        host: str,
        *,
        tcp_m: Sequence[float] = (0.0, 0.0, 0.0),
        tcp_rotvec_rad: Sequence[float] = (0.0, 0.0, 0.0),
        payload_kg: float = 0.0,
        payload_center_m: Sequence[float] = (0.0, 0.0, 0.0),
        zero_sensor: bool = True,
        rate_hz: float = 125.0,
        watchdog_hz: float = 5.0,
        max_age_s: float = 0.1,
        damping: Sequence[float] = (20.0, 1.0),
        force_mode_damping: float = 0.1,
        gripper: Mapping[str, Any] | None = None,
        spec: ArmSpec = ARM,
        clock: Clock | None = None,
    ) -> None:
        """Touch nothing.

        Args:
            host: The controller's address.
            tcp_m: [3], m, tool centre point on the flange.
            tcp_rotvec_rad: [3], rad, its rotation vector.
            payload_kg: Mass of all that hangs on the flange; a wrong one makes the arm sink or rise.
            payload_center_m: [3], m, its centre, flange frame.
            zero_sensor: Whether to zero the force sensor at `connect`; nothing may touch the tool then.
            rate_hz: How often the wrench is renewed.
            watchdog_hz: The controller ends the program if inputs come more seldom than this.
            max_age_s: A state that is older is an error.
            damping: N s/m and Nm s/rad of the spring, on top of the controller's own.
            force_mode_damping: Of the controller, 0 to 1.
            gripper: Options of `RobotiqGripper`, whose part is called `gripper`.
            spec: Limits and stiffness.
            clock: Of the stamps.

        Raises:
            ConfigError: If a number is out of its range.
        """
        if not isinstance(host, str):
            raise ConfigError(f"ur: host {host!r} must be an address such as '192.168.1.10'")
        if not 0.0 < max_age_s <= 2.0:
            raise ConfigError(f"ur: max_age_s {max_age_s:g} is not in 0..2")
        if not math.isfinite(sum(damping)):
            raise ConfigError(f"ur: damping {list(damping)} is not finite")
        super().__init__(f"UR at {host}")
        self.clock: Clock = WallClock() if clock is None else clock
        self._gripper = None if gripper is None else RobotiqGripper(**gripper, clock=self.clock)
        parts: dict[str, PartSpec] = {"arm": spec}
        self.spec = RobotSpec("ur", parts if self._gripper is None else {**parts, **self._gripper.spec.parts})
        set_up = UrSetUp(
            rate_hz, watchdog_hz, payload_kg, payload_center_m, (*tcp_m, *tcp_rotvec_rad), force_mode_damping, zero_sensor
        )
        self._host, self._max_age, self._damping, self._period = host, max_age_s, damping, 1.0 / rate_hz
        self._link = UrLink(host, set_up)
        self._anchor: Pose | None = None
        self._newest = (-math.inf, 0.0)  # timestamp of the controller, and when it was first seen

    def connect(self) -> None:
        """Open arm and gripper; the arm stands still."""
        if self._thread is not None:
            return
        if self._gripper is not None:
            self._gripper.connect()
        self._link.connect()
        self._start()

    def read(self) -> RobotState:
        """Return the newest state.

        Raises:
            RobotFault: If the arm is stopped by its safety system.
            DeviceError: If it is not connected, or its state is older than `max_age_s`.
        """
        self._require_connection()
        self._raise_failure()
        reading, stamp = self._fresh()
        state: RobotState = {"arm": _state(reading, stamp)}
        return state if self._gripper is None else state | self._gripper.read()

    def command(self, command: Command) -> Command:
        """Anchor the spring, inside the workspace, and send the gripper where it shall go.

        Raises:
            ValueError: If a part is unknown, or a target is of the wrong kind or not finite.
            DeviceError: As `read`.
        """
        self._require_connection()
        check_parts(self.spec, command)
        self._raise_failure()
        self._fresh()
        sent: Command = {}
        if "arm" in command:
            sent["arm"] = self._anchored(command["arm"])
            self._anchor = sent["arm"].pose
        if self._gripper is not None and "gripper" in command:
            sent |= self._gripper.command({"gripper": command["gripper"]})
        return sent

    def stop(self) -> None:
        """Stand still. Callable from any thread, never raises."""
        self._told.clear()
        self._anchor = None
        self._wait_until_told(STOP_WAIT_S)
        if self._gripper is not None:
            self._gripper.stop()

    def recover(self) -> None:
        """Clear a fault of the arm, which stands still. Only a person asks for this, having looked at the arm.

        It works before `connect` too, which refuses an arm that is stopped; `connect` then goes on.

        Raises:
            RobotFault: If the controller does not allow it yet, or the arm must be released at the pendant.
            DeviceError: If nobody answers.
        """
        if self._thread is None:
            self._link.recover()
            self._link.close()
        else:
            super().recover()

    def close(self) -> None:
        """Stop and let go of arm and gripper."""
        self.stop()
        self._end_thread()
        self._link.close()
        if self._gripper is not None:
            self._gripper.close()

    def _start(self) -> None:
        self._anchor = None
        self._newest = (-math.inf, self.clock.now())
        self._start_thread(f"ur-{self._host}")

    def _clear_fault(self) -> None:
        """Unlock the arm. It stands still until the next command."""
        self._link.recover()

    def _talk(self) -> None:
        """Pull the tool to its anchor."""
        is_pulled = False
        while not self._is_over:
            self._wake.wait(self._period)
            self._wake.clear()
            reading, _ = self._fresh()
            anchor = self._anchor
            if anchor is not None:
                self._pull(anchor, reading)
            elif is_pulled:
                self._link.hold()
            else:
                self._link.kick()
            is_pulled = anchor is not None
            if not is_pulled:
                self._told.set()

    def _give_up(self) -> None:
        """Let the arm stand still: nobody holds it any more."""
        self._anchor = None
        if not self._link.end_program():
            log.error("UR at %s cannot be told to stand still; its watchdog ends the program", self._host)

    def _pull(self, anchor: Pose, reading: UrReading) -> None:
        spec = self._arm_spec
        pose = Pose.of(reading.tcp_pose[:3], reading.tcp_pose[3:])
        wrench = spring(anchor, pose, np.array(reading.tcp_speed), spec, self._damping)
        linear, angular = spec.max_tcp_speed / math.sqrt(3), spec.max_tcp_angular_speed / math.sqrt(3)
        self._link.press(wrench.tolist(), [linear] * 3 + [angular] * 3)

    def _fresh(self) -> tuple[UrReading, float]:
        """Return a reading that is new enough, and when it came."""
        reading, now = self._link.require_no_fault(), self.clock.now()
        if reading.timestamp != self._newest[0]:
            self._newest = (reading.timestamp, now)
        age = now - self._newest[1]
        if age > self._max_age:
            raise DeviceError(
                f"UR at {self._host}: newest state is {age:.2f} s old, limit {self._max_age:.2f} s; "
                "check the cable and the load of this computer"
            )
        return reading, self._newest[1]

    def _anchored(self, target: Any) -> ArmTarget:
        if not isinstance(target, ArmTarget):
            raise ValueError(f"part 'arm' is an arm and cannot follow a {type(target).__name__}")
        numbers = [*target.pose.position.tolist(), *target.pose.quaternion.tolist()]
        if not math.isfinite(sum(numbers)):
            raise ValueError(f"arm target is not finite: {numbers}")
        spec = self._arm_spec
        return ArmTarget(Pose(np.clip(target.pose.position, spec.workspace_low, spec.workspace_high), target.pose.quaternion))

    @property
    def _arm_spec(self) -> ArmSpec:
        """The limits as the station narrowed them."""
        spec = self.spec.parts["arm"]
        if not isinstance(spec, ArmSpec):
            raise TypeError(f"part 'arm' has a {type(spec).__name__}")
        return spec


def _state(reading: UrReading, stamp: float) -> ArmState:
    return ArmState(
        pose=Pose.of(reading.tcp_pose[:3], reading.tcp_pose[3:]),
        twist=np.array(reading.tcp_speed),
        wrench=np.array(reading.tcp_force),
        qpos=np.array(reading.q),
        qvel=np.array(reading.qd),
        stamp=stamp,
    )
