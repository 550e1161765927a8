"""Environments and their demonstrators by name."""

from __future__ import annotations

from typing import Any, Protocol

import gymnasium as gym

from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from robot_rl.protocols import Policy
from robot_rl.registry import resolve
from robot_rl.specs import EnvSpec

TASKS = {
    "reach": "sim.tasks.reach",
    "pick_lift": "sim.tasks.pick_lift",
    "peg_insert": "sim.tasks.peg_insert",
    "push_planar": "sim.tasks.push_planar",
    "bin_pick": "sim.tasks.bin_pick",
}
"""Our simulated tasks: modules with `make(options)` and `scripted(env, seed)`."""

SUITES = {
    "gymnasium": "robot_rl.envs.gymnasium_env:make",
    "dmc": "sim.suites:make_dmc",
    "metaworld": "sim.suites:make_metaworld",
    "station": "robot_rl.envs.station_env:make",
}
"""Prefixes of `suite:id` names to functions (id, options) -> environment; `station:<file>` is a robot."""

SUITE_DEMONSTRATORS = {
    "metaworld:": "sim.metaworld_expert:scripted",
    "gymnasium:AdroitHandDoor": "sim.adroit_expert:scripted",
}
"""How the names of suites' environments begin that have scripted demonstrators, to functions (env, seed) -> policy."""


class Env(Protocol):
    """A Gymnasium environment of the house: dict observations, actions in [-1, 1], `StepInfo` in `info`, and its spec."""

    env_spec: EnvSpec
    observation_space: gym.spaces.Dict
    action_space: gym.spaces.Box

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        ...

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance one control step."""
        ...

    def render(self) -> Any:
        """Return an image uint8 [H, W, 3], RGB, for videos."""
        ...

    def close(self) -> None:
        """Release what the environment holds."""
        ...


def make_env(name: str, options: EnvOptions | None = None) -> Env:
    """Return the environment called `name`.

    Args:
        name: One of ours (`reach`, ...), `gymnasium:<id>`, `dmc:<domain>-<task>`, `metaworld:<task>`, `station:<file>`, or
            `package.module:factory` where `factory(options)` returns an `Env`.
        options: Defaults if None.

    Raises:
        ConfigError: If there is no such environment; the message lists what exists.
    """
    options = options or EnvOptions()
    prefix, colon, rest = name.partition(":")
    if colon and prefix in SUITES:
        if not rest:
            raise ConfigError(f"environment {name!r} lacks what comes after {prefix}:")
        return resolve(prefix, SUITES, "suite")(rest, options)
    factories = {task: f"{module}:make" for task, module in TASKS.items()}
    try:
        factory = resolve(name, factories, "environment")
    except ConfigError as error:
        suites = ", ".join(f"{suite}:<id>" for suite in sorted(SUITES))
        raise ConfigError(f"{error}, or {suites}") from error
    return factory(options)


def make_demonstrator(policy: str, env_name: str, env: Env, seed: int) -> Policy:
    """Return the policy that demonstrates.

    Args:
        policy: `scripted`, for our tasks, Meta-World's and Adroit's door, or `package.module:factory` called with (env, seed).
        env_name: As given to `make_env`.
        env: What it acts in.
        seed: Decides what the demonstrator draws.

    Raises:
        ConfigError: If there is no such demonstrator.
    """
    if policy != "scripted":
        return resolve(policy, {"scripted": ""}, "policy")(env, seed)
    foreign = (target for start, target in SUITE_DEMONSTRATORS.items() if env_name.startswith(start))
    target = f"{TASKS[env_name]}:scripted" if env_name in TASKS else next(foreign, None)
    if target is None:
        known = ", ".join([*sorted(TASKS), *(f"{start}..." for start in SUITE_DEMONSTRATORS)])
        raise ConfigError(f"{env_name!r} has no scripted demonstrator; known: {known}; or give 'package.module:factory'")
    return resolve(target, {}, "demonstrator")(env, seed)
