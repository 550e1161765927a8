"""Train a policy: demonstrations, cloning, reinforcement learning, evaluation, and a run folder that holds it all.

python launch/train.py peg_insert --seed 1
python launch/train.py peg_insert --teleop spacemouse --cockpit
python launch/train.py gymnasium --task gymnasium:InvertedPendulum-v5 --env.success-rule "return>=1000" --env-steps 10000
python launch/train.py --resume runs/peg_insert/...
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from command_line import EXIT_INTERRUPTED, own_words, run_script, show_log, with_examples
from demonstrations import check_demonstrations, collect_demonstrations, demonstrator
from person import CockpitOptions, Person, person
from reward_model import check_reward, judged, recorded_successes
from rich.console import Console

from robot_rl.envs.factory import Env, make_env
from robot_rl.envs.station_env import StationEnv, station_file
from robot_rl.envs.stays_stopped import StaysStopped
from robot_rl.errors import ConfigError
from robot_rl.runs import RunFolder, default_run_dir
from robot_rl.training.comparison import comparison_table
from robot_rl.training.config import AGENTS, TrainConfig, config_from_json
from robot_rl.training.device import resolve_device
from robot_rl.training.loop import Trainer
from robot_rl.training.presets import PRESETS
from robot_rl.training.progress import ProgressDisplay
from robot_rl.training.report import FinalResults, measure_final, write_report
from robot_rl.training.seeds import episode_seed

console = Console()

INTERVENER = 2**31
"""Index of the seed of a simulated person, beyond all episodes."""

RESUME_MAY_DIFFER = ("env_steps", "device", "threads", "teleop", "takeover", "veto_s")
"""Settings that a resumed run may change."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says."""

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    run_dir: Path | None = None
    """folder of the run; None: runs/<task>/<time>-seed<S>"""
    resume: Path | None = None
    """continue this run; only env_steps, device, threads and who may take over may change"""
    cockpit: Annotated[CockpitOptions, tyro.conf.arg(name="")] = field(default_factory=CockpitOptions)

    def __post_init__(self) -> None:
        if self.resume is not None and self.run_dir is not None:
            raise ConfigError(f"--resume {self.resume} continues that run in its own folder; leave --run-dir out")


@own_words()
def parse(argv: Sequence[str]) -> Arguments:
    """Return what the command line says; a resumed run's own settings are the defaults where no preset is named."""
    about = with_examples(__doc__ or "")
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--resume")
    found, rest = finder.parse_known_args(argv)
    names_preset = bool(rest) and not rest[0].startswith("-")
    if names_preset and rest[0] not in PRESETS:
        raise ConfigError(f"unknown preset {rest[0]!r}; known: {', '.join(PRESETS)}; any environment: gymnasium --task NAME")
    if found.resume is not None:
        rest += ["--resume", found.resume]
        if not names_preset:
            default = Arguments(config_from_json(RunFolder.open(found.resume).config))
            return tyro.cli(Arguments, default=default, args=rest, description=about)
    presets = {name: (description, Arguments(config)) for name, (description, config) in PRESETS.items()}
    return tyro.extras.overridable_config_cli(presets, args=rest, description=about)


def check_is_read(argv: Sequence[str], agent: str) -> None:
    """Raise ConfigError if an option is of the agent that does not learn: it would change nothing, and nobody would notice."""
    for word in argv:
        table = word.removeprefix("--").partition(".")[0]
        if word.startswith("--") and table in AGENTS and table != agent:
            raise ConfigError(f"{word} is an option of --agent {table}, and {agent} learns")


