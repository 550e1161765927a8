"""The world-model agent on a GPU: the CPU's numbers, no waiting, plans, and a whole run."""

from dataclasses import replace
from itertools import count, repeat

import numpy as np
import pytest
import torch
from on_cuda import draw_on_the_cpu, never_waiting
from toy_modem import RUN, SPECS, toy_modem, toy_obs, toy_windows
from toy_run import toy_trainer

from robot_rl.agents.bundle import load_policy
from robot_rl.data.transfer import moved, prefetched
from robot_rl.training.loop import POLICY

pytestmark = pytest.mark.gpu
EVERY_KIND = pytest.mark.parametrize("kind", sorted(SPECS))
CUDA = torch.device("cuda")


@EVERY_KIND
def test_updates_are_those_of_the_cpu(kind, monkeypatch):
    here, there = (toy_modem(kind, device=device) for device in ("cpu", "cuda"))
    for agent in (here, there):
        draw_on_the_cpu(agent, monkeypatch)
    for seed in range(3):
        batch = toy_windows(here, seed)
        expected, found = here.update(repeat(batch)), there.update(repeat(moved(batch, CUDA)))
        assert {**found} == pytest.approx({**expected}, rel=5e-3, abs=1e-3)


@EVERY_KIND
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_update_never_waits_for_the_device(kind, precision):
    agent = toy_modem(kind, device="cuda", precision=precision)
    batches = prefetched((toy_windows(agent, seed) for seed in count()), "cuda")
    for _ in range(3):
        agent.update(batches)  # libraries are loaded and memory is taken at first
    with never_waiting():
        agent.update(batches)


@pytest.mark.parametrize("who", ["planner", "policy", "unanimous"])
@EVERY_KIND
def test_whoever_acts_does_so_from_there(kind, who):
    agent = toy_modem(kind, device="cuda", explore_action=who, eval_action=who)
    agent.env_steps = 1
    for explore in (False, True):
        action = agent.act(toy_obs(agent), explore=explore)
        assert action.shape == (agent.spec.action.dim,)
        assert np.abs(action).max() <= 1.0


def test_a_plan_scores_there_what_it_scores_here():
    here, there = (toy_modem(device=device).policy() for device in ("cpu", "cuda"))
    plans = torch.rand(here.planner.config.horizon, 32, here.spec.action.dim) * 2.0 - 1.0
    z = torch.rand(here.networks.model.sizes.z_dim)
    expected = here.planner.score(here.networks.model, z, plans)
    found = there.planner.score(there.networks.model, z.cuda(), plans.cuda())
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)


def test_a_run_ends_and_goes_on_and_its_policy_acts_on_a_cpu(tmp_path):
    trainer = toy_trainer(tmp_path, replace(RUN, device="cuda"))
    assert trainer.train()
    assert next(trainer.agent.model.parameters()).is_cuda
    again = toy_trainer(tmp_path, replace(RUN, device="cuda"))
    assert again.train()
    for mine, theirs in zip(again.agent.model.parameters(), trainer.agent.model.parameters(), strict=True):
        assert mine.equal(theirs)
    policy = load_policy(tmp_path / POLICY)
    assert np.abs(policy.act({"state/position": np.zeros(2, np.float32)}, explore=False)).max() <= 1.0
