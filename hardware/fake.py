"""Fake hardware: a kinematic robot, a camera, a tracker and an input device that need nothing plugged in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from hardware.clock import ManualClock
from robot_rl.envs.parts import check_parts
from robot_rl.errors import DeviceError, StaleFrame
from robot_rl.geometry import (
    Pose,
    quaternion_conjugate,
    quaternion_multiply,
    quaternion_to_rotvec,
    rotvec_to_quaternion,
)
from robot_rl.protocols import Clock
from robot_rl.specs import ArmSpec, CameraSpec, GripperSpec, JointSpec, PartSpec, RobotSpec
from robot_rl.types import (
    ArmState,
    ArmTarget,
    Command,
    DriveState,
    DriveTarget,
    Frame,
    GripperState,
    GripperTarget,
    JointState,
    JointTarget,
    PartState,
    PartTarget,
    RobotState,
    TeleopInput,
)

FAKE_SPEC = RobotSpec(
    "fake",
    {
        "arm": ArmSpec(
            num_joints=7,
            qpos_low=(-math.pi,) * 7,
            qpos_high=(math.pi,) * 7,
            workspace_low=(0.2, -0.3, 0.02),
            workspace_high=(0.7, 0.3, 0.5),
        ),
        "gripper": GripperSpec(),
    },
)
HOME = Pose.of((0.45, 0.0, 0.3), (math.pi, 0.0, 0.0))
"""T_base_tcp of a fake arm at first: above the middle of its workspace, tool down."""


class FakeRobot:
    """Parts that go straight to their targets at the speed limits of their specs; joints of an arm stay at zero.

    Motion is worked out whenever somebody looks, from the time that has passed, so it runs on any clock.
    """

    def __init__(self, clock: Clock | None = None, spec: RobotSpec = FAKE_SPEC) -> None:
        self.spec = spec
        self.clock: Clock = ManualClock() if clock is None else clock
        self.sent: list[Command] = []
        """Every command, oldest first."""
        self.num_stops = 0
        self._is_connected = False
        self._failures: dict[str, deque[str]] = {"connect": deque(), "read": deque(), "command": deque()}
        self._state: RobotState = {name: _at_rest(part) for name, part in spec.parts.items()}
        self._targets: dict[str, PartTarget] = {}

    def fail_next(self, method: str, message: str = "the cable is out", times: int = 1) -> None:
        """Let the next `times` calls of `connect`, `read` or `command` raise a DeviceError."""
        self._failures[method].extend([message] * times)

    def place(self, states: Mapping[str, PartState]) -> None:
        """Put parts somewhere at once, as a push or a person would, and forget their targets."""
        self._advance()
        for name, state in states.items():
            self._state[name] = replace(state, stamp=self.clock.now())
            self._targets.pop(name, None)

    def connect(self) -> None:
        """Pretend to open the devices."""
        self._fail_if_told("connect")
        self._is_connected = True

    def read(self) -> RobotState:
        """Return the newest state of every part, as copies."""
        self._require_connection()
        self._fail_if_told("read")
        self._advance()
        return {name: _copied(state) for name, state in self._state.items()}

    def command(self, command: Command) -> Command:
        """Move towards the targets."""
        self._require_connection()
        self._fail_if_told("command")
        check_parts(self.spec, command)
        self._advance()
        self._targets |= command
        self.sent.append(dict(command))
        return dict(command)

    def stop(self) -> None:
        """Stay where it is."""
        self.num_stops += 1
        self._advance()
        self._targets.clear()

    def close(self) -> None:
        """Stop and pretend to release the devices."""
        if self._is_connected:
            self.stop()
        self._is_connected = False

    def _advance(self) -> None:
        """Move every part by what it does in the time since anybody looked."""
        now = self.clock.now()
        for name, state in self._state.items():
            if now > state.stamp:
                self._state[name] = _moved(state, self._targets.get(name), self.spec.parts[name], now)

    def _require_connection(self) -> None:
        if not self._is_connected:
            raise DeviceError(f"robot {self.spec.name!r} is not connected; call connect() first")

    def _fail_if_told(self, method: str) -> None:
        if self._failures[method]:
            raise DeviceError(f"{self.spec.name}: {self._failures[method].popleft()}")


def _at_rest(part: PartSpec) -> PartState:
    if isinstance(part, ArmSpec):
        joints = np.zeros(part.num_joints)
        return ArmState(HOME, np.zeros(6), np.zeros(6), joints, joints.copy(), 0.0)
    if isinstance(part, GripperSpec):
        return GripperState(1.0, 0.0)
    if isinstance(part, JointSpec):
        middle = (np.array(part.qpos_low) + np.array(part.qpos_high)) / 2
        return JointState(middle, np.zeros_like(middle), 0.0)
    return DriveState(0.0, 0.0, 0.0)


def _moved(state: PartState, target: PartTarget | None, part: PartSpec, now: float) -> PartState:
    """Return the state at `now` of a part that has been heading for `target` since the state's stamp."""
    dt = now - state.stamp
    if isinstance(state, ArmState) and isinstance(part, ArmSpec):
        return _moved_arm(state, target.pose if isinstance(target, ArmTarget) else state.pose, part, now)
    if isinstance(state, GripperState) and isinstance(target, GripperTarget) and isinstance(part, GripperSpec):
        reach = part.max_speed * dt
        return GripperState(state.opening + min(max(target.opening - state.opening, -reach), reach), now)
    if isinstance(state, JointState) and isinstance(part, JointSpec):
        reach = part.max_qvel * dt
        wanted = target.qpos if isinstance(target, JointTarget) else state.qpos
        step = np.clip(wanted - state.qpos, -reach, reach)
        return JointState(state.qpos + step, step / dt, now)
    if isinstance(state, DriveState):
        drive = target if isinstance(target, DriveTarget) else DriveTarget(0.0, 0.0)
        return DriveState(drive.speed, drive.steering, now)
    return replace(state, stamp=now)


