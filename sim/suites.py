"""The benchmark suites of the field, dm_control and Meta-World, as environments of the house."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import metadata
from typing import Any

import gymnasium as gym
import numpy as np

from robot_rl.envs.gymnasium_env import GymnasiumEnv
from robot_rl.envs.gymnasium_ids import prefer_headless_gl
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError, pip_line

DMC_MAX_STEPS = 1000
"""steps of an episode in every dm_control task"""
DMC_SUCCESS_RULE = "return>=800"
"""dm_control has no notion of success; its rewards lie in [0, 1], so 800 of 1000 is a task well done"""
UNLIMITED = 1e10
"""mjMAXVAL: what dm_control gives as bound of a control that has none"""
METAWORLD_MAX_STEPS = 500
"""steps after which Meta-World refuses to go on"""
OBJECTS = ((slice(4, 7), slice(7, 11)), (slice(11, 14), slice(14, 18)))
"""where Meta-World's observation has places and quaternions of its objects"""
VIDEO_CAMERA = "corner2"
"""Meta-World's camera for videos"""
VIDEO_SIZE = 256
"""pixels: side of the images that `render` returns"""


def make_dmc(task: str, options: EnvOptions) -> GymnasiumEnv:
    """Return a task of the DeepMind Control Suite. Cameras are those of its model.

    Args:
        task: `<domain>-<task>`, for example `cartpole-swingup`.
        options: `success_rule` is `DMC_SUCCESS_RULE` unless given. The sparse reward is then 1 once, at the step at
            which the rule first holds, and ends the episode; train with the dense reward to compare with the field.

    Raises:
        ConfigError: If dm_control is missing or does not go with the installed mujoco, or there is no such task.
    """
    prefer_headless_gl()
    try:
        from dm_control import suite
    except ImportError as error:
        raise ConfigError(_missing(f"dmc:{task}", "dm-control", "dmc", error)) from error
    known = [f"{domain}-{name}" for domain, name in suite.ALL_TASKS]
    if task not in known:
        raise ConfigError(_unknown("dm_control task", task, known))
    domain, _, name = task.partition("-")
    try:
        # The time limit is the adapter's: dm_control would start a new episode by itself.
        env = DMControl(suite.load(domain, name, task_kwargs={"time_limit": math.inf}))
    except AttributeError as error:
        raise ConfigError(
            f"dmc:{task} cannot be built ({error}): each release of dm-control goes with one release of mujoco; "
            f"installed: dm-control {metadata.version('dm-control')}, mujoco {metadata.version('mujoco')}; "
            "install the dm-control that was released with this mujoco"
        ) from error
    return GymnasiumEnv(
        env,
        replace(options, success_rule=options.success_rule or DMC_SUCCESS_RULE),
        name=f"dmc:{task}",
        max_steps=DMC_MAX_STEPS,
        cameras={camera: env.renderer(camera, options.image_size) for camera in env.cameras},
    )


