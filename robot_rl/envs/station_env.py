"""A robot task as a station file describes it: the environment of a real robot, by the name `station:<file>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.envs.options import EnvOptions
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError
from robot_rl.protocols import Camera, Robot, Tracker
from robot_rl.station import Station
from robot_rl.station_file import load_station
from robot_rl.types import Observation

PREFIX = "station:"
ELSEWHERE = "cut: another environment moved the station's robot"
"""The fault of an episode in the middle of which the same devices began another one."""


@dataclass(slots=True)
class Devices:
    """A station's devices, of which there is one set, however many environments use them in turn."""

    robot: Robot
    """With the station's limits, and its watchdog around it."""
    driver: Robot
    """The same without the watchdog: what rewards and resets are built with."""
    cameras: Mapping[str, Camera]
    trackers: Mapping[str, Tracker]
    user: object = None
    """Who has begun the newest episode."""

    @classmethod
    def of(cls, station: Station) -> Devices:
        """Build the devices of a station; none is connected."""
        driver = station.build_robot()
        return cls(station.guarded(driver), driver, station.build_cameras(driver.clock), station.build_trackers(driver))


class StationEnv(RobotEnv):
    """A `RobotEnv` on the devices of a station file."""

    def __init__(self, station: Station, options: EnvOptions, devices: Devices | None = None) -> None:
        """Build the environment; nothing is connected before the first `reset`.

        Args:
            station: With a [task].
            options: Cameras (none given: all that the task observes), image size, length and end of episodes.
            devices: Of the same station, where another environment has built them already.

        Raises:
            ConfigError: If the file has no task, or the options ask for what a station cannot do.
        """
        simulated = options.randomize or options.viewer
        if simulated or options.is_for_foreign or options.reward != "sparse":
            raise ConfigError(
                f"{station.source}: randomize, viewer, success_rule, action_repeat, from_hand and reward are not for stations; "
                "[task.reward] says how success is told"
            )
        self.station, self.devices = station, devices or Devices.of(station)
        task, reward, reset = station.build_task(self.devices.driver)
        super().__init__(
            self.devices.robot,
            config=_env_config(station, task.env, options),
            reward=reward,
            reset=reset,
            cameras=self.devices.cameras,
            trackers=self.devices.trackers,
            name=task.name,
        )

    def sibling(self, options: EnvOptions) -> StationEnv:
        """Return another environment on the same devices; an episode of one cuts those of the others."""
        return StationEnv(self.station, options, self.devices)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode, which is the only one on these devices from now on."""
        self.devices.user = self
        return super().reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute `action`, unless another environment has begun an episode since."""
        if self._steps_left > 0 and self.devices.user is not self:
            return self._faulted(self._actions.check(action), ELSEWHERE)
        return super().step(action)


def make(source: str, options: EnvOptions) -> StationEnv:
    """Return the environment of the station file `source`, a path or the name of a file in stations/.

    Raises:
        ConfigError: If the file is wrong; it says where.
    """
    return StationEnv(load_station(source), options)


def station_of(env: Any) -> Station | None:
    """Return the station that `env`, wrapped or not, is on; None if it is on none."""
    inner = getattr(env, "unwrapped", env)
    return inner.station if isinstance(inner, StationEnv) else None


def station_file(task: str) -> Path | None:
    """Return the file that the environment name `task` is of; None if it names no station."""
    return load_station(task.removeprefix(PREFIX)).source if task.startswith(PREFIX) else None


def _env_config(station: Station, config: RobotEnvConfig, options: EnvOptions) -> RobotEnvConfig:
    if options.regrasp and config.action.empty_opening == 0.0:
        raise ConfigError(
            f"{station.source}: a hand that misses is to try again (regrasp), and [task.action] does not say empty_opening, "
            "what the gripper measures at least with something in it; add it, or leave regrasp out (in training: "
            "--env.no-regrasp, --evaluation.no-regrasp; deploying: --regrasp False)"
        )
    observation = config.observation
    cameras = options.cameras or observation.cameras
    seen = station.cameras if cameras is None else cameras
    observation = replace(
        observation,
        cameras=tuple(seen),
        image_size=observation.image_size or options.image_size,
        crops={name: crop for name, crop in station.crops.items() if name in seen} | dict(observation.crops),
        objects=observation.objects if options.object_state else {},
    )
    return replace(
        config,
        action=config.action if options.regrasp else replace(config.action, empty_opening=0.0),
        observation=observation,
        max_steps=options.max_steps or config.max_steps,
        terminate_on_success=options.end_at_success and config.terminate_on_success,
    )
