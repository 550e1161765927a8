"""Replay: the newest steps of experience, each stored once, and uniform batches of windows from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.data.check import check_transition
from robot_rl.data.episode import Episode
from robot_rl.data.rows import BatchFrame, RowLayout, RowRing
from robot_rl.data.starts import StartIndex
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.specs import EnvSpec
from robot_rl.types import EpisodeInfo, Transition


class ReplayBuffer:
    """The newest `capacity` steps. An ExperienceSink; not for several threads at once.

    A segment of T steps takes T + 1 rows: its observations and the last `next_obs`. Row numbers only grow, so the rows
    of a window are consecutive numbers, and the gap that the last row of a segment leaves among the rows that have an
    action is what keeps windows inside segments.
    """

    def __init__(
        self,
        spec: EnvSpec,
        capacity: int,
        *,
        seed: int,
        is_demo: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        """Make an empty buffer; memory is taken as steps come.

        Args:
            spec: Of the steps that are stored: the environment's, or with features in place of its images.
            capacity: Steps held; older ones make way.
            seed: Of the sampling, of windows and of variants.
            is_demo: What batches say of the steps stored here.
            device: Where steps are stored and batches are made.
        """
        if capacity < 1:
            raise ConfigError(f"replay capacity {capacity} is below 1 step")
        self.spec, self.capacity, self.is_demo = spec, capacity, is_demo
        self.layout, self.device = RowLayout(spec), torch.device(device)
        self._ring = RowRing(self.layout, capacity, self.device)
        self._starts = {1: StartIndex()}  # by horizon
        self._generator = torch.Generator().manual_seed(seed)
        self._oldest = 0  # oldest row that is alive
        self._next = 0  # row that is written next
        self._is_open = False
        self._run = 0  # steps of the open segment
        self._newest_segment = 0  # its first row

    def __len__(self) -> int:
        """Steps stored."""
        return len(self._starts[1])

    def begin_episode(self, info: EpisodeInfo | None = None) -> None:
        """Start a segment; steps added from here on do not continue those before."""
        self._is_open, self._run, self._newest_segment = True, 0, self._next

    def add(self, transition: Transition) -> None:
        """Append one step to the open segment, which ends by itself at `terminated` or `truncated`.

        Its `obs` must be the `next_obs` of the step before; call `begin_episode` where it is not.

        Raises:
            DatasetError: If no segment is open, or the transition does not fit the spec; nothing is stored then.
        """
        if not self._is_open:
            raise DatasetError("a step was added to replay outside an episode; call begin_episode first")
        check_transition(transition, self.spec, is_first=self._run == 0)
        if len(self) == self.capacity:
            self._drop_oldest()
        if self._run == 0:
            self._append_obs(transition)
        newest = self._next - 1
        self._append_obs(transition, is_next=True)
        self._ring.write_step(newest, transition.action, transition.reward, transition.terminated)
        self._run += 1
        for horizon, starts in self._starts.items():
            start = newest - horizon + 1
            if self._run >= horizon and start >= self._oldest:
                starts.append(start)
        if transition.terminated or transition.truncated:
            self.end_episode()

    def end_episode(self) -> None:
        """Close the open segment; nothing happens if none is open."""
        self._is_open, self._run = False, 0

    def discard_episode(self) -> None:
        """Forget the newest segment, open or closed: no batch has a step of it any more, and the next one takes its place.

        Older steps that made way for it stay gone. Nothing happens if it was forgotten already.
        """
        self._next = self._newest_segment
        self._oldest = min(self._oldest, self._next)
        for starts in self._starts.values():
            while len(starts) and starts.last >= self._next:
                starts.drop_last()
        self.end_episode()

    def add_episode(self, episode: Episode) -> None:
        """Append a whole episode as one segment; an open one is closed."""
        self.begin_episode(episode.info)
        for transition in episode.transitions():
            self.add(transition)
        self.end_episode()

    def num_starts(self, horizon: int) -> int:
        """Return how many windows of `horizon` steps there are."""
        return len(self._starts_of(horizon))

    def sample(self, spec: BatchSpec) -> Batch:
        """Return exactly `spec.batch_size` windows, uniform with replacement over all there are.

        Raises:
            DatasetError: If no stored segment is long enough; the message tells the longest.
        """
        frame = BatchFrame(self.layout, spec, self.device)
        self.fill(frame, 0, spec.batch_size, spec)
        return frame.batch()

    def fill(self, frame: BatchFrame, start: int, stop: int, spec: BatchSpec) -> None:
        """Draw windows `start..stop - 1` of a batch into `frame`. Raises as `sample` does."""
        if start == stop:
            return
        starts = self._starts_of(spec.min_steps)
        if not len(starts):
            raise DatasetError(f"no stored episode has {spec.min_steps} steps; longest run is {self.longest_run()}")
        rows = starts.draw(stop - start, self._generator).to(self.device)
        frame.is_demo[start:stop] = float(self.is_demo)
        if frame.inside is not None:
            self._fill_overhang(rows, frame, start, stop, frame.inside)
        elif spec.n_step == 1:
            for step in range(spec.horizon + 1):
                self._ring.gather(rows + step, frame, step, start, stop, self._generator)
        else:
            self._fill_n_step(rows, frame, start, stop, spec)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the sampling (steps are kept on disk, not here)."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._generator.set_state(state["generator"])

    def _append_obs(self, transition: Transition, *, is_next: bool = False) -> None:
        self._ring.make_room(self._oldest, self._next + 1)
        self._ring.write_obs(self._next, transition.next_obs if is_next else transition.obs)
        self._next += 1

    def _drop_oldest(self) -> None:
        steps = self._starts[1]
        steps.drop_first()
        pending = self._next - (self._run > 0)  # the open segment's newest observation, which the next step needs
        self._oldest = steps.first if len(steps) else pending
        for starts in self._starts.values():
            while len(starts) and starts.first < self._oldest:
                starts.drop_first()

    def _starts_of(self, horizon: int) -> StartIndex:
        if horizon not in self._starts:
            # Rows with an action are consecutive numbers exactly inside a segment.
            steps = self._starts[1].rows()
            is_start = steps[horizon - 1 :] - steps[: max(0, len(steps) - horizon + 1)] == horizon - 1
            self._starts[horizon] = StartIndex(steps[: len(is_start)][is_start])
        return self._starts[horizon]

    def longest_run(self) -> int:
        """Return the steps of the longest stored segment (a scan, for messages)."""
        steps = self._starts[1].rows()
        breaks = np.flatnonzero(np.diff(steps) != 1) + 1
        return max((len(run) for run in np.split(steps, breaks)), default=0)

    def _fill_overhang(self, rows: Tensor, frame: BatchFrame, start: int, stop: int, inside: Tensor) -> None:
        ahead = torch.arange(len(inside), device=self.device)[:, None]
        is_inside = self._ring.outcomes(rows + ahead)[..., 2].cumprod(0)  # [H, B]
        inside[:, start:stop] = is_inside
        reached = torch.cat([torch.zeros_like(is_inside[:1]), is_inside.cumsum(0)]).long()  # [H + 1, B]
        for step, offset in enumerate(reached):
            self._ring.gather(rows + offset, frame, step, start, stop, self._generator)

    def _fill_n_step(self, rows: Tensor, frame: BatchFrame, start: int, stop: int, spec: BatchSpec) -> None:
        layout, ahead = self.layout, torch.arange(spec.n_step, device=self.device)[:, None]
        reward, terminated, is_step = self._ring.outcomes(rows + ahead).unbind(-1)  # [n, B] each
        is_inside = is_step.cumprod(0)
        steps = is_inside.sum(0)
        terminated = (terminated * is_inside).amax(0)
        reward = (reward * is_inside * spec.discount**ahead).sum(0)
        self._ring.gather(rows, frame, 0, start, stop, self._generator)
        self._ring.gather(rows + steps.long(), frame, 1, start, stop, self._generator)
        frame.table[0, start:stop, layout.reward] = reward
        frame.table[0, start:stop, layout.terminated] = terminated
        frame.discount[0, start:stop] = spec.discount**steps
