"""The demonstrations of a training run: read from a folder, or recorded into the run."""

from __future__ import annotations

import logging
from pathlib import Path

from demos.load import load_demos
from demos.record import record
from robot_rl.data.episode import Episode
from robot_rl.data.episodes import load_dataset, recover
from robot_rl.envs.factory import Env, make_demonstrator
from robot_rl.errors import ConfigError
from robot_rl.protocols import Policy
from robot_rl.runs import RunFolder
from robot_rl.training.config import TrainConfig
from robot_rl.training.seeds import episode_seed

log = logging.getLogger(__name__)


def check_demonstrations(config: TrainConfig, env: Env) -> None:
    """Raise ConfigError or SpecMismatch if what the configuration asks for cannot be had: before a run is made of it."""
    if config.demos.folder is not None and config.demos.episodes > 0:
        _read(config, env)
    else:
        demonstrator(config, env)


def demonstrator(config: TrainConfig, env: Env) -> Policy | None:
    """Return who demonstrates, with a seed of its own for the final evaluation; None if there are only recordings."""
    if config.demos.episodes == 0 or config.demos.folder is not None:
        return None
    return make_demonstrator(config.demos.policy, config.task, env, episode_seed(config.seed, "final", 0))


def collect_demonstrations(config: TrainConfig, run: RunFolder, env: Env) -> list[Episode]:
    """Return `config.demos.episodes` demonstrations; what is missing in the run is recorded first.

    Raises:
        ConfigError: If the folder has too few, or the demonstrator succeeds too seldom.
        SpecMismatch: If the folder's demonstrations are of something else.
    """
    if config.demos.episodes == 0:
        return []
    if config.demos.folder is not None:
        episodes = _read(config, env)
        others = sorted({episode.spec.name for episode in episodes} - {env.env_spec.name})
        if others:  # which may look alike: all tasks of Meta-World do
            log.warning("demonstrations of %s are used for %s", ", ".join(others), env.env_spec.name)
        return episodes
    folder = run.path / "demos"
    recover(folder)
    missing = config.demos.episodes - len(load_dataset(folder, env.env_spec))
    if missing > 0:
        _record(config, folder, env, missing)
    return load_demos(folder, env.env_spec)[: config.demos.episodes]


def _read(config: TrainConfig, env: Env) -> list[Episode]:
    folder, wanted = str(config.demos.folder), config.demos.episodes
    episodes = load_demos(folder, env.env_spec)
    if len(episodes) < wanted:
        raise ConfigError(f"{folder} holds {len(episodes)} readable demonstrations; --demos.episodes asks for {wanted}")
    return episodes[:wanted]


def _record(config: TrainConfig, folder: Path, env: Env, missing: int) -> None:
    log.info("recording %d demonstrations", missing)
    # By how many there are already, so that what is added to an interrupted recording repeats nothing.
    seed = episode_seed(config.seed, "demo", config.demos.episodes - missing)
    policy = make_demonstrator(config.demos.policy, config.task, env, seed)
    summary = record(env, policy, folder, missing, seed)
    if summary.kept < missing:
        raise ConfigError(
            f"demonstrator {config.demos.policy!r} succeeded in {summary.successes} of {summary.attempted} attempts at "
            f"{config.task}, so {missing - summary.kept} of {config.demos.episodes} demonstrations are missing"
        )
