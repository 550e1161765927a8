"""Bringing an agent to the level of its demonstrations before it is allowed to change.

A critic that has only seen demonstrations overestimates everything else, so the first policy updates
against it destroy a cloned actor. The order here avoids that: clone, let the clone act, fit the critic to
demonstrations and the clone's own rollouts while the actor is frozen, and only then improve. What a person
corrected in those rollouts is cloned as well, before the critic is fitted; without demonstrations it is all there is.
"""

from __future__ import annotations

from collections.abc import Iterator

from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.training.agents import Learner
from robot_rl.training.config import TrainConfig
from robot_rl.training.experience import Experience
from robot_rl.types import Metrics

NORMALIZER_SAMPLES = 4096
"""Observations from which the standardisation is fixed."""
NORMALIZER_BYTES = 128 << 20
"""Fewer where they are images: what the batch may take."""


def clone(agent: Learner, experience: Experience, config: TrainConfig) -> Metrics:
    """Standardise the state by the demonstrations and fit the actor to them."""
    _standardize(agent, experience.demo_batches(_normalizer_batch(experience)))
    return agent.pretrain_actor(experience.demo_batches(agent.batch_spec), config.clone_steps)


def clone_corrections(agent: Learner, experience: Experience, config: TrainConfig) -> Metrics:
    """Fit the actor to demonstrations and interventions together."""
    return agent.pretrain_actor(experience.demo_batches(agent.batch_spec), config.clone_steps)


def settle_critic(agent: Learner, experience: Experience, config: TrainConfig) -> Metrics:
    """Fit the critic to the value of the cloned actor, which stays as it is."""
    return agent.pretrain_critic(experience.batches(agent.batch_spec), config.warm_start.critic_steps)


def standardize(agent: Learner, experience: Experience) -> None:
    """Standardise the state by the first steps of a run without demonstrations."""
    _standardize(agent, experience.batches(_normalizer_batch(experience)))


def _standardize(agent: Learner, batches: Iterator[Batch]) -> None:
    agent.set_normalizer({key: value[0] for key, value in next(batches).obs.items()})


def _normalizer_batch(experience: Experience) -> BatchSpec:
    return BatchSpec(min(NORMALIZER_SAMPLES, NORMALIZER_BYTES // (2 * experience.online.layout.nbytes)))
