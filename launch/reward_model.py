"""The learned reward of a training run: labelled episodes, a success classifier, and the environment that it pays in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import train_reward

from demos.record import record
from robot_rl.data.episode import Episode
from robot_rl.data.episodes import list_episodes, load_dataset, recover
from robot_rl.envs.factory import Env, make_demonstrator
from robot_rl.envs.judge import Judged
from robot_rl.errors import ConfigError
from robot_rl.nn.backbone import load_backbone
from robot_rl.protocols import Policy
from robot_rl.rewards.classifier_file import FILE
from robot_rl.rewards.config import ClassifierConfig
from robot_rl.rewards.stages import load_reward
from robot_rl.runs import RunFolder
from robot_rl.specs import EnvSpec
from robot_rl.training.config import TrainConfig
from robot_rl.training.device import resolve_device
from robot_rl.training.seeds import episode_seed
from sim.clumsy import clumsy
from sim.look_around import look_around

log = logging.getLogger(__name__)

DATA, MODEL = "reward_data", "reward"
"""Folders of the labelled episodes and of the classifier in a run."""
SUCCESSES = "successes"
"""Folder of those among them that succeed."""


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of labelled episodes."""

    name: str
    episodes: int
    is_clumsy: bool


def parts(config: TrainConfig) -> tuple[Part, Part]:
    """Return what a classifier is trained on, beside the demonstrations."""
    reward = config.reward
    return Part(SUCCESSES, reward.success_episodes, False), Part("failures", reward.failure_episodes, True)


def check_reward(config: TrainConfig, env: Env) -> None:
    """Raise ConfigError or SpecMismatch if the reward asked for cannot be had: before a run is made of it."""
    if config.reward.source == "env":
        return
    if config.reward.classifier is not None:
        load_reward(config.reward.classifier, env.env_spec)
        return
    if not any(key.startswith("image/") for key in env.env_spec.obs):
        raise ConfigError(f"a success classifier needs a camera, and {config.task} is observed without; give --env.cameras")
    for part in parts(config):
        _labelled_by(part, config, env, seed=0)
    load_backbone(ClassifierConfig().backbone)


def judged(config: TrainConfig, run: RunFolder, env: Env) -> Env:
    """Return where the agent acts: `env` itself, or with the reward of a classifier, which is trained first if need be.

    Args:
        config: Of the run.
        run: Keeps the labelled episodes and the classifier.
        env: Does not end at success if a classifier is to decide.
    """
    reward = config.reward
    if reward.source == "env":
        return env
    folder = Path(reward.classifier) if reward.classifier is not None else run.path / MODEL
    if reward.classifier is None and not (folder / FILE).exists():
        for part in parts(config):
            _record(part, config, run.path / DATA / part.name, env)
        _train(config, run, env.env_spec)
    log.info("rewards are the success classifier's in %s", folder)
    return Judged(env, load_reward(folder, env.env_spec, device=resolve_device(config.device)))


def recorded_successes(run: RunFolder, spec: EnvSpec) -> list[Episode]:
    """Return the successes that a run recorded for its classifier; none if it did not."""
    return load_dataset(run.path / DATA / SUCCESSES, spec)


def _record(part: Part, config: TrainConfig, folder: Path, env: Env) -> None:
    """Record what is missing in `folder`; the true state labels every step, as a person's key would."""
    recover(folder)
    there = len(list_episodes(folder))
    if there >= part.episodes:
        return
    log.info("recording %d episodes for the classifier: %s", part.episodes - there, part.name)
    # By how many there are already, so that what is added to an interrupted recording repeats nothing.
    seed = episode_seed(config.seed, "demo", 1_000_000 * (1 + part.is_clumsy) + there)
    record(
        env,
        _labelled_by(part, config, env, seed),
        folder,
        part.episodes - there,
        seed,
        keep="all" if part.is_clumsy else "success",
        past_success=0 if part.is_clumsy else config.reward.past_success_steps,
        source="reward",
    )


def _labelled_by(part: Part, config: TrainConfig, env: Env, seed: int) -> Policy:
    """Return who acts in the labelled episodes."""
    policy = make_demonstrator(config.demos.policy, config.task, env, seed)
    if part.is_clumsy:
        return clumsy(env, policy, seed)
    return look_around(env, policy, seed) if config.reward.look_around else policy


def _state(config: TrainConfig, spec: EnvSpec) -> tuple[str, ...]:
    if config.reward.state is not None:
        return config.reward.state
    return tuple(sorted(key for key in spec.obs if key.startswith("state/") and not key.endswith("/opening")))


def _train(config: TrainConfig, run: RunFolder, spec: EnvSpec) -> None:
    """Train the classifier on all that is labelled, the run's demonstrations too: they end with a success.

    It looks at what the arm measures as well as at the pictures, in which a centimetre is three pixels.
    """
    folders = [run.path / DATA / part.name for part in parts(config)]
    demos = Path(config.demos.folder) if config.demos.folder is not None else run.path / "demos"
    folders += [demos] if config.demos.episodes > 0 else []
    classifier = ClassifierConfig(
        state=_state(config, spec),
        consecutive=config.reward.consecutive,
        max_identical=spec.max_steps,  # simulated cameras without noise do stand still once the arm has left their view
    )
    train_reward.main(
        train_reward.TrainRewardConfig(
            data=tuple(folders), out=run.path / MODEL, seed=config.seed, device=config.device, classifier=classifier
        )
    )
