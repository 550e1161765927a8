"""Bringing an agent to the level of its demonstrations before it is allowed to change.

A critic that has only seen demonstrations overestimates everything else, so the first policy updates
against it destroy a cloned actor. The order here avoids that: clone, let the clone act, fit the critic to
demonstrations and the clone's own rollouts while the actor is frozen, and only then improve.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robot_rl.agents.sac import SAC
from robot_rl.data.batch import BatchSpec
from robot_rl.data.episode import Episode
from robot_rl.data.mixture import Mixture
from robot_rl.data.replay import ReplayBuffer
from robot_rl.training.config import TrainConfig
from robot_rl.training.experience import Experience
from robot_rl.types import Metrics

NORMALIZER_SAMPLES = 1024
"""Observations from which the standardisation is fixed where there are no demonstrations."""


def clone(agent: SAC, episodes: Sequence[Episode], demos: ReplayBuffer, config: TrainConfig) -> Metrics:
    """Standardise the state by the demonstrations and fit the actor to them.

    Args:
        agent: Fresh.
        episodes: The demonstrations.
        demos: The same, to draw batches from.
        config: Says how long.
    """
    keys = episodes[0].obs
    agent.set_normalizer({key: np.concatenate([episode.obs[key] for episode in episodes]) for key in keys})
    batches = Mixture([demos], [1.0]).batches(agent.batch_spec)
    return agent.pretrain_actor(batches, config.warm_start.clone_steps)


def settle_critic(agent: SAC, experience: Experience, config: TrainConfig) -> Metrics:
    """Fit the critic to the value of the cloned actor, which stays as it is."""
    return agent.pretrain_critic(experience.batches(agent.batch_spec), config.warm_start.critic_steps)


def standardize(agent: SAC, experience: Experience) -> None:
    """Standardise the state by the random steps of a run without demonstrations."""
    batch = experience.online.sample(BatchSpec(NORMALIZER_SAMPLES))
    agent.set_normalizer({key: value[0] for key, value in batch.obs.items()})
