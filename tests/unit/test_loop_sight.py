"""Training from cameras with a goal that is known in hindsight: seeing comes first, gets better, and outlives the process."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_goal import CONFIG as SAC_CONFIG
from toy_goal import SquareEnv, episode

from robot_rl.agents.sight import POSITION
from robot_rl.data.episodes import load_dataset
from robot_rl.runs import RunFolder
from robot_rl.training.config import DemoConfig, EvaluationConfig, TrainConfig, WarmStartConfig
from robot_rl.training.loop import Trainer

DEMOS = [episode(seed) for seed in range(8)]
CONFIG = TrainConfig(
    task="square",
    sac=replace(SAC_CONFIG, clone_std=0.3, actor_lr=3e-3, hidden_dims=(32,), bc_weight=10.0),
    demos=DemoConfig(episodes=len(DEMOS)),
    warm_start=WarmStartConfig(clone_steps=200, env_steps=20, critic_steps=10),
    evaluation=EvaluationConfig(every=40, episodes=2),
    env_steps=80,
    device="cpu",
)


def trainer_in(folder: Path, config: TrainConfig = CONFIG, **options) -> Trainer:
    is_new = not (folder / "config.json").exists()
    with RunFolder.create(folder, config) if is_new else RunFolder.resume(folder) as run:
        return Trainer(config, run, SquareEnv(), SquareEnv(), DEMOS, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    trainer = trainer_in(tmp_path_factory.mktemp("sight") / "run")
    trainer.train()
    return trainer


def test_replay_holds_the_goal_and_no_picture(finished):
    batch = finished.experience.online.sample(finished.agent.batch_spec)
    assert set(batch.obs) == {"state/arm/height", POSITION, "state/goal/rotation"}


def test_the_disk_holds_what_was_seen(finished):
    stored = load_dataset(finished.run.episodes)[0]
    assert {"pose/arm", "image/wrist"} <= set(stored.obs)


def test_replay_holds_features_where_the_policy_sees_them(tmp_path):
    vision = replace(CONFIG.sac.vision, policy_sees="features")
    trainer = trainer_in(tmp_path / "run", replace(CONFIG, sac=replace(CONFIG.sac, vision=vision)))
    trainer.train()
    assert set(trainer.experience.online.sample(trainer.agent.batch_spec).obs) == {"state/arm/height", "feature/wrist"}


def test_its_own_successes_are_remembered(finished):
    successes = sum(item.success for item in load_dataset(finished.run.episodes))
    assert successes > 0
    assert finished.agent.networks.sight._num_successes == successes


def test_seeing_is_learned_before_anything_else(tmp_path):
    seen = []
    trainer_in(tmp_path / "run", report=seen.append).train()
    assert [status.phase for status in seen][:2] == ["learning to see", "cloning"]


def test_a_resumed_run_sees_as_before_and_goes_on(tmp_path):
    first = trainer_in(tmp_path / "run", replace(CONFIG, env_steps=40))
    first.train()
    weights = first.agent.networks.sight.state_dict()
    reported = []
    second = trainer_in(tmp_path / "run", report=reported.append)
    for name, value in second.agent.networks.sight.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert not reported
    assert second.train()
    assert second.counters.env_steps == 80
    assert second.agent.networks.sight._num_successes >= first.agent.networks.sight._num_successes


def test_lessons_teach_to_see_and_nothing_else(tmp_path):
    lessons = [episode(seed) for seed in range(40, 48)]
    plain, taught = trainer_in(tmp_path / "plain"), trainer_in(tmp_path / "taught", lessons=lessons)
    assert len(plain.experience.demos) == len(taught.experience.demos)
    errors = []
    for trainer in (plain, taught):
        sight = trainer.agent.networks.sight
        told = [sight._goal_frames(episode(seed), -1) for seed in range(60, 70)]
        errors.append(np.mean([float((sight.goals(t.views, t.state) - t.goals)[:, :2].abs().mean()) for t in told]))
    assert errors[1] < errors[0]
