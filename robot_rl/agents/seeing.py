"""What an agent does with its cameras before anything is learned by reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from robot_rl.agents.sight import Sight
from robot_rl.data.episode import Episode
from robot_rl.specs import ArraySpec, EnvSpec
from robot_rl.types import Metrics, Observation


class SightedNetworks(Protocol):
    """Networks that look through a `Sight`."""

    sight: Sight
    replay_obs: dict[str, ArraySpec]
    """Observations as replay keeps them."""


Networks = TypeVar("Networks", bound=SightedNetworks)


class Seeing(Generic[Networks]):
    """The half of an agent that looks through `networks.sight`."""

    spec: EnvSpec
    seed: int
    networks: Networks

    def learn_to_see(self, demos: Sequence[Episode], more: Sequence[Episode] = ()) -> Metrics:
        """Learn from demonstrations what needs no reward: projections of features, and where the tool has to go.

        Nothing without a frozen encoder. Of `more` episodes, only the goal is learned. Returns how well it does on
        demonstrations that it has not seen.

        Raises:
            ConfigError: If there are no demonstrations to learn from, and they are needed.
        """
        return self.networks.sight.fit(demos, self.seed, more)

    def see_better(self, success: Episode, *, learn: bool = True) -> Metrics:
        """Learn from an episode of its own that succeeded where the tool has to go; without `learn`, only remember it."""
        return self.networks.sight.learn_from(success, self.seed, refit=learn)

    @property
    def replay_spec(self) -> EnvSpec:
        """The environment's, with observations as replay has to keep them for this agent."""
        return replace(self.spec, obs=self.networks.replay_obs)

    def replay_obs(self, observations: Sequence[Observation], *, demo: int | None = None) -> list[Observation]:
        """Return observations as `replay_spec` says, of the demonstration with that index if there is one."""
        return self.networks.sight.encode(observations, demo=demo)
