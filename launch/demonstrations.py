"""The demonstrations of a training run: read from a folder, or recorded into the run."""

from __future__ import annotations

import logging

from demos.load import load_demos
from demos.record import record
from robot_rl.data.episode import Episode
from robot_rl.data.episodes import list_episodes, recover
from robot_rl.envs.factory import Env, make_demonstrator
from robot_rl.errors import ConfigError
from robot_rl.runs import RunFolder
from robot_rl.training.config import TrainConfig
from robot_rl.training.seeds import episode_seed

log = logging.getLogger(__name__)


def collect_demonstrations(config: TrainConfig, run: RunFolder, env: Env) -> list[Episode]:
    """Return `config.demos.episodes` demonstrations; what is missing in the run is recorded first."""
    wanted = config.demos.episodes
    if wanted == 0:
        return []
    if config.demos.folder is not None:
        episodes = load_demos(config.demos.folder, env.env_spec)
        if len(episodes) < wanted:
            raise ConfigError(f"{config.demos.folder} holds {len(episodes)} demonstrations; {wanted} were asked for")
        return episodes[:wanted]
    folder = run.path / "demos"
    recover(folder)
    missing = wanted - len(list_episodes(folder))
    if missing > 0:
        log.info("recording %d demonstrations", missing)
        seed = episode_seed(config.seed, "demo", wanted - missing)
        policy = make_demonstrator(config.demos.policy, config.task, env, seed)
        record(env, policy, folder, missing, seed)
    return load_demos(folder, env.env_spec)[:wanted]
