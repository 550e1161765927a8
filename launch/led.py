"""A person leads the arm about and marks places: with the station's input device, within the limits of the arm's driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from person import Person

from robot_rl.envs.actions import AXES
from robot_rl.envs.factory import Env
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.robot_env import RobotEnv
from robot_rl.envs.station_env import StationEnv
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.station import Device, Station, TaskSetup
from robot_rl.types import ArmState, Observation

HOURS_STEPS = 1_000_000


def led_env(station: Station, cameras: tuple[str, ...] = (), *, whole_reach: bool = False) -> StationEnv:
    """Return a station's environment in which nothing is done but leading: no reset moves, the gripper is left alone.

    Args:
        station: Where.
        cameras: To be seen; none given: none.
        whole_reach: Whether the station's own workspace does not count, as while it is being taught.
    """
    task = station.task or TaskSetup("led")
    action = replace(task.env.action, gripper="none", axes=AXES, reference="target")
    observation = replace(task.env.observation, cameras=cameras, objects={}, frame_stack=1)
    env = replace(task.env, action=action, observation=observation, max_steps=HOURS_STEPS)
    led = TaskSetup("led", env, Device("person"), Device("hold"))
    workspace = {} if whole_reach else station.workspace
    return StationEnv(replace(station, task=led, trackers={}, workspace=workspace), EnvOptions(max_steps=HOURS_STEPS))


def require_leader(company: Person) -> None:
    """Raise ConfigError if nobody could lead the arm."""
    if company.teleop is None and company.cockpit is None:
        raise ConfigError(
            "nobody is there to lead the arm: give --teleop DEVICE or --cockpit, or [teleop] in the station's file"
        )


def marked(env: Env, say: Callable[[str], None]) -> Iterator[tuple[ArmState, Observation]]:
    """Yield arm and observation each time that the person says success; end when they say failure: that is all.

    Args:
        env: A `led_env` with the person beside it.
        say: Told in a line what is going on.

    Raises:
        KeyboardInterrupt: If the person stops the robot.
        DeviceError: If a device fails; the robot is held.
        ConfigError: If nobody is there to lead.
    """
    still = np.zeros(env.env_spec.action.dim, np.float32)
    inner = getattr(env, "unwrapped", env)
    if not isinstance(inner, RobotEnv):
        raise ConfigError(f"{env.env_spec.name} is no robot")
    count = 0
    while True:
        say(f"{count} places marked; success marks this one, failure ends it")
        env.reset()
        is_over = False
        while not is_over:
            obs, _, terminated, truncated, info = env.step(still)
            is_over = terminated or truncated
        if info["fault"] == STOPPED:
            raise KeyboardInterrupt
        if info["fault"]:
            raise DeviceError(info["fault"])
        if info["success"]:
            arm = inner.robot_state[inner.config.action.part]
            if isinstance(arm, ArmState):
                count += 1
                yield arm, obs
        elif not info["discard"]:
            return
