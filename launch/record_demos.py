"""Record demonstrations into a folder; one that holds some already is added to.

python launch/record_demos.py --env peg_insert --episodes 20 --out demos/peg_insert
python launch/record_demos.py --env pick_lift --cameras front wrist --past-success 10 --out data/successes
python launch/record_demos.py --env pick_lift --cameras front wrist --clumsy --keep all --no-end-at-success --out data/failures
python launch/record_demos.py --env gymnasium:Pendulum-v1 --policy my_lab.expert:make --reward dense --keep all --out d
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Literal

import numpy as np
import tyro
from command_line import parse, run_script
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from demos.record import record
from robot_rl.data.episodes import list_episodes, read_episode
from robot_rl.data.spec_json import check_same_spec
from robot_rl.envs.factory import Env, make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.rollout import EpisodeResult
from robot_rl.errors import ConfigError, DatasetError, SpecMismatch
from robot_rl.protocols import Policy
from robot_rl.specs import EnvSpec
from robot_rl.training.statistics import wilson_interval
from sim.clumsy import clumsy


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """What to record."""

    env: str
    """reach, pick_lift, peg_insert, gymnasium:<id>, dmc:<domain>-<task>, metaworld:<task>, or package.module:factory"""
    out: Path
    """folder of the dataset"""
    policy: str = "scripted"
    """who demonstrates: `scripted` (our tasks), or `package.module:factory` called with (env, seed)"""
    episodes: int = 20
    """demonstrations to keep"""
    past_success: int = 0
    """steps for which an episode goes on after success, holding what was reached: success to train a reward classifier on"""
    clumsy: bool = False
    """let what the policy does go wrong: failures to train a reward classifier on (our tasks; with --keep all)"""
    keep: Literal["success", "all"] = "success"
    """keep successful episodes only, or all"""
    max_attempts: int | None = None
    """attempts after which to give up; None: ten for each demonstration"""
    seed: int | None = None
    """decides starts and noise; None: the number of episodes in the folder, so that adding to it repeats nothing"""
    options: Annotated[EnvOptions, tyro.conf.arg(name="")] = field(default_factory=EnvOptions)

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigError(f"episodes {self.episodes} is below 1")
        if self.past_success < 0:
            raise ConfigError(f"past_success {self.past_success} is negative")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ConfigError(f"max_attempts {self.max_attempts} is below 1")
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative")


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

    def table(self, config: RecordConfig) -> Table:
        """Return the summary that is shown at the end."""
        low, high = wilson_interval(self.successes, len(self.results))
        table = Table(title=f"{config.policy} in {config.env}", show_header=False)
        table.add_row("kept", f"{len(self.kept)} of {config.episodes} wanted")
        table.add_row("success", f"{self.successes}/{len(self.results)}  (95% interval {low:.0%} to {high:.0%})")
        if self.kept:
            table.add_row("mean length", f"{np.mean([result.length for result in self.kept]):.1f} steps")
            table.add_row("mean return", f"{np.mean([result.return_ for result in self.kept]):.3g}")
        table.add_row("folder", f"{config.out}  ({len(list_episodes(config.out))} episodes)")
        return table


def check_folder(folder: Path, spec: EnvSpec) -> None:
    """Raise SpecMismatch if `folder` holds demonstrations of something else.

    One readable episode tells: all that were added to it passed here.
    """
    for path in list_episodes(folder):
        try:
            found = read_episode(path).spec
        except DatasetError:
            continue
        check_same_spec(found, spec, f"--out {folder}")
        for what, there, here in (("name", found.name, spec.name), ("options", found.extra, spec.extra)):
            if there != here:
                raise SpecMismatch(f"--out {folder} holds demonstrations with {what} {there!r}, not {here!r}")
        return


def check_writable(folder: Path) -> None:
    """Raise ConfigError if nothing can be written to `folder`, which need not exist yet."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise ConfigError(f"--out {folder} cannot be written: {error.strerror or error}") from error


def demonstrator(config: RecordConfig, env: Env, seed: int) -> Policy:
    """Return who acts."""
    policy = make_demonstrator(config.policy, config.env, env, seed)
    return clumsy(env, policy, seed) if config.clumsy else policy


def main(config: RecordConfig) -> None:
    """Record, and show how it goes.

    Raises:
        ConfigError: If a name is unknown, `out` cannot be written, or the demonstrator was too seldom successful.
        SpecMismatch: If the folder holds demonstrations of something else.
    """
    console = Console(stderr=True)
    check_writable(config.out)
    ends = config.options.end_at_success and not config.past_success
    env = make_env(config.env, replace(config.options, end_at_success=ends))
    session = Session()
    try:
        check_folder(config.out, env.env_spec)
        seed = len(list_episodes(config.out)) if config.seed is None else config.seed
        policy = demonstrator(config, env, seed)
        with _progress(console) as progress:
            bar = progress.add_task("recording", total=config.episodes, successes="")

            def on_episode(_: int, result: EpisodeResult, is_kept: bool) -> None:
                session.add(result, is_kept=is_kept)
                shown = f"{session.successes}/{len(session.results)} successful"
                progress.update(bar, completed=len(session.kept), successes=shown)

            record(
                env,
                policy,
                config.out,
                config.episodes,
                seed,
                keep=config.keep,
                past_success=config.past_success,
                max_attempts=config.max_attempts,
                on_episode=on_episode,
            )
    except KeyboardInterrupt:
        console.print("stopped; what was recorded is kept")
    else:
        _check_enough(config, session)
    finally:
        env.close()
        if session.results:
            console.print(session.table(config))


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


def _check_enough(config: RecordConfig, session: Session) -> None:
    """Raise ConfigError if fewer demonstrations were kept than asked for."""
    if len(session.kept) < config.episodes:
        raise ConfigError(
            f"{config.policy} succeeded in {session.successes} of {len(session.results)} attempts, so {config.out} got "
            f"{len(session.kept)} of {config.episodes} demonstrations; raise --max-attempts, or give --keep all"
        )


if __name__ == "__main__":
    run_script(lambda: main(parse(RecordConfig, __doc__)))
