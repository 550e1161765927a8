"""A person beside the robot records: the parts of a sitting put together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from person import Person
from recording_config import RecordConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sitting_display import SittingDisplay

from demos.hold_still import HoldStill
from demos.marked_success import MarkedSuccess, SuccessMarks
from demos.pending import PendingEpisode, Verdict
from demos.sitting import Sitting, SittingPlan, SittingTally
from robot_rl.data.background import BackgroundWriter
from robot_rl.data.episodes import list_episodes
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.envs.factory import Env
from robot_rl.envs.rollout import EpisodeResult
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.protocols import Policy
from robot_rl.training.counters import episode_metrics
from robot_rl.types import Transition


def record_by_person(
    config: RecordConfig,
    env: Env,
    company: Person,
    policy: Policy | None,
    writer: BackgroundWriter,
    seed: int,
    console: Console,
) -> None:
    """Let a person record, and show what came of it."""
    tally = SittingTally()
    if config.resume:
        tally.successes = count_successes(config.out)
        tally.failures = len(list_episodes(config.failures_folder)) - tally.successes * (config.failures_folder == config.out)
    is_fulfilled = False
    try:
        is_fulfilled = run_sitting(config, env, company, policy, writer, config.plan(seed), tally, console)
    except KeyboardInterrupt:
        console.print("interrupted; what was complete is kept")
    finally:
        console.print(sitting_table(config, tally))
    if not is_fulfilled:
        console.print(f"not finished; go on with: python {sys.argv[0]} ... --resume", markup=False, soft_wrap=True)


def count_successes(folder: Path) -> int:
    """Return how many episodes of a folder have a success; those that cannot be read count as none."""
    count = 0
    for path in list_episodes(folder):
        with suppress(DatasetError):
            count += bool(StoredEpisode(path).steps("success").any())
    return count


def sitting_table(config: RecordConfig, tally: SittingTally) -> Table:
    """Return the summary of a sitting."""
    table = Table(title=f"{config.teleop} in {config.env}", show_header=False)
    table.add_row("successes", f"{tally.successes} of {config.episodes} wanted")
    table.add_row("failures", f"{tally.failures} of {config.failures} wanted" if config.failures else str(tally.failures))
    table.add_row("discarded", str(tally.discarded))
    table.add_row("attempts", str(tally.attempts))
    table.add_row("folder", Text(f"{config.out}  ({len(list_episodes(config.out))} episodes)"))
    if tally.failures:
        table.add_row("failures in", Text(str(config.failures_folder)))
    return table


def run_sitting(
    config: RecordConfig,
    env: Env,
    company: Person,
    policy: Policy | None,
    writer: BackgroundWriter,
    plan: SittingPlan,
    tally: SittingTally,
    console: Console,
) -> bool:
    """Record until the plan is fulfilled; return False if the person stopped before.

    Args:
        config: What was asked for.
        env: Where to act, nobody beside it yet.
        company: The person.
        policy: Who acts while the person does not; None: nobody, the robot stands.
        writer: Where successes go.
        plan: What is wanted.
        tally: What is there already, counted on in place.
        console: Where it is shown.
    """
    teleop = company.teleop
    if teleop is None:
        raise ConfigError("nobody is there to record; give a device to --teleop")
    still = HoldStill(env.env_spec.action)
    display = SittingDisplay(console, f"{config.teleop} in {config.env}", plan, tally, writer.folder, env.env_spec.control_dt)
    pending = PendingEpisode(writer, config.failures_folder, _both(display.step, still.executed))
    cockpit = company.cockpit

    def say(text: str) -> None:
        display.say(text)
        if cockpit is not None:
            cockpit.say(text)

    def on_episode(result: EpisodeResult, verdict: Verdict) -> None:
        display.episode(result, verdict)
        company.publish(episode_metrics(result))

    with display:
        sitting = Sitting(
            _beside(company, env, config.past_success),
            policy or still,
            teleop,
            pending,
            plan,
            tally,
            say=say,
            on_episode=on_episode,
        )
        return sitting.run()


def _beside(company: Person, env: Env, past_success: int) -> Env:
    """Return `env` with the person beside it, going on past success if wanted."""
    if not past_success or company.teleop is None:
        return company.beside(env)
    marks = SuccessMarks(company.teleop)
    return replace(company, teleop=marks).beside(env, around=lambda env: MarkedSuccess(env, marks, past_success))


def _both(first: Callable[[Transition], None], second: Callable[[Transition], None]) -> Callable[[Transition], None]:
    def tell(transition: Transition) -> None:
        first(transition)
        second(transition)

    return tell
