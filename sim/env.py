"""A simulated task as a `RobotEnv`: scene, devices and reset put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.envs.frame_guard import FrameGuardConfig
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.parts import part_state
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from robot_rl.protocols import Camera, Policy, Robot, Tracker
from robot_rl.types import ArmState, Observation
from sim.camera import Renderer, SimCamera
from sim.exertion import SimExertionMeter
from sim.imperfect import DelayedRobot, DroppingCamera, NoisyTracker
from sim.oracle import HumanConfig, Script, ScriptedPolicy
from sim.physics import Physics
from sim.randomize import Randomizer
from sim.reset import ExactReset, Seeded
from sim.robot import SimRobot, arm_spec
from sim.room import CAMERAS, OVERVIEW
from sim.scene import build_scene
from sim.task import Task, TaskReward, choose_imperfections
from sim.viewer import Viewer

VIDEO_SIZE = 480
"""pixels, side of the images that `render` returns."""


class SimEnv(RobotEnv):
    """A `RobotEnv` on simulated devices. `render` shows the whole station, whatever is observed."""

    def __init__(self, task: Task, options: EnvOptions):
        _check_cameras(options.cameras)
        spec = build_scene(task.scene)
        task.add_objects(spec)
        self.task = task
        self.physics = Physics(spec.compile())
        self.renderer = Renderer(self.physics)
        randomization, imperfections = choose_imperfections(task, options.randomize)
        sim_robot = SimRobot(self.physics, task.scene)
        robot: Robot = sim_robot
        trackers: dict[str, Tracker] = dict(task.trackers(self.physics))
        cameras: dict[str, Camera] = {
            name: SimCamera(self.renderer, self.physics, name, options.image_size) for name in options.cameras
        }
        if any((imperfections.delays.observation_s, imperfections.delays.action_s)):
            robot = DelayedRobot(sim_robot, imperfections.delays)
        if imperfections.pose_noise:
            trackers = {name: NoisyTracker(tracker, imperfections.pose_noise) for name, tracker in trackers.items()}
        if imperfections.frame_drop > 0:
            cameras = {name: DroppingCamera(camera, imperfections.frame_drop, robot.clock) for name, camera in cameras.items()}
        seeded: list[Seeded] = [Randomizer(self.physics, randomization)] if randomization else []
        seeded += [device for device in (robot, *trackers.values(), *cameras.values()) if isinstance(device, Seeded)]
        super().__init__(
            robot,
            config=_env_config(task, options),
            reward=TaskReward(task, self.physics, dense=options.reward == "dense"),
            reset=ExactReset(task, self.physics, sim_robot, seeded),
            cameras=cameras,
            trackers=trackers,
            meter=SimExertionMeter(self.physics, arm_spec(task.scene)),
            name=task.name,
        )
        self.render_mode = "rgb_array"
        self._viewer = Viewer(self.physics) if options.viewer else None

    def render(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return a view of the station now, uint8 [480, 480, 3], RGB."""
        return self.renderer.render(OVERVIEW, VIDEO_SIZE, VIDEO_SIZE, supersample=2)

    def objects(self, *, exact: bool = False) -> Observation:
        """Return the task's objects, for demonstrators beside policies that see only images.

        They are as trackers observe them, with their errors, or `exact`: as they are.
        """
        trackers = self.task.trackers(self.physics) if exact else self.trackers
        arm = part_state(self.robot.read(), self.config.action.part, ArmState)
        poses = {"base": Pose.of((0.0, 0.0, 0.0)), "tcp": arm.pose}
        poses |= {name: tracker.read() for name, tracker in trackers.items()}
        seen: Observation = {}
        for name, frame in self.task.observation.objects.items():
            pose = poses[frame].inverse() @ poses[name]
            seen[f"state/{name}/position"] = pose.position.astype(np.float32)
            seen[f"state/{name}/rotation"] = pose.rotvec.astype(np.float32)
        return seen

    def close(self) -> None:
        """Release the devices, the renderer and the viewer."""
        super().close()
        self.renderer.close()
        if self._viewer is not None:
            self._viewer.close()


def demonstrator(env: Env, seed: int, human: HumanConfig, script: Script) -> Policy:
    """Return a policy that plays `script` in a simulated task.

    It acts by the observation; where that leaves the task's objects out, it is shown them besides.
    """
    task_env = simulated(env)
    is_shown = all(f"state/{name}/position" in env.env_spec.obs for name in task_env.task.observation.objects)
    return ScriptedPolicy(
        env.env_spec.action, task_env.task.action, human, seed, script, objects=None if is_shown else task_env.objects
    )


def simulated(env: Env) -> SimEnv:
    """Return the simulated task in `env`, which may be wrapped.

    Raises:
        ConfigError: If it is none.
    """
    inner = getattr(env, "unwrapped", env)
    if not isinstance(inner, SimEnv):
        raise ConfigError(f"environment {env.env_spec.name!r} is not a simulated task of ours, and the scripts know only those")
    return inner


def _env_config(task: Task, options: EnvOptions) -> RobotEnvConfig:
    if options.is_for_foreign:
        raise ConfigError(f"{task.name}: success_rule, action_repeat and from_hand are for environments that are not ours")
    if options.regrasp and task.empty_opening == 0.0:
        raise ConfigError(
            f"regrasp is for tasks in which something is grasped, and in {task.name} nothing is; "
            "leave it out (in training: --env.no-regrasp, --evaluation.no-regrasp)"
        )
    return RobotEnvConfig(
        max_steps=options.max_steps or task.max_steps,
        action=replace(task.action, empty_opening=task.empty_opening) if options.regrasp else task.action,
        terminate_on_success=options.end_at_success,
        frame_guard=FrameGuardConfig(frozen_steps=0),  # noise-free, a camera that the hand has left shows the same for ever
        observation=task.observation if options.object_state else task.proprioception,
    )


def _check_cameras(names: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in CAMERAS]
    if unknown:
        raise ConfigError(f"unknown camera {unknown[0]!r}; simulated cameras: {', '.join(CAMERAS)}")
