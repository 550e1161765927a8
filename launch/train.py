"""Train a policy: demonstrations, cloning, reinforcement learning, evaluation, and a run folder that holds it all.

python launch/train.py peg_insert --seed 1
python launch/train.py gymnasium --task gymnasium:Pendulum-v1 --env-steps 20000
python launch/train.py --resume runs/peg_insert/...
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from command_line import run_script
from demonstrations import collect_demonstrations
from rich.console import Console

from robot_rl.envs.factory import Env, make_demonstrator, make_env
from robot_rl.errors import ConfigError
from robot_rl.protocols import Policy
from robot_rl.runs import RunFolder, default_run_dir
from robot_rl.training.comparison import comparison_table
from robot_rl.training.config import TrainConfig, config_from_json
from robot_rl.training.loop import Trainer
from robot_rl.training.presets import PRESETS
from robot_rl.training.progress import ProgressDisplay
from robot_rl.training.report import FinalResults, measure_final, write_report
from robot_rl.training.seeds import episode_seed

console = Console()

RESUME_MAY_DIFFER = ("env_steps", "device", "threads")
"""Settings that a resumed run may change."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says."""

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    run_dir: str | None = None
    """folder of the run; None: runs/<task>/<time>-seed<S>"""


def parse(argv: Sequence[str]) -> tuple[Arguments, Path | None]:
    """Return the arguments, and the run to resume if there is one."""
    rest, resume = split_resume(argv)
    if resume is not None and (not rest or rest[0].startswith("-")):
        default = Arguments(config_from_json(RunFolder.open(resume).config))
        return tyro.cli(Arguments, default=default, args=rest, description=__doc__), resume
    if rest and not rest[0].startswith("-") and rest[0] not in PRESETS:
        raise ConfigError(f"unknown preset {rest[0]!r}; known: {', '.join(PRESETS)}; any environment: gymnasium --task NAME")
    presets = {name: (description, Arguments(config)) for name, (description, config) in PRESETS.items()}
    arguments = tyro.extras.overridable_config_cli(presets, args=rest, description=__doc__)
    return arguments, resume


def split_resume(argv: Sequence[str]) -> tuple[list[str], Path | None]:
    """Take `--resume RUN` or `--resume=RUN` out of the arguments."""
    rest, resume = list(argv), None
    for index, argument in enumerate(argv):
        if argument == "--resume":
            if index + 1 == len(argv):
                raise ConfigError("--resume needs the folder of a run")
            resume = Path(argv[index + 1])
            del rest[index : index + 2]
        elif argument.startswith("--resume="):
            resume = Path(argument.partition("=")[2])
            del rest[index]
    return rest, resume


def main(argv: Sequence[str]) -> None:
    """Run what the command line says."""
    arguments, resume = parse(argv)
    config = arguments.config
    if config.threads:
        torch.set_num_threads(config.threads)
    if resume is not None:
        run = RunFolder.resume(resume, config, may_differ=RESUME_MAY_DIFFER)
    else:
        run = RunFolder.create(arguments.run_dir or default_run_dir(config.task, config.seed), config)
    with run:
        train(config, run)


def train(config: TrainConfig, run: RunFolder) -> None:
    """Fill a run folder."""
    env = make_env(config.task, config.env)
    eval_env = make_env(config.task, replace(config.env, viewer=False))
    try:
        demos = collect_demonstrations(config, run, eval_env)
        with ProgressDisplay(f"{config.task}, seed {config.seed}: {run.path}", config.env_steps) as display:
            trainer = Trainer(config, run, env, eval_env, demos, report=display.update)
            is_finished = trainer.train()
        if is_finished:
            show_results(trainer, measure_final(trainer, demonstrator(config, eval_env)))
        else:
            console.print(
                f"stopped at {trainer.counters.env_steps} steps; go on with: python launch/train.py --resume {run.path}"
            )
    finally:
        env.close()
        eval_env.close()


def show_results(trainer: Trainer, final: FinalResults) -> None:
    """Write the report into the run and print its table."""
    summary = write_report(trainer, final)
    path = trainer.run.path
    console.print(comparison_table(final.table_rows(), f"{trainer.config.task}: the same unseen starts for all"))
    reached = summary["steps_to_95"]
    first = "never reached" if reached is None else f"first reached at {reached} steps"
    console.print(f"95% success {first}; training took {summary['wall_s']:.0f} s")
    for name in ("summary.json", "curve.png", "comparison.png", "videos/final.mp4"):
        if (path / name).exists():
            console.print(f"  {path / name}", soft_wrap=True)


def demonstrator(config: TrainConfig, env: Env) -> Policy | None:
    """Return who demonstrated, to be measured beside the agent; None if only recordings exist."""
    if config.demos.episodes == 0 or config.demos.folder is not None:
        return None
    return make_demonstrator(config.demos.policy, config.task, env, episode_seed(config.seed, "final", 0))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_script(lambda: main(sys.argv[1:]))
