"""SAC solves a sparse toy task from nothing: the test fails on a sign error in the target or in the actor's loss."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.batch import Batch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

SPEC = EnvSpec("corridor", {"state/offset": ArraySpec((2,))}, ActionSpec(("x", "y")), control_dt=0.1, max_steps=20)
RADIUS = 0.15


class Corridor:
    """A point that must find the origin from anywhere in a square of 1 m; reward 1 there and nothing elsewhere."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def reset(self) -> dict[str, np.ndarray]:
        self.position = self.rng.uniform(-1.0, 1.0, 2)
        self.steps = 0
        return self.obs()

    def obs(self) -> dict[str, np.ndarray]:
        return {"state/offset": self.position.astype(np.float32)}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool]:
        self.position = np.clip(self.position + 0.2 * action, -1.2, 1.2)
        self.steps += 1
        reached = bool(np.linalg.norm(self.position) < RADIUS)
        return self.obs(), float(reached), reached, self.steps >= SPEC.max_steps


class Memory:
    """Uniform replay of everything seen."""

    def __init__(self, size: int, batch_size: int, seed: int) -> None:
        self.obs, self.next_obs = np.zeros((size, 2), np.float32), np.zeros((size, 2), np.float32)
        self.action = np.zeros((size, 2), np.float32)
        self.reward, self.terminated = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.rng, self.batch_size, self.count = np.random.default_rng(seed), batch_size, 0

    def add(self, obs, action, reward, next_obs, terminated) -> None:
        i, self.count = self.count, self.count + 1
        self.obs[i], self.next_obs[i] = obs["state/offset"], next_obs["state/offset"]
        self.action[i], self.reward[i], self.terminated[i] = action, reward, terminated

    def batches(self, discount: float) -> Iterator[Batch]:
        while True:
            i = self.rng.integers(self.count, size=self.batch_size)
            state = torch.from_numpy(np.stack([self.obs[i], self.next_obs[i]]))
            action, reward, terminated = (
                torch.from_numpy(values[None, i]) for values in (self.action, self.reward, self.terminated)
            )
            yield Batch(
                {"state/offset": state},
                action,
                reward,
                terminated,
                torch.full_like(reward, discount),
                torch.zeros(len(i)),
            )


def success_rate(agent: SAC, episodes: int = 50) -> float:
    env, successes = Corridor(seed=1000), 0
    for _ in range(episodes):
        obs, terminated, truncated = env.reset(), False, False
        while not (terminated or truncated):
            obs, _, terminated, truncated = env.step(agent.act(obs, explore=False))
        successes += terminated
    return successes / episodes


@pytest.mark.parametrize("num_critics", [2, 5])
def test_learns_a_sparse_task_from_nothing(num_critics):
    torch.set_num_threads(1)
    config = SACConfig(
        batch_size=64, hidden_dims=(64, 64), num_critics=num_critics, num_min_critics=2, discount=0.95, utd_ratio=1.0,
        critic_actor_ratio=1, actor_lr=1e-3, critic_lr=1e-3, tau=0.02, target_clip=(0.0, 1.0),
    )  # fmt: skip
    agent, env, memory = SAC(SPEC, config, seed=0), Corridor(seed=0), Memory(2000, config.batch_size, seed=0)
    batches = memory.batches(config.discount)
    obs = env.reset()
    for step in range(1500):
        action = env.rng.uniform(-1, 1, 2) if step < 300 else agent.act(obs, explore=True)
        next_obs, reward, terminated, truncated = env.step(action)
        memory.add(obs, action, reward, next_obs, terminated)
        obs = env.reset() if terminated or truncated else next_obs
        if step >= 300:
            metrics = agent.update(batches)
    assert 0.0 <= metrics["critic/q"] <= 1.0
    assert success_rate(agent) > 0.9
