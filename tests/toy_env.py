"""A point in a square that must find the middle: an environment of the house with nothing but arithmetic in it.

Scripts reach it as `toy_env:make`. `TOY_SIGNAL="SIGKILL 0 37"` makes the first environment of a process (0: training,
1: evaluation) send its own process that signal in its 37th step.
"""

import itertools
import os
import signal

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled

from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

MAX_STEPS = 20
RADIUS = 0.15
_instances = itertools.count()


class Point(gym.Env):
    """Reach the middle of [-1, 1]^2 within 20 steps of at most 0.2."""

    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    observation_space = gym.spaces.Dict({"state/position": gym.spaces.Box(-2.0, 2.0, (2,), np.float32)})

    def __init__(self, max_steps=None, *, radius=RADIUS, fault_every=0):
        self.env_spec = EnvSpec("toy", {"state/position": ArraySpec((2,))}, ActionSpec(("x", "y")), 0.1, max_steps or MAX_STEPS)
        self.radius, self.fault_every = radius, fault_every
        self.total_steps = 0
        self.seeds = []
        self._rng = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.seeds.append(seed)
        angle = self._rng.uniform(0.0, 2.0 * np.pi)
        self.position = 0.8 * np.array([np.cos(angle), np.sin(angle)])
        self.steps = 0
        return self._obs(), {"stamp": 0.0}

    def step(self, action):
        self.total_steps += 1
        self.steps += 1
        truncated = self.steps == self.env_spec.max_steps
        if self.fault_every and self.total_steps % self.fault_every == 0:
            return self._obs(), 0.0, False, True, self._info(action, fault="the arm said no")
        self.position = np.clip(self.position + 0.2 * action, -1.0, 1.0)
        success = bool(np.linalg.norm(self.position) < self.radius)
        return self._obs(), float(success), success, truncated and not success, self._info(action, success=success)

    def render(self):
        picture = np.zeros((32, 32, 3), np.uint8)
        x, y = (15 + 14 * self.position).astype(int)
        picture[max(0, y - 2) : y + 2, max(0, x - 2) : x + 2] = 255
        return picture

    def close(self):
        pass

    def _obs(self):
        return {"state/position": self.position.astype(np.float32)}

    def _info(self, action, success=False, fault=""):
        return {
            "action": action,
            "policy_action": action,
            "is_intervention": False,
            "clamped": False,
            "success": success,
            "true_success": success,
            "stamp": 0.1 * self.steps,
            "fault": fault,
            "exertion": None,
        }


class Signalling(Point):
    """Interrupts its own process where `TOY_SIGNAL` says so."""

    def __init__(self, max_steps):
        super().__init__(max_steps)
        self._index = next(_instances)

    def step(self, action):
        name, index, step = os.environ.get("TOY_SIGNAL", "SIGINT -1 0").split()
        if (int(index), int(step)) == (self._index, self.total_steps + 1):
            os.kill(os.getpid(), getattr(signal, name))
        return super().step(action)


class Blind(Point):
    """Lacks what it would draw with."""

    def render(self):
        raise DependencyNotInstalled("pygame is not installed, run `pip install pygame`")


class Straight:
    """Walks to the middle, unsteadily."""

    version = 0

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def begin_episode(self):
        pass

    def act(self, obs, *, explore):
        noise = self._rng.normal(0.0, 0.3, 2)
        return np.clip(-2.0 * obs["state/position"] + noise, -1.0, 1.0).astype(np.float32)


class Lost(Straight):
    """Stays where it is."""

    def act(self, obs, *, explore):
        return np.zeros(2, np.float32)


def make(options):
    return Signalling(options.max_steps)


def make_blind(options):
    return Blind(options.max_steps)


def make_wider(options):
    """Another environment: its demonstrations do not fit."""
    env = Point(options.max_steps)
    env.env_spec = EnvSpec("wider", {"state/position": ArraySpec((3,))}, env.env_spec.action, 0.1, MAX_STEPS)
    return env


def make_turning(options):
    """Another environment: its actions have another dimension more."""
    env = Point(options.max_steps)
    env.env_spec = EnvSpec("turning", env.env_spec.obs, ActionSpec(("x", "y", "yaw")), 0.1, MAX_STEPS)
    return env


def scripted(env, seed):
    return Straight(seed)


def lost(env, seed):
    return Lost(seed)