def main(argv: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    arguments = parse(argv)
    config = arguments.config
    check_is_read(argv, config.agent)
    if config.threads:
        torch.set_num_threads(config.threads)
    with environments(config) as (env, eval_env):
        # What can be wrong with the settings is found before there is a folder.
        resolve_device(config.device)
        check_demonstrations(config, eval_env)
        check_reward(config, env)
        title, seed = f"training {config.task}", episode_seed(config.seed, "train", INTERVENER)
        with (
            person(config.teleop, config.takeover, arguments.cockpit, env, seed=seed, title=title, console=console) as company,
            open_run(arguments) as run,
            way_back(run),
        ):
            return train(config, run, env, eval_env, company)


@contextmanager
def environments(config: TrainConfig) -> Iterator[tuple[Env, Env]]:
    """Yield where the agent acts, and where it is measured, by the environment's own success whatever pays the agent."""
    # Where a classifier decides, the true success must not end an episode: it would tell the agent what nobody else knows.
    ends = config.env.end_at_success and config.reward.source == "env"
    env = make_env(config.task, replace(config.env, end_at_success=ends))
    try:
        # There is one robot at a station: measured on the same devices, and paid as the agent is.
        is_at_station = isinstance(env, StationEnv)
        options = replace(config.evaluation_env, end_at_success=ends if is_at_station else config.env.end_at_success)
        eval_env = env.sibling(options) if is_at_station else make_env(config.task, options)
        try:
            yield env, eval_env
        finally:
            eval_env.close()
    finally:
        env.close()


def open_run(arguments: Arguments) -> RunFolder:
    """Return the run to continue, or a new one."""
    config = arguments.config
    if arguments.resume is not None:
        before = config_from_json(RunFolder.open(arguments.resume).config).env_steps
        if config.env_steps < before:
            raise ConfigError(
                f"{arguments.resume} has a budget of {before} env_steps; it can be raised, not cut to {config.env_steps}"
            )
        return RunFolder.resume(arguments.resume, config, may_differ=RESUME_MAY_DIFFER)
    folder = arguments.run_dir or default_run_dir(config.task, config.seed)
    return RunFolder.create(folder, config, station_file(config.task))


@contextmanager
def way_back(run: RunFolder) -> Iterator[None]:
    """Tell how to go on if something ends the run: nothing in its folder is lost."""
    try:
        yield
    except ConfigError:
        raise
    except BaseException:
        console.print(f"everything so far is kept; {how_to_go_on(run)}", soft_wrap=True, markup=False)
        raise


def how_to_go_on(run: RunFolder) -> str:
    """Return the command that continues a run."""
    return f"go on with: python {sys.argv[0]} --resume {run.path}"


def train(config: TrainConfig, run: RunFolder, env: Env, eval_env: Env, company: Person) -> int:
    """Fill a run folder, with somebody there who may take over; return the exit status."""
    demos = collect_demonstrations(config, run, eval_env)
    env = judged(config, run, env)
    lessons = recorded_successes(run, env.env_spec)
    publish = company.publisher(env)
    veto_s = config.veto_s if config.reward.source == "classifier" else 0.0
    env = company.beside(env, veto_s=veto_s)
    if isinstance(eval_env, StationEnv):  # somebody can stop the robot while it is measured, too
        eval_env = StaysStopped(company.beside(judged(config, run, eval_env), veto_s=veto_s))
    with ProgressDisplay(f"{config.task}, seed {config.seed}: {run.path}", config.env_steps, console=console) as display:
        trainer = Trainer(config, run, env, eval_env, demos, lessons=lessons, report=display.update, publish=publish)
        is_finished = trainer.train()
        final = measure_final(trainer, demonstrator(config, eval_env)) if is_finished else None
    if final is None:
        console.print(f"stopped at {trainer.counters.env_steps} steps; {how_to_go_on(run)}", soft_wrap=True, markup=False)
        return EXIT_INTERRUPTED
    show_results(trainer, final)
    return 0


def show_results(trainer: Trainer, final: FinalResults) -> None:
    """Write the report into the run and print its table."""
    summary = write_report(trainer, final)
    path = trainer.run.path
    console.print(comparison_table(final.table_rows(), f"{trainer.config.task}: the same unseen starts for all"))
    reached = summary["steps_to_95"]
    first = "never reached" if reached is None else f"first reached at {reached} steps"
    console.print(f"95% success {first}; training took {summary['wall_s']:.0f} s")
    if summary["human_steps"]:
        share, rate = summary["human_steps"] / summary["env_steps"], summary["intervention_rate"]
        console.print(f"a person acted on {share:.1%} of all steps, and on {rate:.1%} of those of the last 20 episodes")
    for name in ("summary.json", "curve.png", "comparison.png", "videos/final.mp4"):
        if (path / name).exists():
            console.print(f"  {path / name}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    show_log(console)
    run_script(lambda: main(sys.argv[1:]))
