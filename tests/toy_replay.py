"""Steps that tell where they came from: episode e, step t observes 1000 e + t."""

import numpy as np
from hypothesis import strategies as st

from robot_rl.data.replay import ReplayBuffer
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition

OBS = {
    "state/x": ArraySpec((1,)),
    "image/front": ArraySpec((2, 4, 3), "uint8"),
    "image/odd": ArraySpec((1, 1, 3), "uint8"),
    "state/stack": ArraySpec((2, 2)),
}
SPEC = EnvSpec("counting", OBS, ActionSpec(("x", "y")), control_dt=0.1, max_steps=100)
INFO = EpisodeInfo("counting", "policy")
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=25)


def observe(x):
    return {
        "state/x": np.array([x], np.float32),
        "image/front": np.full((2, 4, 3), x % 251, np.uint8),
        "image/odd": np.full((1, 1, 3), x % 241, np.uint8),
        "state/stack": np.full((2, 2), -x, np.float32),
    }


def step(episode, t, *, terminated=False, truncated=False):
    x = 1000 * episode + t
    return Transition(observe(x), np.array([x / 1e6, 0.5], np.float32), float(x), observe(x + 1), terminated, truncated)


def is_terminated(episode, ends):
    return ends == "terminated" or (ends == "mixed" and episode % 2 == 1)


def fill(buffer, lengths, *, first=0, ends="terminated"):
    for episode, length in enumerate(lengths, start=first):
        end = "terminated" if is_terminated(episode, ends) else "truncated"
        buffer.begin_episode(INFO)
        for t in range(length):
            buffer.add(step(episode, t, **{end: t == length - 1}))
    return buffer


def filled(lengths, capacity, ends="terminated", **kwargs):
    return fill(ReplayBuffer(SPEC, capacity, seed=0, **kwargs), lengths, ends=ends)
