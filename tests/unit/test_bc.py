"""Laws of behaviour cloning."""

import numpy as np
import torch

from robot_rl.agents.bc import BC, BCConfig
from robot_rl.data.batch import Batch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

SPEC = EnvSpec("toy", {"state/x": ArraySpec((2,))}, ActionSpec(("x", "gripper"), discrete=(1,)), 0.1, 10)
CONFIG = BCConfig(batch_size=64, hidden_dims=(32,), lr=3e-3)


def demonstrations():
    """The demonstrator moves by half its offset and closes on the left."""
    generator = torch.Generator().manual_seed(0)
    while True:
        x = torch.rand(2, 64, 2, generator=generator) * 2 - 1
        action = torch.stack([-0.5 * x[0, :, 0], -(x[0, :, 0] < 0).float()], -1)[None]
        zeros = torch.zeros(1, 64)
        yield Batch({"state/x": x}, action, zeros, zeros, zeros + 0.98, torch.ones(64))


def obs(x):
    return {"state/x": np.array([x, 0.3], np.float32)}


def test_it_does_what_was_demonstrated():
    agent, batches = BC(SPEC, CONFIG), demonstrations()
    for _ in range(400):
        metrics = agent.update(batches)
    assert metrics["clone/mse"] < 0.03
    for x, grip in ((-0.8, -1.0), (0.8, 0.0)):
        action = agent.act(obs(x), explore=False)
        assert abs(action[0] + 0.5 * x) < 0.1
        assert action[1] == grip


def test_exploring_actions_vary_within_bounds():
    agent = BC(SPEC, BCConfig(hidden_dims=(8,), explore_std=2.0))
    actions = np.stack([agent.act(obs(0.1), explore=True) for _ in range(50)])
    assert np.abs(actions).max() <= 1.0
    assert actions[:, 0].std() > 0.1
    assert set(np.unique(actions[:, 1])) <= {-1.0, 0.0, 1.0}


def test_a_policy_is_frozen():
    agent, batches = BC(SPEC, CONFIG), demonstrations()
    policy = agent.policy()
    before = policy.act(obs(0.4), explore=False)
    for _ in range(20):
        agent.update(batches)
    assert np.array_equal(policy.act(obs(0.4), explore=False), before)
    assert not np.array_equal(agent.act(obs(0.4), explore=False), before)
    assert agent.policy().version == 20


def test_a_restored_agent_continues_exactly():
    agent, batches = BC(SPEC, CONFIG), demonstrations()
    for _ in range(5):
        agent.update(batches)
    other = BC(SPEC, CONFIG, seed=7)
    other.load_state_dict(agent.state_dict())
    batch = next(batches)
    agent.update(iter([batch]))
    other.update(iter([batch]))
    for a, b in zip(agent.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert np.array_equal(agent.act(obs(0.2), explore=True), other.act(obs(0.2), explore=True))
