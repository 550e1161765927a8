"""franky's two classes that open connections, `Robot` and `Gripper`, over a kinematic arm; the rest of franky is real."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import franky
import numpy as np

from hardware.fake import FAKE_SPEC, FakeRobot
from robot_rl.geometry import Pose
from robot_rl.protocols import Clock
from robot_rl.types import ArmState, ArmTarget, GripperState, GripperTarget

JACOBIAN = np.hstack([np.eye(6), np.zeros((6, 1))])
"""[6, 7] of an arm whose first six joints are the tcp's axes."""
WIDTH = 0.08


def affine(pose: Pose) -> franky.Affine:
    w, x, y, z = pose.quaternion.tolist()
    return franky.Affine(pose.position, np.array([x, y, z, w]))


class ToyRobot:
    """`franky.Robot`: a session that follows its tracking motion's reference, and can fall into a reflex."""

    def __init__(
        self,
        fci_hostname: str,
        relative_dynamics_factor: float = 1.0,
        default_torque_threshold: float = 20.0,
        default_force_threshold: float = 30.0,
        controller_mode: Any = None,
        realtime_config: Any = franky.RealtimeConfig.Enforce,
        *,
        clock: Clock,
    ) -> None:
        self.fci_hostname = fci_hostname
        self.body = FakeRobot(clock, FAKE_SPEC)
        self.body.connect()
        self.realtime_config = realtime_config
        self.motions: list[Any] = []
        self.collision: tuple[float, float] | None = None
        self.mode = franky.RobotMode.Idle
        self.wrench = np.zeros(6)
        self.frozen_at: float | None = None
        self.can_recover = True
        self.num_recoveries = 0

    def set_collision_behavior(self, torque_thresholds: float, force_thresholds: float) -> None:
        self.collision = (torque_thresholds, force_thresholds)

    def move(self, motion: Any, asynchronous: bool = False, limit_rate: bool = False, cutoff_frequency: float = 100.0) -> None:
        if self.has_errors:
            raise franky.ControlException("Reflex")
        assert asynchronous, "a motion that is waited for would block the control loop"
        self.motions.append(motion)
        self.mode = (
            franky.RobotMode.Move if isinstance(motion, franky.CartesianImpedanceTrackingMotion) else franky.RobotMode.Idle
        )

    def join_motion(self, timeout: float | None = None) -> bool:
        return not self.is_in_control

    def stop(self) -> None:
        self.mode = franky.RobotMode.Idle

    def recover_from_errors(self) -> bool:
        self.num_recoveries += 1
        if self.can_recover:
            self.mode = franky.RobotMode.Idle
        return self.can_recover

    def fall(self, mode: Any = franky.RobotMode.Reflex) -> None:
        """Not franky's: let the arm stop as at a collision."""
        self._arm()
        self.mode = mode
        self.body._targets.clear()

    @property
    def has_errors(self) -> bool:
        return self.mode == franky.RobotMode.Reflex

    @property
    def is_in_control(self) -> bool:
        return self.mode == franky.RobotMode.Move

    @property
    def state(self) -> Any:
        arm = self._arm()
        now = self.body.clock.now() if self.frozen_at is None else self.frozen_at
        return SimpleNamespace(
            O_T_EE=affine(arm.pose),
            EE_T_K=franky.Affine(np.array([0.0, 0.0, 0.1]), np.array([0.0, 0.0, 0.0, 1.0])),
            O_F_ext_hat_K=self.wrench.copy(),
            q=np.arange(7.0) / 10,
            dq=np.append(arm.twist, 0.0),
            time=franky.Duration(round(now * 1000)),
            robot_mode=self.mode,
            current_errors=["cartesian_reflex"] if self.has_errors else [],
            last_motion_errors=[],
        )

    @property
    def current_pose(self) -> Any:
        return franky.RobotPose(affine(self._arm().pose))

    @property
    def model(self) -> Any:
        return SimpleNamespace(zero_jacobian=self._zero_jacobian)

    def _zero_jacobian(self, frame: Any, state: Any) -> np.ndarray:
        assert frame == franky.Frame.EndEffector
        return JACOBIAN

    def _arm(self) -> ArmState:
        if self.is_in_control:  # all the time since anybody looked it has followed the reference that there is now
            target = self.motions[-1].get_reference().target
            x, y, z, w = target.quaternion
            self.body._targets["arm"] = ArmTarget(Pose(np.array(target.translation), np.array([w, x, y, z])))
        arm = self.body.read()["arm"]
        assert isinstance(arm, ArmState)
        return arm


class ToyFuture:
    """`franky.BoolFuture` of fingers that move until they arrive."""

    def __init__(self, is_ready: Any, error: Exception | None = None) -> None:
        self._is_ready, self._error = is_ready, error

    def wait(self, timeout: float | None = None) -> bool:
        return self._is_ready()

    def get(self) -> bool:
        if self._error is not None:
            raise self._error
        return True


class ToyGripper:
    """`franky.Gripper`: fingers that move at up to 0.3 m/s on the arm's clock."""

    def __init__(self, fci_hostname: str, *, clock: Clock) -> None:
        self.body = FakeRobot(clock, FAKE_SPEC)
        self.body.connect()
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        """Raised by what is asked from now on."""
        self.outcome: Exception | None = None
        """How commands that are taken end."""

    def move_async(self, width: float, speed: float) -> ToyFuture:
        return self._go(width, ("move", width, speed))

    def grasp_async(
        self, width: float, speed: float, force: float, epsilon_inner: float = 0.005, epsilon_outer: float = 0.005
    ) -> ToyFuture:
        return self._go(width, ("grasp", width, speed, force, epsilon_inner, epsilon_outer))

    def stop_async(self) -> ToyFuture:
        self.calls.append(("stop",))
        self.body.stop()
        return ToyFuture(lambda: True)

    @property
    def state(self) -> Any:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(width=self._opening() * WIDTH)

    def _go(self, width: float, call: tuple[Any, ...]) -> ToyFuture:
        if self.error is not None:
            raise self.error
        self.calls.append(call)
        opening = width / WIDTH
        self.body.command({"gripper": GripperTarget(opening)})
        stops = self.body.num_stops
        return ToyFuture(lambda: self.body.num_stops > stops or abs(self._opening() - opening) < 1e-3, self.outcome)

    def _opening(self) -> float:
        gripper = self.body.read()["gripper"]
        assert isinstance(gripper, GripperState)
        return gripper.opening


class ToyFranka:
    """Replaces franky's `Robot` and `Gripper` by ones on `clock`, through a test's monkeypatch."""

    def __init__(self, monkeypatch: Any, clock: Clock) -> None:
        self.robots: list[ToyRobot] = []
        self.grippers: list[ToyGripper] = []

        def robot(*given: Any, **named: Any) -> ToyRobot:
            self.robots.append(ToyRobot(*given, **named, clock=clock))
            return self.robots[-1]

        def gripper(*given: Any) -> ToyGripper:
            self.grippers.append(ToyGripper(*given, clock=clock))
            return self.grippers[-1]

        monkeypatch.setattr(franky, "Robot", robot)
        monkeypatch.setattr(franky, "Gripper", gripper)

    @property
    def robot(self) -> ToyRobot:
        return self.robots[-1]

    @property
    def gripper(self) -> ToyGripper:
        return self.grippers[-1]
