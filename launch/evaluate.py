"""Measure a trained policy on fresh episodes.

python launch/evaluate.py runs/peg_insert/... --episodes 50 --seed 7 --json
python launch/evaluate.py runs/peg_insert/... --episodes 5 --teleop gamepad --cockpit
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal

import tyro
from command_line import parse, run_script
from person import CockpitOptions, person
from rich.console import Console

from robot_rl.agents.bundle import SavedPolicy
from robot_rl.agents.bundle import load_policy as load_saved
from robot_rl.agents.modem_policy import ModemPolicy
from robot_rl.data.spec_json import check_same_spec
from robot_rl.envs.factory import Env, make_env
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.rollout import EpisodeResult
from robot_rl.envs.takeover import TakeOverMode
from robot_rl.errors import ConfigError, RunError
from robot_rl.protocols import Policy
from robot_rl.runs import RunFolder
from robot_rl.training.comparison import PolicyResult, comparison_table
from robot_rl.training.config import TrainConfig, config_from_json
from robot_rl.training.counters import episode_metrics, reported
from robot_rl.training.device import resolve_device
from robot_rl.training.evaluate import Evaluation, evaluate
from robot_rl.training.film import film
from robot_rl.training.loop import CLONE, POLICY

FILMED_EPISODES = 4


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """What to measure."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of the run"""
    episodes: int = 50
    """fresh episodes"""
    seed: int = 0
    """of the episodes; other than the run's own, so starts are new with any seed"""
    policy: Literal["agent", "clone"] = "agent"
    """the newest learned policy, or the cloned one it started from"""
    sample: bool = False
    """sample actions as while exploring"""
    regrasp: bool | None = None
    """let a gripper that has closed on nothing open and go up by itself; None: as in the run's own evaluations"""
    video: Path | None = None
    """film the first episodes into this MP4"""
    device: str = "auto"
    """auto, cpu or cuda"""
    json: bool = False
    """print one JSON object instead of a table"""
    teleop: str | None = None
    """who may take over: simulated, keyboard, gamepad, spacemouse, leader or browser; None: nobody"""
    takeover: TakeOverMode = "touch"
    """how a person takes over: by touching the device, while holding its button, or by tapping it once and again"""
    cockpit: Annotated[CockpitOptions, tyro.conf.arg(name="")] = field(default_factory=CockpitOptions)

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigError(f"episodes {self.episodes} is below 1")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative")


def load_policy(run: RunFolder, name: str, device: str) -> SavedPolicy:
    """Return a policy of a run. Raises RunError if it has none yet."""
    folder = run.path / {"agent": POLICY, "clone": CLONE}[name]
    if not folder.exists():
        raise RunError(f"{run.path} holds no {name} policy: it has no folder {folder.name!r}")
    return load_saved(folder, device=device)


def check_writable(path: Path) -> None:
    """Raise ConfigError if no file can be made at `path`; its folder is made."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}") from error


def measured_in(config: EvaluateConfig, train_config: TrainConfig) -> EnvOptions:
    """Return the options of the environment of the episodes."""
    options = train_config.evaluation_env
    return options if config.regrasp is None else replace(options, regrasp=config.regrasp)


def describe(config: EvaluateConfig, train_config: TrainConfig, policy: SavedPolicy, result: Evaluation) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "task": train_config.task,
        "policy": config.policy,
        "policy_version": policy.version,
        "eval_action": policy.config.eval_action,
        "sampled": config.sample or (isinstance(policy, ModemPolicy) and policy.config.eval_sampled),
        "regrasp": measured_in(config, train_config).regrasp,
        "seed": config.seed,
        "success": result.success,
        "success_rate": result.success_rate,
        "mean_length": result.mean_length,
        "mean_return": result.mean_return,
        "helped_episodes": result.helped,
        "intervention_rate": result.intervention_rate,
        "exertion": reported(result.exertion) or None,
    }


def measure(config: EvaluateConfig, env: Env, policy: Policy, title: str) -> Evaluation:
    """Run the episodes, with a person beside the robot if one is asked for; their stop ends the script."""

    def on_episode(_: int, result: EpisodeResult) -> None:
        company.publish(episode_metrics(result))
        if result.fault == STOPPED:
            raise KeyboardInterrupt

    console = Console(stderr=True)  # standard output may be JSON
    with person(config.teleop, config.takeover, config.cockpit, env, seed=config.seed, title=title, console=console) as company:
        return evaluate(
            company.beside(env), policy, config.episodes, config.seed,
            stream="test", explore=config.sample, on_episode=on_episode,
        )  # fmt: skip


def main(config: EvaluateConfig) -> None:
    """Run the episodes and print what came of them."""
    run = RunFolder.open(config.run)
    train_config = config_from_json(run.config)
    device = resolve_device(config.device)
    policy = load_policy(run, config.policy, device)
    if config.video is not None:
        check_writable(config.video)
    env = make_env(train_config.task, measured_in(config, train_config))
    try:
        check_same_spec(policy.spec, env.env_spec, f"the {config.policy} policy of {run.path}")
        if config.video is not None:  # first: what cannot be drawn is told at once, and not after all the episodes
            actor = load_policy(run, config.policy, device)  # with randomness of its own, so that a film changes no result
            film(env, actor, config.video, min(FILMED_EPISODES, config.episodes), config.seed, stream="test")
        result = measure(config, env, policy, title=f"evaluating {train_config.task}")
    finally:
        env.close()
    if config.json:
        print(json.dumps(describe(config, train_config, policy, result)), flush=True)
    else:
        row = PolicyResult(config.policy, result.successes, result.episodes, result.mean_length)
        Console().print(comparison_table([row], f"{train_config.task}: {run.path}"))
        if result.helped:
            print(
                f"a person helped in {result.helped} of {result.episodes} episodes, {result.intervention_rate:.1%} of the steps"
            )


if __name__ == "__main__":
    run_script(lambda: main(parse(EvaluateConfig, __doc__)))
