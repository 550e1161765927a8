"""A sitting: a person records episode after episode and says what becomes of each, with nothing but the input device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from demos.countdown import Countdown
from demos.pending import PendingEpisode, Verdict
from demos.record import attempt_seed
from robot_rl.envs.factory import Env
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.rollout import EpisodeResult, run_episode
from robot_rl.errors import ConfigError, DatasetError, DeviceError
from robot_rl.protocols import Policy, Teleop
from robot_rl.types import EpisodeInfo, TeleopInput

POLL_S = 0.05
"""s between two looks at the input device while the robot holds."""
MAX_DEAD_STARTS = 3
"""Episodes in a row that a fault ends before their first step, after which the device is given up."""
QUESTION = "success: keep · failure: keep as a failure · discard: do it again · stop: end"


@dataclass(frozen=True, slots=True)
class SittingPlan:
    """What shall be recorded."""

    episodes: int
    """successes wanted"""
    failures: int = 0
    """failures wanted"""
    countdown_s: float = 3.0
    """s between a reset and an episode, for people to get ready"""
    seed: int = 0
    """the starts depend on this and their number alone; one that is done again is the same"""
    source: str = "demo"
    """what the episodes say of their origin"""
    notes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """stored with every episode"""

    def __post_init__(self) -> None:
        if self.episodes < 0 or self.failures < 0 or self.episodes + self.failures == 0:
            raise ConfigError(f"episodes {self.episodes} and failures {self.failures} must not be negative, nor both zero")
        if not 0 <= self.countdown_s <= 60:
            raise ConfigError(f"countdown_s {self.countdown_s:g} is not in 0..60 s")


@dataclass(slots=True)
class SittingTally:
    """What has been recorded so far, what was there before included."""

    successes: int = 0
    failures: int = 0
    discarded: int = 0
    steps: int = 0
    """of the kept episodes of this sitting"""
    attempts: int = 0
    """of this sitting"""


class Stopped(Exception):
    """The person ended the sitting while nothing was recorded."""


class Sitting:
    """Runs episodes until the plan is fulfilled or the person stops. The robot holds while it counts down and while it asks."""

    def __init__(
        self,
        env: Env,
        policy: Policy,
        teleop: Teleop,
        pending: PendingEpisode,
        plan: SittingPlan,
        tally: SittingTally | None = None,
        *,
        say: Callable[[str], None] = lambda _: None,
        on_episode: Callable[[EpisodeResult, Verdict], None] = lambda *_: None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing moves before `run`.

        Args:
            env: With `Intervention` by `teleop` in it.
            policy: Who acts while the person does not.
            teleop: The person, who is also asked.
            pending: Where episodes go.
            plan: What is wanted.
            tally: What is there already; counted on in place.
            say: Told in a line what is going on.
            on_episode: Called with how each episode went and what became of it.
            wait: Lets a duration, s, pass.
        """
        self._env = Countdown(env, self._count_down)
        self._policy, self._teleop, self._pending, self._plan = policy, teleop, pending, plan
        self.tally = tally or SittingTally()
        self._say, self._on_episode, self._wait = say, on_episode, wait
        self._start = self._dead_starts = 0

    @property
    def is_fulfilled(self) -> bool:
        """Whether all that is wanted is there."""
        return self.tally.successes >= self._plan.episodes and self.tally.failures >= self._plan.failures

    def run(self) -> bool:
        """Record; return whether the plan is fulfilled, False if the person stopped.

        Whatever is raised, the robot holds, complete episodes stay, and one that was under way is put aside.

        Raises:
            DeviceError: If the input device fails, or another device again and again.
            DatasetError: If the disk refuses.
        """
        try:
            while not self.is_fulfilled:
                if not self._record_one():
                    return False
        except Stopped:
            return False
        except BaseException:
            with suppress(DatasetError):  # of a disk that is full the first error tells more
                self._pending.close(Verdict.DISCARD)
            raise
        finally:
            self._say("")
        return True

    def _record_one(self) -> bool:
        """Record one episode; return whether to go on."""
        seed = attempt_seed(self._plan.seed, self._start)
        extra = {**self._plan.notes, "start": self._start}
        info = EpisodeInfo(self._env.env_spec.name, self._plan.source, seed, extra)
        self._say("resetting: keep clear of the robot")
        result = run_episode(self._env, self._policy, seed=seed, explore=False, info=info, sinks=(self._pending,))
        self.tally.attempts += 1
        if result.fault == STOPPED:
            self._settle(result, Verdict.DISCARD)
            return False
        if result.is_discarded:
            self._settle(result, Verdict.DISCARD)
            return True
        if result.fault.startswith("input device"):
            raise DeviceError(result.fault)
        if not self._pending.has_steps:
            self._dead_starts += 1
            if self._dead_starts >= MAX_DEAD_STARTS:
                raise DeviceError(f"{self._dead_starts} episodes in a row ended before their first step: {result.fault}")
            return True
        self._dead_starts = 0
        verdict = self._ask(result)
        own = Verdict.SUCCESS if self._pending.is_success else Verdict.DISCARD
        self._settle(result, verdict or own)
        return verdict is not None

    def _settle(self, result: EpisodeResult, verdict: Verdict) -> None:
        """Let the pending episode become what the person said, and count it."""
        self._pending.close(verdict)
        self.tally.successes += verdict is Verdict.SUCCESS
        self.tally.failures += verdict is Verdict.FAILURE
        self.tally.discarded += verdict is Verdict.DISCARD
        if verdict is not Verdict.DISCARD:
            self.tally.steps += result.length
            self._start += 1
        self._on_episode(result, verdict)

    def _ask(self, result: EpisodeResult) -> Verdict | None:
        """Return what the person says of the episode that has ended; None: nothing, and the sitting is over."""
        how = result.fault or ("success" if self._pending.is_success else "no success")
        self._say(f"{how} after {result.length} steps.  {QUESTION}")
        try:
            while True:
                human = self._teleop.read()
                if human.stop:
                    return None
                if verdict := _verdict(human):
                    return verdict
                self._wait(POLL_S)
        except BaseException:  # the question is open, but what the person had called a success is one
            if self._pending.is_success:
                self._settle(result, Verdict.SUCCESS)
            raise

    def _count_down(self) -> None:
        """Let the person get ready; pause holds the clock. Raises Stopped."""
        ticks, is_paused, said = round(self._plan.countdown_s / POLL_S), False, ""
        while True:
            human = self._teleop.read()
            if human.stop:
                raise Stopped
            is_paused ^= human.pause
            if ticks == 0 and not is_paused:
                break
            text = "paused" if is_paused else f"recording in {math.ceil(ticks * POLL_S)}"
            if text != said:
                self._say(text)
                said = text
            self._wait(POLL_S)
            ticks -= not is_paused
        self._say("recording")


def _verdict(human: TeleopInput) -> Verdict | None:
    """Return what was said; the more cautious word wins."""
    if human.discard:
        return Verdict.DISCARD
    if human.failure:
        return Verdict.FAILURE
    return Verdict.SUCCESS if human.success else None