def _moved_arm(state: ArmState, target: Pose, part: ArmSpec, now: float) -> ArmState:
    dt = now - state.stamp
    here = state.pose
    shift = target.position - here.position
    turn = quaternion_to_rotvec(quaternion_multiply(target.quaternion, quaternion_conjugate(here.quaternion)))
    far = max(
        math.hypot(*shift.tolist()) / (part.max_tcp_speed * dt),
        math.hypot(*turn.tolist()) / (part.max_tcp_angular_speed * dt),
    )
    pose = target
    if far > 1 + 1e-9:
        shift, turn = shift / far, turn / far
        pose = Pose(here.position + shift, quaternion_multiply(rotvec_to_quaternion(turn), here.quaternion))
    return replace(state, pose=pose, twist=np.concatenate([shift, turn]) / dt, stamp=now)


def _copied(state: PartState) -> PartState:
    if isinstance(state, ArmState):
        pose = Pose(state.pose.position.copy(), state.pose.quaternion.copy())
        arrays = {name: getattr(state, name).copy() for name in ("twist", "wrench", "qpos", "qvel")}
        return replace(state, pose=pose, **arrays)
    if isinstance(state, JointState):
        return replace(state, qpos=state.qpos.copy(), qvel=state.qvel.copy())
    return state


class FakeCamera:
    """A camera whose images tell which frame they are: the frame's number modulo 256 is in every pixel's red.

    A `still` one shows the same picture always, so that episodes can be compared.
    """

    def __init__(self, clock: Clock, name: str = "front", height: int = 48, width: int = 64, *, still: bool = False) -> None:
        self.spec = CameraSpec(name, height, width)
        self._clock = clock
        self._still = still
        self._is_connected = False
        self._frozen_at: float | None = None
        self._cause = ""
        rows, columns = np.mgrid[0:height, 0:width]
        self._picture = np.stack([rows * 0, rows % 256, columns % 256], axis=-1).astype(np.uint8)

    def freeze(self, cause: str = "USB device gone") -> None:
        """Deliver no more frames: the newest grows old."""
        self._frozen_at, self._cause = self._clock.now(), cause

    def unfreeze(self) -> None:
        """Deliver frames again."""
        self._frozen_at = None

    def connect(self) -> None:
        """Pretend to open the device."""
        self._is_connected = True

    def read(self, max_age: float) -> Frame:
        """Return the newest frame. Raises StaleFrame if it is older than `max_age` s."""
        if not self._is_connected:
            raise DeviceError(f"camera {self.spec.name!r} is not connected; call connect() first")
        now = self._clock.now()
        number = math.floor((now if self._frozen_at is None else self._frozen_at) * self.spec.rate_hz + 1e-6)
        stamp = number / self.spec.rate_hz
        if now - stamp > max_age:
            cause = f" (cause: {self._cause})" if self._frozen_at is not None else ""
            raise StaleFrame(
                f"camera {self.spec.name!r}: newest frame is {now - stamp:.2f} s old, limit {max_age:.2f} s{cause}"
            )
        image = self._picture.copy()
        image[..., 0] = 0 if self._still else number % 256
        return Frame(image, stamp)

    def close(self) -> None:
        """Pretend to release the device."""
        self._is_connected = False


class FakeTracker:
    """An object that is where it was put."""

    def __init__(self, pose: Pose) -> None:
        self.pose = pose
        """T_base_object."""

    def read(self) -> Pose:
        """Return a copy of `pose`."""
        return Pose(self.pose.position.copy(), self.pose.quaternion.copy())


class ScriptedTeleop:
    """A person who follows a script, one input a read, and then keeps the hands off."""

    def __init__(self, inputs: Iterable[TeleopInput | DeviceError] = ()) -> None:
        self._inputs = deque(inputs)

    def then(self, *inputs: TeleopInput | DeviceError) -> None:
        """Append to the script; an error is raised instead of read."""
        self._inputs.extend(inputs)

    def read(self) -> TeleopInput:
        """Return the next input of the script."""
        following = self._inputs.popleft() if self._inputs else TeleopInput()
        if isinstance(following, DeviceError):
            raise following
        return following
