"""How fast SAC learns and acts from two cameras whose frames a frozen backbone sees once."""

from __future__ import annotations

import numpy as np
from bench_row import Row, seconds_per_call

from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.batch import BatchSpec
from robot_rl.data.replay import ReplayBuffer
from robot_rl.data.transfer import prefetched
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import Observation, Transition

IMAGE = ArraySpec((128, 128, 3), "uint8")
CAMERAS = ("image/front", "image/wrist")
SPEC = EnvSpec(
    "benchmark",
    {"state/x": ArraySpec((8,)), **dict.fromkeys(CAMERAS, IMAGE)},
    ActionSpec(tuple(f"a{index}" for index in range(7))),
    control_dt=0.1,
    max_steps=100,
)
NUM_STEPS = 1000
NUM_DISTINCT = 32
"""Different observations among them: copying does not care, and encoding random images takes time."""


def rows(device: str = "cpu") -> list[Row]:
    """Return updates a second, sampling included, and ms of an action, at the default vision settings."""
    agent = SAC(SPEC, SACConfig(hidden_dims=(256, 256), utd_ratio=1.0, critic_actor_ratio=1), device=device)
    observations = _observations()
    agent.networks.sight.fit_projections({key: np.stack([obs[key] for obs in observations]) for key in CAMERAS})
    replay = _filled(agent, observations)
    batches = prefetched(iter(lambda: replay.sample(agent.batch_spec), None), device)
    policy = agent.policy()
    moments = iter(_observations() * 100)  # copies: a frame is encoded when it is first seen
    update_s = seconds_per_call(lambda: agent.update(batches), 30, device=device)
    sample_s = seconds_per_call(lambda: replay.sample(BatchSpec(256)), 30)
    act_s = seconds_per_call(lambda: policy.act(_copy(next(moments)), explore=True), 30)
    return [
        Row(name="learner/pixels_critics_2", value=1.0 / update_s, unit="updates/s"),
        Row(name="learner/pixels_sample", value=1e3 * sample_s, unit="ms"),
        Row(name="learner/pixels_act", value=1e3 * act_s, unit="ms"),
        Row(name="learner/pixels_bytes_per_step", value=float(replay.layout.nbytes), unit="B"),
    ]


def _observations() -> list[Observation]:
    rng = np.random.default_rng(0)
    observations: list[Observation] = []
    for _ in range(NUM_DISTINCT):
        images = {key: rng.integers(0, 256, IMAGE.shape, np.uint8) for key in CAMERAS}
        observations.append({"state/x": rng.standard_normal(8).astype(np.float32), **images})
    return observations


def _copy(obs: Observation) -> Observation:
    return {key: value.copy() for key, value in obs.items()}


def _filled(agent: SAC, observations: list[Observation]) -> ReplayBuffer:
    """Return a buffer of `NUM_STEPS` steps in one episode."""
    replay = ReplayBuffer(agent.replay_spec, NUM_STEPS, seed=0)
    encoded = agent.replay_obs(observations)
    replay.begin_episode()
    for step in range(NUM_STEPS):
        now, later = encoded[step % NUM_DISTINCT], encoded[(step + 1) % NUM_DISTINCT]
        replay.add(Transition(now, np.zeros(7, np.float32), 0.0, later, terminated=False, truncated=False))
    return replay
