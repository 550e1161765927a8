"""Meta-World's scripted experts as demonstrators."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_rl.envs.factory import Env
from robot_rl.envs.gymnasium_env import GymnasiumEnv
from robot_rl.errors import ConfigError
from robot_rl.protocols import Policy
from robot_rl.types import Observation

if TYPE_CHECKING:  # an extra
    from metaworld.policies.policy import Policy as ForeignPolicy

PREFIX = "metaworld:"


def scripted(env: Env, _seed: int) -> Policy:
    """Return Meta-World's own expert for the task in `env`. It draws nothing; a tremor makes it drop what it holds.

    Raises:
        ConfigError: If `env` is no Meta-World task, or one without an expert.
    """
    from metaworld import policies

    inner = getattr(env, "unwrapped", env)
    name = env.env_spec.name
    if not isinstance(inner, GymnasiumEnv) or not name.startswith(PREFIX):
        raise ConfigError(f"environment {name!r} is not of Meta-World, and its experts know only those")
    expert = policies.ENV_POLICY_MAP.get(name.removeprefix(PREFIX))
    if expert is None:
        raise ConfigError(f"Meta-World has no expert for {name!r}")
    # Experts go by more than the hand can do at a time, and Meta-World warns of it at every step.
    warnings.filterwarnings("ignore", message=r"Constant\(s\) may be too high")
    return MetaworldExpert(inner, expert())


class MetaworldExpert:
    """Acts by Meta-World's own observation, so it demonstrates beside policies that see anything else, or only images."""

    version = 0

    def __init__(self, env: GymnasiumEnv, expert: ForeignPolicy) -> None:
        self._room: Any = env.foreign
        self._expert = expert

    def begin_episode(self) -> None:
        """Do nothing: experts remember nothing."""

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [4], clipped to [-1, 1]: the hand's motion in x, y, z, and the gripper's effort."""
        return np.clip(self._expert.get_action(self._room.room_obs), -1.0, 1.0).astype(np.float32)
