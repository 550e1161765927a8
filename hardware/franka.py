"""Franka FR3 and Panda arms, with the Franka hand, through franky-control's Cartesian impedance tracking."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from hardware.clock import WallClock
from hardware.franka_hand import FrankaHand
from robot_rl.envs.parts import check_parts
from robot_rl.errors import ConfigError, DeviceError, pip_line
from robot_rl.geometry import Pose, quaternion_normalize, quaternion_to_matrix
from robot_rl.protocols import Clock
from robot_rl.specs import ArmSpec, GripperSpec, PartSpec, RobotSpec
from robot_rl.types import ArmState, ArmTarget, Command, GripperTarget, RobotState

log = logging.getLogger(__name__)

QPOS_LOW = (-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159)
"""rad, FR3's published limits; the arm itself keeps them."""
QPOS_HIGH = (2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159)
"""rad."""
HAND_WIDTH = 0.08
"""m between the Franka hand's fingers when open."""
JOIN_TIMEOUT_S = 2.0
"""The arm comes to rest within this when it is let go of."""


class FrankaRobot:
    """Parts `arm` and, unless the station has none, `gripper` of one Franka arm.

    The 1 kHz loop is franky's, in C++ in this process: it follows the last target with a spring whose error is clipped,
    so the force stays under stiffness times `max_spring` whatever is commanded, and goes on holding if Python hangs. If
    the process dies, the arm's own controller brakes. After a reflex nothing moves until `recover` is called.
    """

    def __init__(
        self,
        host: str,
        *,
        clock: Clock | None = None,
        hand: bool = True,
        hand_speed: float = 0.1,
        hand_force_n: float = 40.0,
        hand_in_background: bool = True,
        realtime: Literal["enforce", "ignore"] = "enforce",
        max_contact_force_n: float = 40.0,
        max_contact_torque_nm: float = 30.0,
        max_frozen_s: float = 0.2,
        workspace_low_m: Sequence[float] = (0.25, -0.35, 0.01),
        workspace_high_m: Sequence[float] = (0.75, 0.35, 0.6),
        max_tcp_speed: float = 0.25,
        max_tcp_angular_speed: float = 1.0,
        max_tilt: float = 0.6,
        stiffness: Sequence[float] = (1000.0, 50.0),
        max_spring: Sequence[float] = (0.02, 0.3),
    ) -> None:
        """Remember what the station says; nothing is opened.

        Args:
            host: Address of the arm's control box.
            clock: Stamps states; a wall clock unless given.
            hand: Whether a Franka hand is mounted.
            hand_speed: m/s.
            hand_force_n: N with which a grasp presses.
            hand_in_background: Whether a thread reads the hand, which answers slowly.
            realtime: `ignore` lets a kernel without PREEMPT_RT try.
            max_contact_force_n: Estimated external force at which the arm stops by reflex, N.
            max_contact_torque_nm: The same of each joint's torque, Nm.
            max_frozen_s: s after which a state whose time stands still is stale.
            workspace_low_m: [3], m, base frame.
            workspace_high_m: [3], m, base frame.
            max_tcp_speed: m/s.
            max_tcp_angular_speed: rad/s.
            max_tilt: rad from tool down.
            stiffness: N/m and Nm/rad.
            max_spring: m and rad at which the spring's force saturates.
        """
        if realtime not in ("enforce", "ignore"):
            raise ConfigError(f"franka: realtime {realtime!r} is unknown; known: enforce, ignore")
        if stiffness[0] * max_spring[0] >= max_contact_force_n:
            raise ConfigError(
                f"franka: the spring pushes with up to {stiffness[0] * max_spring[0]:g} N, which is not below "
                f"max_contact_force_n {max_contact_force_n:g}: every contact would end in a reflex"
            )
        arm = ArmSpec(
            num_joints=7,
            qpos_low=QPOS_LOW,
            qpos_high=QPOS_HIGH,
            workspace_low=_three(workspace_low_m),
            workspace_high=_three(workspace_high_m),
            max_tcp_speed=max_tcp_speed,
            max_tcp_angular_speed=max_tcp_angular_speed,
            max_tilt=max_tilt,
            stiffness=(stiffness[0], stiffness[1]),
            max_spring=(max_spring[0], max_spring[1]),
        )
        # The hand takes one target at a time, so the safety limit must not cut a closing into many.
        gripper = GripperSpec(max_width=HAND_WIDTH, max_speed=100.0)
        parts: dict[str, PartSpec] = {"arm": arm, "gripper": gripper} if hand else {"arm": arm}
        self.spec = RobotSpec("franka", parts)
        self.clock: Clock = WallClock() if clock is None else clock
        self._arm_spec = arm
        self._host, self._realtime = host, realtime
        self._thresholds = (max_contact_torque_nm, max_contact_force_n)
        self._max_frozen = max_frozen_s
        self._hand_options = (HAND_WIDTH, hand_speed, hand_force_n) if hand else None
        self._hand_in_background = hand_in_background
        self._lock = threading.RLock()
        self._franky: Any = None
        self._robot: Any = None
        self._tracker: Any = None
        self._hand: FrankaHand | None = None
        self._num_stops = 0
        self._seen_time, self._seen_at = -1.0, 0.0

    def connect(self) -> None:
        """Open arm and hand and hold the arm where it is.

        Raises:
            DeviceError: If either cannot be reached, or the arm has errors, which only `recover` clears.
        """
        with self._lock:
            if self._tracker is not None:
                return
            self._open()
            self._require_no_error(self._state(), needs_control=False)
            if self._hand_options is not None and self._hand is None:
                with self._asking("open the hand; is it enabled in Desk, and homed?"):
                    gripper = self._franky.Gripper(self._host)
                self._hand = FrankaHand(gripper, self.clock, *self._hand_options, in_background=self._hand_in_background)
            self._track()

    def read(self) -> RobotState:
        """Return the state of arm and hand.

        Raises:
            DeviceError: If the arm has stopped by reflex, by its user or by an error, or its state has frozen.
        """
        self._require_connection()
        state = self._state()
        stamp = self.clock.now()
        self._require_no_error(state, needs_control=True)
        self._require_change(state.time.to_sec(), stamp)
        pose = _pose(state.O_T_EE)
        qvel = np.array(state.dq, dtype=float)
        # The arm tells what it exerts on its surroundings at the stiffness frame; ours is what they exert, at the tcp.
        exerted = -np.array(state.O_F_ext_hat_K, dtype=float)
        lever = quaternion_to_matrix(pose.quaternion) @ np.array(state.EE_T_K.translation, dtype=float)
        wrench = np.concatenate([exerted[:3], exerted[3:] + np.cross(lever, exerted[:3])])
        arm = ArmState(pose, self._jacobian(state) @ qvel, wrench, np.array(state.q, dtype=float), qvel, stamp)
        return {"arm": arm} if self._hand is None else {"arm": arm, "gripper": self._hand.read()}

    def command(self, command: Command) -> Command:
        """Move the anchor of the arm's spring, and the fingers.

        Raises:
            DeviceError: If the arm is not under control.
        """
        self._require_connection()
        check_parts(self.spec, command)
        stops = self._num_stops
        for name, target in command.items():
            if name == "arm" and isinstance(target, ArmTarget):
                self._require_no_error(self._state(), needs_control=True)
                self._anchor(target.pose)
            elif name == "gripper" and isinstance(target, GripperTarget) and self._hand is not None:
                self._hand.move(target.opening)
            else:
                raise ValueError(f"part {name!r} of {self.spec.name} cannot follow a {type(target).__name__}")
        if self._num_stops != stops:  # what was under way may have overtaken the stop
            self.stop()
        return dict(command)

    def stop(self) -> None:
        """Anchor the spring where the arm is; fingers that move stop, a grasp keeps holding."""
        self._num_stops += 1
        tracker, hand = self._tracker, self._hand
        if tracker is not None:
            try:
                tracker.set_target(tracker.current_pose.end_effector_pose)
            except Exception as error:
                log.error("the arm could not be told to hold, use its emergency stop: %s", error)
        if hand is not None:
            hand.stop()

    def recover(self) -> None:
        """Clear the arm's errors and hold it where it is. Only a person asks for this, having looked at the arm.

        It works before `connect` too, which refuses an arm that has errors.

        Raises:
            DeviceError: If they cannot be cleared; unlock the joints or release the user stop, then try again.
        """
        with self._lock:
            was_connected = self._tracker is not None
            self._open()
            with self._asking("recover from errors"):
                recovered = self._robot.recover_from_errors()
            if not recovered:
                raise DeviceError(f"franka at {self._host}: errors stay: {self._robot.state.current_errors}; see Desk")
            if was_connected:
                self._track()

    def jacobian(self) -> np.ndarray:
        """Return the tcp's Jacobian [6, 7]: linear then angular velocity, base axes."""
        self._require_connection()
        return self._jacobian(self._state())

    def close(self) -> None:
        """Bring the arm to rest and let go of it; idempotent."""
        with self._lock:
            self.stop()
            tracker, robot, hand = self._tracker, self._robot, self._hand
            self._tracker = self._robot = self._hand = None
            if hand is not None:
                hand.close()
            if tracker is not None:
                try:
                    if robot.is_in_control:
                        robot.move(self._franky.TorqueStopMotion(), asynchronous=True)
                    if not robot.join_motion(JOIN_TIMEOUT_S):
                        robot.stop()
                except Exception as error:
                    log.warning("franka at %s: while letting go: %s", self._host, error)

    def _open(self) -> None:
        if self._robot is not None:
            return
        try:
            import franky
        except ImportError as error:
            hint = pip_line("franka")
            raise DeviceError(f"franka needs franky-control: {hint} ({error})") from error
        self._franky = franky
        config = franky.RealtimeConfig.Enforce if self._realtime == "enforce" else franky.RealtimeConfig.Ignore
        torque, force = self._thresholds
        with self._asking("connect; is the arm on, unlocked and in FCI mode (Desk), and the address right?"):
            robot = franky.Robot(
                self._host, default_torque_threshold=torque, default_force_threshold=force, realtime_config=config
            )
            robot.set_collision_behavior(torque, force)
        self._robot = robot

    def _state(self) -> Any:
        with self._asking("read the arm's state"):
            return self._robot.state

    def _track(self) -> None:
        """Start the impedance controller, anchored where the arm is."""
        linear, angular = self._arm_spec.stiffness
        reach, turn = self._arm_spec.max_spring
        with self._asking("start the impedance controller"):
            self._tracker = self._franky.CartesianImpedanceTracker(
                self._robot,
                translational_stiffness=linear,
                rotational_stiffness=angular,
                translational_error_clip=np.full(3, reach),
                rotational_error_clip=np.full(3, turn),
            )
        self._seen_time, self._seen_at = -1.0, self.clock.now()

    def _anchor(self, pose: Pose) -> None:
        w, x, y, z = pose.quaternion.tolist()
        if not np.isfinite([w, x, y, z, *pose.position]).all():
            raise ValueError(f"arm target {pose} is not finite")
        with self._asking("set the arm's target"):
            self._tracker.set_target(self._franky.Affine(pose.position, np.array([x, y, z, w])))

    def _jacobian(self, state: Any) -> np.ndarray:
        return np.array(self._robot.model.zero_jacobian(self._franky.Frame.EndEffector, state), dtype=float)

    def _require_no_error(self, state: Any, *, needs_control: bool) -> None:
        mode = state.robot_mode.name
        if mode not in ("Reflex", "UserStopped") and not self._robot.has_errors:
            if not needs_control or self._robot.is_in_control:
                return
            mode = f"{mode}, its controller has ended"
        raise DeviceError(
            f"franka at {self._host}: arm stopped ({mode}); errors now {state.current_errors}, of the last motion "
            f"{state.last_motion_errors}; look at the arm, release the user stop if it is pressed, then call recover()"
        )

    def _require_change(self, arm_time: float, now: float) -> None:
        if arm_time != self._seen_time:
            self._seen_time, self._seen_at = arm_time, now
        elif now - self._seen_at > self._max_frozen:
            raise DeviceError(
                f"franka at {self._host}: the arm's time has stood still for {now - self._seen_at:.2f} s, "
                f"limit {self._max_frozen:.2f} s; check the cable, then close and connect again"
            )

    def _require_connection(self) -> None:
        if self._tracker is None:
            raise DeviceError(f"robot {self.spec.name!r} is not connected; call connect() first")

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn the SDK's errors into ours."""
        try:
            yield
        except Exception as error:
            raise DeviceError(f"franka at {self._host}: could not {what}: {type(error).__name__}: {error}") from error


def _pose(affine: Any) -> Pose:
    x, y, z, w = (float(value) for value in np.ravel(affine.quaternion))
    return Pose(np.array(affine.translation, dtype=float).reshape(3), quaternion_normalize(np.array([w, x, y, z])))


def _three(numbers: Sequence[float]) -> tuple[float, float, float]:
    if len(numbers) != 3:
        raise ConfigError(f"franka: {list(numbers)} should be x, y, z in m")
    return numbers[0], numbers[1], numbers[2]
