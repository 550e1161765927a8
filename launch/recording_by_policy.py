"""A policy records, scripted or a lab's own: attempts until enough are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from recording_config import RecordConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from demos.record import record
from robot_rl.data.background import BackgroundWriter
from robot_rl.data.episodes import list_episodes
from robot_rl.envs.factory import Env
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.rollout import EpisodeResult
from robot_rl.errors import ConfigError
from robot_rl.protocols import Policy
from robot_rl.training.statistics import wilson_interval


@dataclass(slots=True)
class Session:
    """What has happened so far; complete at any time, so that Ctrl-C loses neither episodes nor their count."""

    results: list[EpisodeResult] = field(default_factory=list)
    kept: list[EpisodeResult] = field(default_factory=list)

    def add(self, result: EpisodeResult, *, is_kept: bool) -> None:
        """Count one attempt."""
        self.results.append(result)
        if is_kept:
            self.kept.append(result)

    @property
    def successes(self) -> int:
        """How many attempts succeeded."""
        return sum(result.success for result in self.results)

    def table(self, config: RecordConfig, wanted: int) -> Table:
        """Return the summary that is shown at the end."""
        low, high = wilson_interval(self.successes, len(self.results))
        table = Table(title=f"{config.acting} in {config.env}", show_header=False)
        table.add_row("kept", f"{len(self.kept)} of {wanted} wanted")
        table.add_row("success", f"{self.successes}/{len(self.results)}  (95% interval {low:.0%} to {high:.0%})")
        if self.kept:
            table.add_row("mean length", f"{np.mean([result.length for result in self.kept]):.1f} steps")
            table.add_row("mean return", f"{np.mean([result.return_ for result in self.kept]):.3g}")
        table.add_row("folder", Text(f"{config.out}  ({len(list_episodes(config.out))} episodes)"))
        return table


def record_by_policy(
    config: RecordConfig, env: Env, policy: Policy, writer: BackgroundWriter, seed: int, console: Console
) -> None:
    """Let a policy record, and show how it goes."""
    wanted = config.episodes - (len(list_episodes(config.out)) if config.resume else 0)
    if wanted <= 0:
        console.print(f"{config.out} holds {len(list_episodes(config.out))} episodes: nothing is missing")
        return
    session = Session()
    try:
        with _progress(console) as progress:
            bar = progress.add_task("recording", total=wanted, successes="")

            def on_episode(_: int, result: EpisodeResult, is_kept: bool) -> None:
                session.add(result, is_kept=is_kept)
                shown = f"{session.successes}/{len(session.results)} successful"
                progress.update(bar, completed=len(session.kept), successes=shown)
                if result.fault == STOPPED:  # the next reset would move what a person stopped
                    raise KeyboardInterrupt

            record(
                env,
                policy,
                writer,
                wanted,
                seed,
                keep=config.keep,
                past_success=config.past_success,
                max_attempts=config.max_attempts,
                notes=config.notes,
                on_episode=on_episode,
            )
    except KeyboardInterrupt:
        console.print("stopped; what was recorded is kept")
    else:
        _check_enough(config, session, wanted)
    finally:
        if session.results:
            console.print(session.table(config, wanted))


def _progress(console: Console) -> Progress:
    """Return the progress display."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[successes]}"),
        TimeRemainingColumn(),
        console=console,
    )


def _check_enough(config: RecordConfig, session: Session, wanted: int) -> None:
    """Raise ConfigError if fewer demonstrations were kept than asked for."""
    if len(session.kept) < wanted:
        raise ConfigError(
            f"{config.acting} succeeded in {session.successes} of {len(session.results)} attempts, so {config.out} got "
            f"{len(session.kept)} of {wanted} demonstrations; raise --max-attempts, or give --keep all"
        )
