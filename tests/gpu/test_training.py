"""A whole run on a GPU: it ends, it goes on, and what it learnt acts on a machine without one."""

from dataclasses import replace

import numpy as np
import pytest
from toy_run import CONFIG, WITHOUT_DEMOS, toy_trainer

from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.training.loop import POLICY

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("config", [CONFIG, WITHOUT_DEMOS], ids=["demos", "scratch"])
def test_a_run_ends_and_its_policy_acts_on_a_cpu(tmp_path, config):
    trainer = toy_trainer(tmp_path, replace(config, device="cuda"))
    assert trainer.train()
    assert next(trainer.agent.critic.parameters()).is_cuda
    assert trainer.agent.critic_updates > 0
    policy = SACPolicy.load(tmp_path / POLICY)
    assert np.abs(policy.act({"state/position": np.zeros(2, np.float32)}, explore=False)).max() <= 1.0


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    finished = toy_trainer(tmp_path, replace(CONFIG, device="cuda"))
    finished.train()
    again = toy_trainer(tmp_path, replace(CONFIG, device="cuda"))
    assert again.train()
    assert again.agent.critic_updates == finished.agent.critic_updates
    for mine, theirs in zip(again.agent.critic.parameters(), finished.agent.critic.parameters(), strict=True):
        assert mine.is_cuda
        assert mine.equal(theirs)
