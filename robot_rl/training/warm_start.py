"""Bringing an agent to the level of its demonstrations before it is allowed to change.

A critic that has only seen demonstrations overestimates everything else, so the first policy updates
against it destroy a cloned actor. The order here avoids that: clone, let the clone act, fit the critic to
demonstrations and the clone's own rollouts while the actor is frozen, and only then improve.
"""

from __future__ import annotations

from collections.abc import Sequence

from robot_rl.agents.sac import SAC
from robot_rl.data.episode import Episode
from robot_rl.data.mixture import Mixture
from robot_rl.data.replay import ReplayBuffer
from robot_rl.specs import EnvSpec
from robot_rl.training.config import TrainConfig
from robot_rl.types import Metrics


def demo_buffer(spec: EnvSpec, demos: Sequence[Episode], seed: int) -> ReplayBuffer:
    """Return a replay buffer that holds exactly the demonstrations."""
    capacity = max(1, sum(episode.length for episode in demos) + len(demos))
    buffer = ReplayBuffer(spec, capacity, seed=seed, is_demo=True)
    for episode in demos:
        buffer.add_episode(episode)
    return buffer


def clone(agent: SAC, demos: ReplayBuffer, config: TrainConfig) -> Metrics:
    """Fit the actor to the demonstrations by behaviour cloning."""
    batches = Mixture([demos], [1.0]).batches(agent.batch_spec)
    return agent.pretrain_actor(batches, config.warm_start.clone_steps)


def settle_critic(agent: SAC, mixture: Mixture, config: TrainConfig) -> Metrics:
    """Fit the critic to the value of the cloned actor, which stays as it is."""
    return agent.pretrain_critic(mixture.batches(agent.batch_spec), config.warm_start.critic_steps)
