"""The simulated arm and gripper behind the `Robot` protocol, and trackers that read objects' true poses."""

from __future__ import annotations

import math
from collections.abc import Callable

import mujoco
import numpy as np

from robot_rl.envs.parts import part_spec
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose
from robot_rl.protocols import Clock
from robot_rl.specs import ArmSpec, GripperSpec, RobotSpec
from robot_rl.types import ArmState, ArmTarget, Command, GripperState, GripperTarget, RobotState
from sim.anchor import Anchor
from sim.arm import ARM_JOINTS, DAMPERS, TARGET
from sim.brake import Brake, SpeedLimit
from sim.gripper import FINGER_JOINTS, FINGER_TRAVEL, GRIPPER_ACTUATOR, TCP_SITE
from sim.kinematics import HOME, QPOS_HIGH, QPOS_LOW
from sim.physics import Physics
from sim.scene import SceneConfig
from sim.timing import SimClock

_HOME = np.array(HOME)
_REMEDY = "sim robot: not connected; call connect() first"
_REGULAR = 1e-6 * np.eye(6)
"""Keeps the estimate of the wrench finite where the arm is stretched out."""


class SimRobot:
    """Parts `arm` and `gripper` of a simulated scene. The arm's spring pulls towards the last target until the next one.

    An arm that is stopped while it moves is braked first, along its way, and then held where it stands.
    """

    def __init__(
        self,
        physics: Physics,
        config: SceneConfig,
        prefix: str = "",
        base: tuple[float, float, float] = (0.0, 0.0, 0.0),
        clock: SimClock | None = None,
    ):
        """Take the arm whose names in the model begin with `prefix` and whose base stands at `base`, [3], m, world frame."""
        self.clock: Clock = SimClock(physics) if clock is None else clock
        self._base = np.array(base)
        self._tcp = prefix + TCP_SITE
        self.spec = robot_spec(config)
        self._physics = physics
        self._posture = config.impedance.posture
        self._connected = False
        model = physics.model
        self._site = model.site(self._tcp).id
        self._qpos = _range([int(model.joint(prefix + name).qposadr[0]) for name in ARM_JOINTS])
        self._dofs = _range([int(model.joint(prefix + name).dofadr[0]) for name in ARM_JOINTS])
        self._finger = int(model.joint(prefix + FINGER_JOINTS[0]).qposadr[0])
        self._gripper = model.actuator(prefix + GRIPPER_ACTUATOR).id
        self._anchor = Anchor(physics, int(model.body(prefix + TARGET).mocapid[0]), self._base)
        self._whole_jacobian = np.zeros((6, model.nv))
        self._version = -1
        self._elbow_goal = _HOME
        self._velocity = physics.data.actuator_velocity[_range([int(model.actuator(prefix + name).id) for name in DAMPERS])]
        self._brake = Brake(physics, self._dofs, self._velocity)
        arm = part_spec(self.spec, "arm", ArmSpec)
        self._speed_limit = SpeedLimit(physics, arm, self._site, self._qpos, self._dofs, self._velocity)
        physics.before_step.append(self._pull_elbow)
        physics.every_step += [self._speed_limit.keep, self._stop_on_the_way]

    def connect(self) -> None:
        """Allow reading and commanding, and hold where the arm is."""
        if not self._connected:
            self._connected = True
            self.stop()

    def read(self) -> RobotState:
        """Return the state of `arm` and `gripper`.

        The wrench is estimated as a torque-sensing arm does it: from the joint torques that contacts cause.
        """
        if not self._connected:
            raise DeviceError(_REMEDY)
        with self._physics.lock:
            data, stamp = self._physics.data, self.clock.now()
            jacobian, inverse = self._differentials()
            arm = ArmState(
                pose=self._pose(),
                twist=jacobian @ data.qvel[self._dofs],
                wrench=inverse @ data.qfrc_constraint[self._dofs],
                qpos=data.qpos[self._qpos].copy(),
                qvel=data.qvel[self._dofs].copy(),
                stamp=stamp,
            )
            opening = min(max(float(data.qpos[self._finger]) / FINGER_TRAVEL, 0.0), 1.0)
        return {"arm": arm, "gripper": GripperState(opening, stamp)}

    def command(self, command: Command) -> Command:
        """Move the spring's anchor and the gripper's target; openings are clipped to 0..1.

        Raises:
            ConfigError: If a part is unknown, its target has the wrong type or is not finite.
        """
        if not self._connected:
            raise DeviceError(_REMEDY)
        sent: Command = {}
        with self._physics.lock:
            for part, target in command.items():
                if part == "arm" and isinstance(target, ArmTarget):
                    self._anchor.lead(target.pose)
                    self._go_on()
                    sent[part] = target
                elif part == "gripper" and isinstance(target, GripperTarget) and math.isfinite(target.opening):
                    opening = min(max(target.opening, 0.0), 1.0)
                    self._physics.data.ctrl[self._gripper] = opening * FINGER_TRAVEL
                    sent[part] = GripperTarget(opening)
                else:
                    raise ConfigError(f"{target} does not fit part {part!r}; parts: arm (ArmTarget), gripper (GripperTarget)")
        return sent

    def stop(self) -> None:
        """Brake, anchor the spring where the arm stands, and the fingers at their current opening."""
        with self._physics.lock:
            jacobian, _ = self._differentials()
            self._anchor_here()
            self._brake.start(jacobian @ self._physics.data.qvel[self._dofs])
            self._stop_on_the_way()
            self._physics.data.ctrl[self._gripper] = self._physics.data.qpos[self._finger]

    def close(self) -> None:
        """Stop and disconnect."""
        if self._connected:
            self.stop()
            self._connected = False

    def place(self, qpos: np.ndarray, opening: float) -> None:
        """Put the arm at qpos [7], rad, and the fingers at `opening`, at rest, with the spring anchored there.

        Only a simulated reset can do this; everything else moves the arm through `command`.
        """
        with self._physics.lock:
            data = self._physics.data
            data.qpos[self._qpos] = qpos
            data.qpos[self._finger : self._finger + 2] = opening * FINGER_TRAVEL
            data.qvel[self._dofs] = 0.0
            self._physics.touch()
            self._velocity[:] = 0.0
            self._go_on()
            self.stop()

    def _pose(self) -> Pose:
        """Return T_base_tcp of this arm's own base."""
        in_world = self._physics.site_pose(self._tcp)
        return Pose(in_world.position - self._base, in_world.quaternion)

    def _go_on(self) -> None:
        """End a stop, after which the elbow may go home again."""
        self._brake.release()
        self._speed_limit.look()
        self._elbow_goal = _HOME

    def _anchor_here(self) -> None:
        data, quaternion = self._physics.data, np.empty(4)
        mujoco.mju_mat2Quat(quaternion, data.site_xmat[self._site])
        self._anchor.put(data.site_xpos[self._site], quaternion)

    def _differentials(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the tcp's Jacobian [6, 7], base axes, and what maps joint torques to a wrench at the tcp, [6, 7]."""
        if self._version != self._physics.version:
            self._physics.refresh()
            mujoco.mj_jacSite(
                self._physics.model, self._physics.data, self._whole_jacobian[:3], self._whole_jacobian[3:], self._site
            )
            self._jacobian = self._whole_jacobian[:, self._dofs]
            gram = self._jacobian @ self._jacobian.T + _REGULAR
            self._to_wrench = np.linalg.solve(gram, self._jacobian)
            self._version = self._physics.version
        return self._jacobian, self._to_wrench

    def _pull_elbow(self) -> None:
        """Set joint torques that exert no force at the tcp and move the elbow to the home posture, or keep it after a stop."""
        if self._brake.is_on:
            return
        jacobian, to_wrench = self._differentials()
        torque = self._posture * (self._elbow_goal - self._physics.data.qpos[self._qpos])
        self._physics.data.qfrc_applied[self._dofs] = torque - (to_wrench @ torque) @ jacobian

    def _stop_on_the_way(self) -> None:
        """Brake an arm that is being stopped; until it stands, the spring's anchor and the elbow's go along."""
        if not self._brake.is_on:
            return
        data = self._physics.data
        data.qfrc_applied[self._dofs] = self._brake.torque()
        self._elbow_goal = data.qpos[self._qpos].copy()
        self._anchor_here()


class SimTracker:
    """An object's true pose, with symmetries resolved by `resolve` if given."""

    def __init__(self, read_pose: Callable[[], Pose]):
        self._read_pose = read_pose

    def read(self) -> Pose:
        """Return T_base_object."""
        return self._read_pose()


def _range(addresses: list[int]) -> slice:
    """Return evenly spaced addresses as a slice, which numpy reads without copying."""
    step = addresses[1] - addresses[0]
    return slice(addresses[0], addresses[-1] + 1, step)


def robot_spec(config: SceneConfig) -> RobotSpec:
    """Return the arm's and the gripper's limits in `config`."""
    return RobotSpec("sim", {"arm": arm_spec(config), "gripper": GripperSpec(max_width=2 * FINGER_TRAVEL)})


def arm_spec(config: SceneConfig) -> ArmSpec:
    """Return the arm's limits in `config`."""
    return ArmSpec(
        num_joints=7,
        qpos_low=QPOS_LOW,
        qpos_high=QPOS_HIGH,
        workspace_low=config.workspace_low,
        workspace_high=config.workspace_high,
        stiffness=config.impedance.stiffness,
        max_spring=config.impedance.max_spring,
    )
