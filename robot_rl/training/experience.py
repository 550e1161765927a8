"""What a run learns from: its demonstrations, and every step it took, in replay and on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Protocol

from robot_rl.data.augmentation import Augmentation
from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.data.episode import Episode
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import list_discarded, load_dataset, read_episode, recover
from robot_rl.data.mirror import Mirror
from robot_rl.data.mixture import Mixture
from robot_rl.data.replay import ReplayBuffer
from robot_rl.data.transfer import prefetched
from robot_rl.data.turn import Turn
from robot_rl.errors import DatasetError
from robot_rl.specs import EnvSpec
from robot_rl.training.config import TrainConfig
from robot_rl.training.counters import EpisodeOutcome
from robot_rl.training.imitation import QuickestSuccesses
from robot_rl.types import EpisodeInfo, Observation, Transition

log = logging.getLogger(__name__)


class See(Protocol):
    """Turns consecutive observations into what replay keeps of them."""

    def __call__(self, observations: Sequence[Observation], *, demo: int | None = None) -> list[Observation]:
        """Return as many; `demo` is the index of the demonstration that they are of."""
        ...


@dataclass(slots=True)
class Stored:
    """How far the episodes on disk go. Each says how many came before it, so one that is damaged does not shift the count."""

    episodes: int = 0
    env_steps: int = 0
    human_steps: int = 0
    """Steps on which a person acted, of the episodes that could be read."""
    outcomes: list[EpisodeOutcome] = field(default_factory=list)
    """Of the episodes that could be read."""

    def count(self, episode: Episode) -> None:
        """Count the next episode that is learned from."""
        self.count_steps(episode)
        outcome = EpisodeOutcome(episode.success, episode.length, int(episode.is_intervention.sum()))
        self.outcomes.append(outcome)

    def count_steps(self, episode: Episode) -> None:
        """Count the steps of an episode alone: of one that was discarded."""
        self.episodes = max(self.episodes, int(episode.info.extra.get("episode", self.episodes)) + 1)
        self.env_steps = max(self.env_steps, int(episode.info.extra.get("env_steps", self.env_steps)) + episode.length)
        self.human_steps += int(episode.is_intervention.sum())


def numbered(info: EpisodeInfo, index: int, env_steps: int) -> EpisodeInfo:
    """Return `info` with what `Stored` reads: the episodes and environment steps of the run before this one."""
    return replace(info, extra={**info.extra, "episode": index, "env_steps": env_steps})


class Experience:
    """An ExperienceSink. Replay holds what the disk holds, so a run that died goes on from its episodes.

    All steps go to `online`. What a person did goes to `demos` as well, each intervention as a segment that ends with what
    was seen after its last step; so do quick successes of the agent's own. A discarded episode is in none of them.
    """

    def __init__(
        self,
        config: TrainConfig,
        spec: EnvSpec,
        folder: Path,
        demos: Sequence[Episode],
        *,
        replay_spec: EnvSpec | None = None,
        see: See | None = None,
        device: str = "cpu",
    ) -> None:
        """Take the demonstrations; steps come by `restore` and `add`.

        Args:
            config: Of the run.
            spec: Of the environment: what is kept on disk.
            folder: Where the run's episodes are kept.
            demos: To learn from, or none.
            replay_spec: What replay keeps instead, camera features for images say; None: the same.
            see: Turns observations into what `replay_spec` says; None: leaves them.
            device: Where batches are wanted.
        """
        replay_spec = replay_spec or spec
        self._see, self._device = see, device
        self.online = ReplayBuffer(replay_spec, config.replay_capacity, seed=config.seed + 1)
        self.demos = self._demo_buffer(replay_spec, demos, config)
        self.human_steps = 0
        """Steps of interventions that are learned from as demonstrations."""
        self._mixture = Mixture([self.online, self.demos], [1.0 - config.demo_fraction, config.demo_fraction])
        self._augmentations: dict[str, Augmentation] = {}
        if config.mirror:
            self._augmentations["mirror"] = Mirror(replay_spec, config.mirror, seed=config.seed, device=device)
        if config.turn:
            self._augmentations["turn"] = Turn(replay_spec, seed=config.seed, device=device)
        self._writer = EpisodeWriter(folder, spec)
        self._quickest = QuickestSuccesses()
        self._imitates_itself = config.self_imitation and bool(demos)
        self._episode: list[Transition] = []

    def begin_episode(self, info: EpisodeInfo) -> None:
        """Start an episode."""
        self._episode = []
        self._writer.begin_episode(info)
        self.online.begin_episode(info)

    def add(self, transition: Transition) -> None:
        """Append one step to the open episode."""
        self._writer.add(transition)  # first: what cannot be kept is not learnt from either
        (seen,) = self._seen([transition])
        self.online.add(seen)
        self._episode.append(seen)

    def end_episode(self) -> None:
        """Close the open episode, as truncated unless it has ended."""
        self._writer.end_episode()
        self.online.end_episode()
        self._imitate(self._episode)
        self._episode = []

    def discard_episode(self) -> None:
        """Forget the open episode: it is learned from no more, and on disk it is put aside. Nothing happens if none is open."""
        if self._episode:
            self._writer.discard_episode()
            self.online.discard_episode()
        self._episode = []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to learn from."""
        return not (len(self.online) or len(self.demos))

    @property
    def last_episode(self) -> str:
        """Name of the newest complete episode on disk."""
        path = self._writer.last_path
        return "" if path is None else path.name

    def restore(self, on_success: Callable[[Episode], object] | None = None) -> Stored:
        """Put the episodes on disk into replay, oldest first; one that its writer left open is closed, as truncated.

        Args:
            on_success: Told of those that succeeded.
        """
        recover(self._writer.folder)
        stored = Stored()
        for episode in load_dataset(self._writer.folder, self._writer.spec):
            seen = self._seen(list(episode.transitions()))
            _add_segment(self.online, seen)
            self._imitate(seen)
            stored.count(episode)
            if on_success is not None and episode.success:
                on_success(episode)
        for path in list_discarded(self._writer.folder):  # the robot did take their steps
            try:
                stored.count_steps(read_episode(path))
            except DatasetError as error:
                log.warning("skipped %s: %s", path, error)
        return stored

    def _seen(self, transitions: list[Transition], *, demo: int | None = None) -> list[Transition]:
        """Return consecutive steps as replay keeps them."""
        if self._see is None or not transitions:
            return transitions
        seen = self._see([transitions[0].obs, *(transition.next_obs for transition in transitions)], demo=demo)
        return [
            replace(transition, obs=obs, next_obs=next_obs)
            for transition, (obs, next_obs) in zip(transitions, pairwise(seen), strict=True)
        ]

    def _demo_buffer(self, spec: EnvSpec, demos: Sequence[Episode], config: TrainConfig) -> ReplayBuffer:
        """Return a buffer that holds the demonstrations, with room for as many of the agent's own steps as replay has."""
        num_steps = sum(episode.length for episode in demos)
        buffer = ReplayBuffer(spec, num_steps + config.replay_capacity, seed=config.seed, is_demo=True)
        for index, episode in enumerate(demos):
            _add_segment(buffer, self._seen(list(episode.transitions()), demo=index))
        return buffer

    def _imitate(self, episode: Sequence[Transition]) -> None:
        """Let what a person did in an episode, or the whole of it if it is the agent's own quick success, be demonstrations."""
        for segment in interventions(episode):
            _add_segment(self.demos, segment)
            self.human_steps += len(segment)
        is_own_success = any(step.success for step in episode) and not any(step.is_intervention for step in episode)
        if self._imitates_itself and is_own_success and self._quickest.add(len(episode)):
            _add_segment(self.demos, episode)

    def batches(self, spec: BatchSpec) -> Iterator[Batch]:
        """Yield batches for ever, `demo_fraction` of each from the demonstrations."""
        return self._delivered(self._mixture.batches(spec))

    def demo_batches(self, spec: BatchSpec) -> Iterator[Batch]:
        """Yield batches from the demonstrations alone, for ever."""
        return self._delivered(Mixture([self.demos], [1.0]).batches(spec))

    def _delivered(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        there = prefetched(batches, self._device)
        for augmentation in self._augmentations.values():
            there = augmentation.map(there)
        return there

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the sampling; the steps are on disk."""
        augmentations = {name: part.state_dict() for name, part in self._augmentations.items()}
        return {"mixture": self._mixture.state_dict(), **augmentations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._mixture.load_state_dict(state["mixture"])
        for name, augmentation in self._augmentations.items():
            augmentation.load_state_dict(state[name])


def interventions(episode: Sequence[Transition]) -> list[list[Transition]]:
    """Return the runs of consecutive steps on which a person acted."""
    runs = groupby(episode, key=lambda transition: transition.is_intervention)
    return [list(run) for is_intervention, run in runs if is_intervention]


def _add_segment(buffer: ReplayBuffer, transitions: Sequence[Transition]) -> None:
    buffer.begin_episode()
    for transition in transitions:
        buffer.add(transition)
    buffer.end_episode()
