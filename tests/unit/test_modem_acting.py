"""Who acts for the world-model agent, and that what it does fits the environment."""

from itertools import repeat

import numpy as np
import pytest
import torch
from toy_modem import SPECS, toy_modem, toy_obs, toy_windows

from robot_rl.agents.handover import HandoverConfig

KINDS = sorted(SPECS)


@pytest.mark.parametrize("kind", KINDS)
def test_actions_fit_the_environment(kind):
    agent, obs = toy_modem(kind), toy_obs(toy_modem(kind))
    agent.pretrain_actor(repeat(toy_windows(agent)), 1)
    agent.env_steps = 1
    for policy in (agent, agent.policy()):
        policy.begin_episode()
        for explore in (False, True):
            action = policy.act(obs, explore=explore)
            assert action.shape == (agent.spec.action.dim,)
            assert action.dtype == np.float32
            assert np.abs(action).max() <= 1.0
            assert set(action[list(agent.spec.action.discrete)].tolist()) <= {-1.0, 0.0, 1.0}


def acts_of(agent, obs, explore, count=40):
    actions = []
    for _ in range(count):
        agent.begin_episode()
        actions.append(agent.act(obs, explore=explore))
    return np.stack(actions)


def cloned_high(**settings):
    """An agent whose clone goes +0.9, and whose policy, plans and model have forgotten it."""
    agent = toy_modem(clone_std=0.05, **settings)
    batch = toy_windows(agent, demo=1)
    batch.action[:] = 0.9
    agent.pretrain_actor(repeat(batch), 250)
    torch.nn.init.zeros_(agent.model.actor.head_weight)
    agent.model.actor.head_bias.data[..., :3] = -1.5
    agent.model.actor.head_bias.data[..., 3:] = -3.0
    return agent, toy_obs(agent)


def test_the_clone_acts_until_something_was_learned_from_acting_and_then_as_the_handover_says():
    agent, obs = cloned_high(handover=HandoverConfig(start=10, end=30))
    for explore in (False, True):
        assert acts_of(agent, obs, explore)[:, 0].min() > 0.4
    agent.env_steps = 20
    share = (acts_of(agent, obs, explore=True, count=100)[:, 0] > 0.4).mean()
    assert 0.3 < share < 0.7
    assert acts_of(agent, obs, explore=False)[:, 0].max() < 0.4  # measured: the planner, never a mixture
    agent.env_steps = 30
    assert (acts_of(agent, obs, explore=True)[:, 0] < 0.4).mean() > 0.9


@pytest.mark.parametrize("explore", [False, True])
@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("agreed", [False, True])
def test_a_plan_that_not_all_critics_prefer_leaves_acting_to_the_policy(agreed, drawn, explore, monkeypatch):
    who = {"explore_action": "unanimous", "eval_action": "policy"} if explore else {"eval_action": "unanimous"}
    agent, obs = cloned_high(average_tau=0.5, eval_sampled=drawn, **who)
    torch.nn.init.constant_(agent.networks.average.actor.head_bias, 1.0)
    agent.env_steps = 1
    compared = []

    def all_prefer(_planner, _model, z, plan, action):
        compared.append((z, plan, action))
        return agreed

    monkeypatch.setattr("robot_rl.agents.planner.Planner.all_prefer", all_prefer)
    acted = acts_of(agent, obs, explore, count=5)
    judged = torch.stack([plan[0] if agreed else action for _, plan, action in compared]).numpy()
    assert (judged[:, 0] < 0.4).all() == agreed
    assert len({tuple(action.tolist()) for _, _, action in compared}) == 1  # the mean is what is compared
    assert np.array_equal(acted, judged) == (not (drawn or explore))
    assert np.abs(acted - judged)[:, :2].max() < 0.95


@pytest.mark.parametrize("who", ["planner", "policy", "unanimous"])
def test_measured_actions_are_drawn_only_if_asked_for(who):
    agents = {drawn: cloned_high(eval_action=who, explore_action=who, eval_sampled=drawn) for drawn in (False, True)}
    spread = {}
    for drawn, (agent, obs) in agents.items():
        assert np.ptp(acts_of(agent, obs, explore=False, count=10)[:, 0]) == 0.0  # the clone's mean
        agent.env_steps = 1
        spread[drawn] = acts_of(agent, obs, explore=False)[:, 0].std()
        spread["exploring"] = acts_of(agent, obs, explore=True)[:, 0].std()
    assert spread[True] > 1.5 * spread[False]
    assert spread[True] == pytest.approx(spread["exploring"], rel=0.5)


def test_who_is_drawn_acts_for_the_episode_or_for_a_step():
    for by, num_kinds in (("episode", 1), ("step", 2)):
        agent, obs = cloned_high(handover=HandoverConfig(end=100, by=by))
        agent.env_steps = 50
        for _ in range(3):
            agent.begin_episode()
            driven = {agent.act(obs, explore=True)[0] > 0.4 for _ in range(30)}
            assert len(driven) == num_kinds


def test_what_was_measured_opens_the_gate():
    agent, _ = cloned_high(handover=HandoverConfig(is_gated=True, gate_step=0.5))
    agent.measured(0.6)
    agent.env_steps = 10
    for rate, share in ((0.5, 0.0), (0.6, 0.5), (0.7, 1.0)):
        agent.measured(rate)
        assert agent.policy().stage.planner_share == share
