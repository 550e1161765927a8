"""A run's learned reward: what it is trained on, that an interruption repeats nothing, and that it alone pays."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "launch"))
import reward_model
import train
import train_reward

from robot_rl.data.episodes import load_dataset
from robot_rl.envs.judge import Judged
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.rewards import SparseReward
from robot_rl.errors import ConfigError
from robot_rl.nn.backbone import load_backbone
from robot_rl.rewards.classifier_file import FILE
from robot_rl.runs import RunFolder
from robot_rl.training.config import DemoConfig, RewardConfig, TrainConfig

CONFIG = TrainConfig(
    task="reach",
    env=EnvOptions(cameras=("front",), object_state=False, image_size=16, max_steps=40),
    reward=RewardConfig(source="classifier", success_episodes=3, failure_episodes=2, past_success_steps=4),
    demos=DemoConfig(episodes=0),
)


@pytest.fixture
def trained(monkeypatch):
    """Replace what takes long, learning, and return what it was asked to learn from."""
    asked = []

    def main(config):
        asked.append(config)
        config.out.mkdir(parents=True)
        (config.out / FILE).touch()

    monkeypatch.setattr(train_reward, "main", main)
    monkeypatch.setattr(reward_model, "load_reward", lambda folder, spec, device="cpu": SparseReward(lambda obs: False))
    return asked


def rewarded(config, path):
    """Return the environment in which a run's agent acts, and the environment of its evaluation."""
    run = RunFolder.resume(path, config) if (path / "config.json").exists() else RunFolder.create(path, config)
    with run, train.environments(config) as (env, eval_env):
        return reward_model.judged(config, run, env), eval_env


def test_it_is_trained_once_on_successes_that_last_and_attempts_that_mostly_fail(trained, tmp_path):
    env, _ = rewarded(CONFIG, tmp_path / "run")
    assert isinstance(env, Judged)
    data = tmp_path / "run" / "reward_data"
    assert [config.data for config in trained] == [(data / "successes", data / "failures")]
    assert trained[0].out == tmp_path / "run" / "reward"
    assert trained[0].classifier.state == ("state/arm/position",)
    successes, failures = load_dataset(data / "successes"), load_dataset(data / "failures")
    assert (len(successes), len(failures)) == (3, 2)
    for episode in successes:
        assert episode.successes[-5]
        assert not episode.successes[:-5].any()
    assert np.mean([episode.successes.mean() for episode in failures]) < 0.5

    rewarded(CONFIG, tmp_path / "run")  # resumed
    assert len(trained) == 1
    assert len(load_dataset(data / "successes")) == 3


def test_an_interrupted_recording_is_completed_and_repeats_nothing(trained, tmp_path):
    few = replace(CONFIG, reward=replace(CONFIG.reward, success_episodes=2))
    rewarded(few, tmp_path / "few")
    (tmp_path / "few" / "reward" / FILE).unlink()
    (tmp_path / "few" / "reward").rmdir()
    with RunFolder.open(tmp_path / "few") as run, train.environments(CONFIG) as (env, _):
        reward_model.judged(CONFIG, run, env)
    successes = load_dataset(tmp_path / "few" / "reward_data" / "successes")
    assert len({episode.info.seed for episode in successes}) == 3


def test_demonstrations_are_learned_from_too(trained, tmp_path):
    recorded = replace(CONFIG, demos=DemoConfig(episodes=1, folder=str(tmp_path / "mine")))
    rewarded(recorded, tmp_path / "run")
    assert trained[0].data[-1] == tmp_path / "mine"


def test_only_the_evaluation_goes_by_the_true_state(trained, tmp_path):
    env, eval_env = rewarded(CONFIG, tmp_path / "run")
    assert not env.unwrapped.ends_at_success
    assert eval_env.ends_at_success
    assert not isinstance(eval_env, Judged)


def test_the_environments_own_reward_needs_nothing(tmp_path):
    config = TrainConfig(task="reach")
    reward_model.check_reward(config, None)
    env, _ = rewarded(config, tmp_path / "run")
    assert not isinstance(env, Judged)
    assert env.ends_at_success
    assert not (tmp_path / "run" / "reward_data").exists()


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"env": EnvOptions()}, "needs a camera"),
        ({"task": "gymnasium:Pendulum-v1", "env": EnvOptions(cameras=("render",), reward="dense")}, "no scripted demonstrator"),
        ({"reward": RewardConfig(source="classifier", classifier="/nowhere")}, "/nowhere holds no readable classifier"),
    ],
)
def test_a_reward_that_cannot_be_had_is_told_before_there_is_a_run(changes, cause, monkeypatch):
    config = replace(CONFIG, **changes)
    with train.environments(config) as (env, _), pytest.raises(ConfigError, match=cause):
        reward_model.check_reward(config, env)


def test_a_missing_backbone_is_told_before_there_is_a_run(monkeypatch):
    def missing(config):
        raise ConfigError("pip install")

    assert reward_model.load_backbone is load_backbone
    monkeypatch.setattr(reward_model, "load_backbone", missing)
    with train.environments(CONFIG) as (env, _), pytest.raises(ConfigError, match="pip install"):
        reward_model.check_reward(CONFIG, env)


def test_too_few_episodes_are_refused():
    with pytest.raises(ConfigError, match="failure_episodes 1 is below 2"):
        RewardConfig(failure_episodes=1)
