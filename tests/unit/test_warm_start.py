import numpy as np
import pytest
import torch
from toy_env import Point
from toy_run import CONFIG, WITHOUT_DEMOS, toy_trainer

from robot_rl.training.warm_start import clone, settle_critic, standardize


def changed(trainer, before):
    """Return the names of the networks that are not what they were."""
    after = trainer.agent.state_dict()
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def state(trainer):
    return {name: value.clone() for name, value in trainer.agent.state_dict().items()}


@pytest.fixture
def trainer(tmp_path):
    return toy_trainer(tmp_path / "run")


def test_cloning_fits_the_actor_to_the_demonstrations_and_nothing_else(trainer):
    before = state(trainer)
    first = clone(trainer.agent, trainer.experience, CONFIG)["clone/mse"]
    assert {"networks/actor", "networks/encoder"} <= changed(trainer, before)
    assert not {"critic", "target_critic"} & changed(trainer, before)
    assert trainer.agent.critic_updates == 0
    for _ in range(20):
        last = clone(trainer.agent, trainer.experience, CONFIG)["clone/mse"]
    assert last < 0.7 * first


def test_demonstrations_standardise_the_state(trainer):
    clone(trainer.agent, trainer.experience, CONFIG)
    seen = np.concatenate([episode.obs["state/position"] for episode in trainer.demos])
    x = trainer.agent.networks.encoder({"state/position": torch.from_numpy(seen)})
    assert torch.allclose(x.mean(0), torch.zeros(2), atol=0.2)
    assert torch.allclose(x.std(0), torch.ones(2), atol=0.2)


def test_settling_moves_the_critics_and_leaves_the_clone_as_it_is(trainer):
    before = state(trainer)
    settle_critic(trainer.agent, trainer.experience, CONFIG)
    moved = changed(trainer, before)
    assert any("critic" in name for name in moved)
    assert not any("actor" in name for name in moved)
    assert trainer.agent.critic_updates == CONFIG.warm_start.critic_steps


def test_without_demonstrations_random_steps_standardise_the_state(tmp_path):
    trainer = toy_trainer(tmp_path / "run", WITHOUT_DEMOS, Point(radius=0.0))
    trainer.train()
    standardize(trainer.agent, trainer.experience)
    normalizer = trainer.agent.networks.encoder.normalizer
    obs = trainer.experience.online.sample(trainer.agent.batch_spec).obs["state/position"][0]
    assert normalizer(obs).abs().max() < 4.0
    assert not torch.allclose(normalizer(obs), obs)


def test_batches_hold_the_share_of_demonstrations_that_was_asked_for(trainer):
    spec = trainer.agent.batch_spec
    assert next(trainer.experience.batches(spec)).is_demo.mean() == 1.0  # nothing else there yet
    trainer.train()
    assert next(trainer.experience.batches(spec)).is_demo.mean() == CONFIG.demo_fraction