class DMControl(gym.Env[dict[str, Any], np.ndarray]):
    """A `dm_env` environment through Gymnasium's interface. It never truncates, and terminates at discount 0."""

    def __init__(self, env: Any) -> None:
        self._env = env
        self.dt = float(env.control_timestep())
        self.render_mode = "rgb_array"
        self.observation_space = gym.spaces.Dict(
            {name: gym.spaces.Box(-np.inf, np.inf, spec.shape, np.float64) for name, spec in env.observation_spec().items()}
        )
        action = env.action_spec()
        low, high = (np.broadcast_to(bound, action.shape) for bound in (action.minimum, action.maximum))
        low = np.where(low <= -UNLIMITED, -np.inf, low)
        high = np.where(high >= UNLIMITED, np.inf, high)
        self.action_space = gym.spaces.Box(low, high, dtype=np.float64)

    @property
    def cameras(self) -> list[str]:
        """Names of the model's cameras."""
        model = self._env.physics.model
        return [model.id2name(index, "camera") for index in range(model.ncam)]

    def renderer(self, camera: str, size: int) -> Callable[[], np.ndarray]:
        """Return a function that renders `camera` as uint8 [size, size, 3], RGB."""
        return lambda: self._env.physics.render(size, size, camera_id=camera)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        if seed is not None:
            self._env.task.random.seed(seed % 2**32)  # a RandomState takes 32 bits
        return dict(self._env.reset().observation), {}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Advance one control step."""
        timestep = self._env.step(action)
        terminated = timestep.last() and timestep.discount == 0.0
        return dict(timestep.observation), float(timestep.reward or 0.0), terminated, False, {}

    def render(self) -> np.ndarray:
        """Return what the first camera sees, uint8 [VIDEO_SIZE, VIDEO_SIZE, 3], RGB."""
        return self._env.physics.render(VIDEO_SIZE, VIDEO_SIZE, camera_id=0)

    def close(self) -> None:
        """Free the physics and its OpenGL context."""
        self._env.close()


def make_metaworld(task: str, options: EnvOptions) -> GymnasiumEnv:
    """Return a Meta-World task with its goal observed. Each episode draws its own layout.

    MT1 draws one of 50 instead, so that of five demonstrations some are twice the same, and no start is unseen.

    Args:
        task: For example `assembly-v3`, or `assembly`.
        options: Of several cameras each is rendered with its own view; success is Meta-World's own. With `from_hand` the
            state is called `state/from_hand`, so that experience of both is told apart.

    Raises:
        ConfigError: If Meta-World is missing, there is no such task, or the episode is too long for it.
    """
    prefer_headless_gl()
    try:
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS  # which registers the environments, too
    except ImportError as error:
        raise ConfigError(_missing(f"metaworld:{task}", "metaworld", "metaworld", error)) from error
    known = list(ALL_V3_ENVIRONMENTS)
    versioned = task if task.endswith("-v3") else f"{task}-v3"
    if versioned not in known:
        raise ConfigError(_unknown("Meta-World task", task, known))
    if options.max_steps is not None and options.max_steps * options.action_repeat > METAWORLD_MAX_STEPS:
        times = f" x action_repeat {options.action_repeat}" if options.action_repeat > 1 else ""
        raise ConfigError(f"metaworld:{task}: max_steps {options.max_steps}{times} is above its limit {METAWORLD_MAX_STEPS}")
    size = max(VIDEO_SIZE, options.image_size)
    env = _MetaWorld(
        gym.make(
            "Meta-World/MT1",
            env_name=versioned,
            seed=0,  # of the layouts that are not used; without, it would draw from numpy's global generator
            render_mode="rgb_array",
            width=size,
            height=size,
            disable_env_checker=True,
        ),
        is_from_hand=options.from_hand,
    )
    return GymnasiumEnv(
        env,
        replace(options, from_hand=False),
        name=f"metaworld:{versioned}",
        max_steps=METAWORLD_MAX_STEPS,
        cameras={camera: env.renderer(camera) for camera in env.cameras},
    )


class _MetaWorld(gym.Wrapper):
    """Corrects three habits of Meta-World: `reset(seed)` draws the layout, any camera renders, and right side up."""

    room_obs: np.ndarray
    """Meta-World's own observation, with all places in room coordinates, whatever is observed"""

    def __init__(self, env: gym.Env, *, is_from_hand: bool) -> None:
        super().__init__(env)
        self._is_from_hand = is_from_hand
        if is_from_hand:
            self.observation_space = gym.spaces.Dict({"from_hand": gym.spaces.Box(-np.inf, np.inf, (39,), np.float64)})
        env.reset()  # chooses one of MT1's layouts, for the last time
        env.get_wrapper_attr("toggle_sample_tasks_on_reset")(False)
        self.unwrapped._freeze_rand_vec = False  # type: ignore[attr-defined]
        self.unwrapped.seeded_rand_vec = True  # type: ignore[attr-defined]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        if seed is not None:
            self.unwrapped.seed(seed)  # type: ignore[attr-defined]
        obs, info = self.env.reset(seed=seed, options=options)
        return self._seen(obs), info

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Advance one step."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self._seen(obs), reward, terminated, truncated, info

    def _seen(self, obs: np.ndarray) -> Any:
        self.room_obs = obs
        return {"from_hand": seen_from_hand(obs)} if self._is_from_hand else obs

    @property
    def cameras(self) -> list[str]:
        """Names of the model's cameras."""
        model = self.unwrapped.model  # type: ignore[attr-defined]
        return [model.camera(index).name for index in range(model.ncam)]

    def renderer(self, camera: str) -> Callable[[], Any]:
        """Return a function that renders `camera`."""
        index = self.cameras.index(camera)
        # The corner cameras hang upside down in the model.
        turn = (slice(None, None, -1), slice(None, None, -1)) if camera.startswith("corner") else ()

        def render() -> Any:
            self.unwrapped.mujoco_renderer.camera_id = index  # type: ignore[attr-defined]
            return np.asarray(self.env.render())[turn]

        return render

    def render(self) -> Any:
        """Return what `VIDEO_CAMERA` sees."""
        return self.renderer(VIDEO_CAMERA)()


def seen_from_hand(room_obs: np.ndarray) -> np.ndarray:
    """Return Meta-World's observation [39] with places of objects and goal from the hand, m, and motions since the step before.

    Of the hand itself the place in the room stays: table and walls do not move. An object that is not there stays zero. The
    step before is the simulator's, however many an action lasts.

    Args:
        room_obs: Hand [3], gripper opening, two objects of place [3] and quaternion [4]; the same 18 of the step before;
            goal [3].
    """
    now, before, goal = room_obs[:18], room_obs[18:36], room_obs[36:]
    hand, seen, motion = now[:3], now.copy(), now - before
    for at, turn in OBJECTS:
        seen[at] -= hand if now[at].any() else 0.0
        if np.dot(now[turn], before[turn]) < 0.0:  # the same rotation has two quaternions
            motion[turn] = now[turn] + before[turn]
    return np.concatenate([seen, motion, goal - hand])


def _missing(name: str, package: str, extra: str, error: ImportError) -> str:
    """Return what to tell when a suite's package cannot be imported."""
    return f"{name} needs {package} ({error}); install it: {pip_line(extra)}"


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what to tell of a name that does not exist."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f" (did you mean {', '.join(close)}?)" if close else ""
    return f"unknown {kind} {name!r}{hint}; known: {', '.join(known)}"
