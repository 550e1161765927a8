"""Building Gymnasium environments by id, with the packages that bring them and errors that say what would work."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import gymnasium as gym

from robot_rl.errors import ConfigError, pip_line


@dataclass(frozen=True, slots=True)
class _Provider:
    """A package that registers environments once it is imported."""

    prefixes: tuple[str, ...]
    module: str
    install: str
    """the command that installs it"""
    note: str = ""
    """what to know when an environment of it cannot be built"""


_PROVIDERS = (
    _Provider(
        ("AdroitHand", "AntMaze", "Fetch", "FrankaKitchen", "Hand", "PointMaze"),
        "gymnasium_robotics",
        pip_line("gymnasium-robotics"),
        note="gymnasium-robotics 1.4's Fetch, Hand and FrankaKitchen need mujoco<=3.11",
    ),
    _Provider(("Panda",), "panda_gym", "pip install panda-gym"),
    _Provider(("gym_aloha/",), "gym_aloha", "pip install gym-aloha"),
    _Provider(("gym_hil/",), "gym_hil", "pip install gym-hil"),
    _Provider(("gym_pusht/",), "gym_pusht", "pip install gym-pusht"),
)


def build(env_id: str, **settings: Any) -> gym.Env:
    """Return the environment `env_id`, importing the package that is known to bring it.

    Args:
        env_id: A registered id, or `module:id`.
        **settings: Passed to `gymnasium.make`.

    Raises:
        ConfigError: If there is no such environment, its package is missing, or it cannot be built.
    """
    prefer_headless_gl()
    provider = next((provider for provider in _PROVIDERS if env_id.startswith(provider.prefixes)), None)
    if provider is not None and env_id not in gym.registry:
        _import(provider, env_id)
    try:
        return _make(env_id, settings)
    except gym.error.UnregisteredEnv as error:
        raise ConfigError(_unknown(env_id)) from error
    except Exception as error:  # constructors of foreign environments raise anything
        cause = f"{type(error).__name__}: {error}".rstrip(": ")
        note = f"; {provider.note}, here is {_version('mujoco')}" if provider is not None and provider.note else ""
        raise ConfigError(f"gymnasium:{env_id} cannot be built ({cause}){note}") from error


def _make(env_id: str, settings: dict[str, Any]) -> gym.Env:
    """Return `gymnasium.make(env_id)`, with rendering where the environment's constructor knows of it."""
    try:
        return gym.make(env_id, disable_env_checker=True, render_mode="rgb_array", **settings)
    except TypeError as error:
        if "render_mode" not in str(error):
            raise
    return gym.make(env_id, disable_env_checker=True, **settings)


def prefer_headless_gl() -> None:
    """Let MuJoCo render with EGL where there is no display, unless MUJOCO_GL says otherwise.

    Left alone, Gymnasium and dm_control try GLFW first, which fails at the first image or warns.
    """
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")


def rendering_remedy(error: Exception) -> str:
    """Return what to do about an error of a foreign renderer, as the end of a sentence."""
    if isinstance(error, gym.error.DependencyNotInstalled):  # whose message has the pip line
        return "images need that package"
    if isinstance(error, ModuleNotFoundError):
        return f"images need the package {error.name}"
    return "without a display install EGL or OSMesa (Debian: libegl1 or libosmesa6) and set MUJOCO_GL to egl or osmesa"


def _import(provider: _Provider, env_id: str) -> None:
    """Let `provider` register its environments, or say how to install it."""
    try:
        importlib.import_module(provider.module)
    except ImportError as error:
        raise ConfigError(
            f"gymnasium:{env_id} comes with {provider.module} ({error}); install it: {provider.install}"
        ) from error


def _unknown(env_id: str) -> str:
    """Return what to tell of an id that nobody registered."""
    lowered = {known.lower(): known for known in gym.registry}
    close = difflib.get_close_matches(env_id.lower(), lowered, n=5)
    hint = f"close: {', '.join(lowered[known] for known in close)}" if close else "nothing registered comes close"
    return (
        f"unknown Gymnasium environment {env_id!r}; {hint}; give 'gymnasium:<module>:<id>' if a package must be imported first"
    )


def _version(package: str) -> str:
    """Return the installed version of `package`."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"
