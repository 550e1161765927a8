"""Laws of the world-model agent, several of them faults that its ancestors had."""

import copy
import json
from dataclasses import asdict, replace
from itertools import repeat

import numpy as np
import pytest
import torch
from toy_modem import SMALL, SPECS, toy_modem, toy_obs, toy_windows

from robot_rl.agents.bundle import load_policy
from robot_rl.agents.handover import HandoverConfig
from robot_rl.agents.modem import Modem
from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.modem_policy import ModemPolicy
from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.agents.windows import step_weights
from robot_rl.data.batch import Batch
from robot_rl.errors import ConfigError, SpecMismatch

KINDS = sorted(SPECS)


def changed(agent, work):
    """Return the parts of the agent that `work` changes."""
    before = {name: value.clone() for name, value in agent.state_dict().items()}
    work()
    return {name for name, value in agent.state_dict().items() if not torch.equal(value, before.get(name, value))}


def moves(names, prefix):
    return any(name.startswith(prefix) for name in names)


# The loss


def test_steps_weigh_rho_to_the_power_of_their_place_and_add_up_to_one():
    weight = step_weights(torch.tensor([[1.0, 1.0], [1.0, 0.0]]), rho=0.5)
    assert torch.allclose(weight, torch.tensor([[2 / 3, 2 / 3], [1 / 3, 0.0]]))


def test_the_loss_is_that_of_two_steps_written_out():
    agent = toy_modem(horizon=2)
    windows = agent._prepare(toy_windows(agent))
    agent.generator.manual_seed(5)
    loss, _, _ = agent._model_loss(windows)
    agent.generator.manual_seed(5)
    obs = [agent.encoder(replace(windows.inputs, state=windows.inputs.state[t])) for t in range(3)]
    target = agent._target(windows, torch.stack(obs[1:]).detach()).view(2, -1)
    model, z, expected = agent.model, obs[0], torch.zeros(())
    for t, weight in enumerate((2 / 3, 1 / 3)):
        action, reward = windows.action[t], windows.reward[t]
        following = model.next(z, action)
        log_odds = torch.nn.functional.binary_cross_entropy_with_logits
        terms = (
            20.0 * (following - obs[t + 1].detach()).square().mean(-1)
            + 0.1 * model.bins.cross_entropy(model.reward_logits(z, action), reward)
            + 0.1 * model.bins.cross_entropy(model.value_logits(z, action), target[t]).mean(0)
            + log_odds(model.termination_logit(following), windows.terminated[t], reduction="none")
        )
        inside = (windows.weight[t] > 0.0).float()
        expected = expected + weight * (terms * inside).mean()
        z = following
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_terminations_cut_the_target_and_time_outs_do_not():
    agent = toy_modem(discount=0.5)
    torch.nn.init.constant_(agent.target_critic.head_bias, 0.0)
    agent.target_critic.head_bias.data[..., -1] = 50.0  # every value is the largest that there is
    largest = float(torch.expm1(torch.tensor(agent.config.bin_limit)))
    windows = agent._prepare(toy_windows(agent))
    following = agent.encoder(replace(windows.inputs, state=windows.inputs.state[1:]))
    target = agent._target(windows, following).view_as(windows.reward)
    ended = windows.terminated == 1.0
    assert target[ended].tolist() == pytest.approx([1.0] * int(ended.sum()), abs=1e-3)
    assert target[~ended].tolist() == pytest.approx([0.5 * largest] * int((~ended).sum()), rel=1e-3)


def test_what_lies_beyond_an_episode_teaches_nothing():
    losses = []
    for junk in (0.0, 7.0):
        agent = toy_modem()
        batch = toy_windows(agent)
        outside = batch.inside == 0.0
        batch.reward[outside] = junk
        batch.action[outside] = junk / 10.0
        for value in batch.obs.values():
            value[1:][outside & (batch.inside.cumsum(0) < 1.0)] = junk
        losses.append(float(agent._model_loss(agent._prepare(batch))[0]))
    assert losses[0] == losses[1]


def test_several_actors_have_targets_of_their_own_critics():
    agent = toy_modem(num_actors=2, num_min_critics=2)
    for member in range(4):
        agent.target_critic.head_bias.data[member] = 0.0
        agent.target_critic.head_bias.data[member, 0, 10 + 2 * member] = 50.0
    members = agent._draw_members()
    assert sorted(members[:2].tolist()) == [0, 2]
    assert sorted(members[2:].tolist()) == [1, 3]
    windows = agent._prepare(toy_windows(agent))
    following = agent.encoder(replace(windows.inputs, state=windows.inputs.state[1:]))
    target = agent._target(windows, following)
    assert torch.equal(target[0], target[2])
    assert torch.equal(target[1], target[3])
    assert (target[1] >= target[0]).all()
    assert (target[1] > target[0]).any()


# Learning


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_moves_everything_and_the_clone_stays(kind):
    agent = toy_modem(kind)
    batches = repeat(toy_windows(agent))
    agent.pretrain_actor(batches, 2)
    names = changed(agent, lambda: [agent.update(batches) for _ in range(3)])
    for part in ("networks/encoder", "networks/model.dynamics", "networks/model.reward", "networks/model.termination",
                 "networks/model.critic", "networks/model.actor", "target_critic", "optimizer/actor"):  # fmt: skip
        assert moves(names, part), part
    assert not moves(names, "networks/clone")
    assert not moves(names, "networks/sight")


@pytest.mark.parametrize("kind", ["two_cameras", "state"])
def test_every_observation_is_fused_into_the_latent(kind):
    agent = toy_modem(kind)
    torch.nn.init.normal_(agent.encoder.mlp[-1].weight)
    obs = {key: value.clone() for key, value in toy_windows(agent).obs.items()}
    z = agent.encoder(agent.networks.inputs(obs))
    for key in obs:
        other = {**obs, key: obs[key].flip(1)}
        assert not torch.allclose(agent.encoder(agent.networks.inputs(other)), z), key


def test_two_agents_in_one_process_share_nothing():
    one, two = toy_modem(), toy_modem()
    before = two.state_dict()
    batches = repeat(toy_windows(one))
    one.pretrain_actor(batches, 2)
    one.update(batches)
    assert all(torch.equal(value, before[name]) for name, value in two.state_dict().items())


def test_cloning_learns_the_demonstrated_actions_and_the_targets_are_the_critics_then():
    agent = toy_modem(clone_std=0.3)
    batch = toy_windows(agent, demo=1)
    batch.action[:] = torch.tensor([0.5, -0.5, 0.2])
    batches = repeat(batch)
    first = agent.pretrain_actor(batches, 1)["clone/mse"]
    last = agent.pretrain_actor(batches, 300)["clone/mse"]
    assert last < 0.5 * first
    for slow, fast in zip(agent.target_critic.parameters(), agent.model.critic.parameters(), strict=True):
        assert torch.equal(slow, fast)
    _, log_std = agent.model.policy(agent.encoder(agent._prepare(next(batches)).inputs)[0])
    assert float(log_std.detach().exp().mean()) == pytest.approx(0.3, rel=0.2)


def test_cloning_alone_leaves_the_model_as_it_was_drawn():
    agent = toy_modem(pretrain_model=False)
    names = changed(agent, lambda: agent.pretrain_actor(repeat(toy_windows(agent, demo=1)), 3))
    assert moves(names, "networks/model.actor")
    assert not moves(names, "networks/model.reward")
    assert not moves(names, "networks/model.critic")


def test_settling_holds_the_policy_at_the_demonstrations_however_large_the_values():
    agent = toy_modem()
    batches = repeat(toy_windows(agent, demo=1))
    agent.pretrain_actor(batches, 200)
    before = agent.pretrain_actor(batches, 1)["clone/mse"]
    torch.nn.init.normal_(agent.model.critic.head_weight, 0.0, 5.0)
    assert agent.pretrain_critic(batches, 20)["clone/mse"] < before + 0.02
    assert agent.critic_updates == 20


def test_the_averaged_policy_is_the_clone_first_and_follows_slowly_after():
    agent, obs = toy_modem(average_tau=0.1, eval_action="policy"), toy_obs(toy_modem())
    batches = repeat(toy_windows(agent, demo=1))
    agent.pretrain_actor(batches, 5)
    average, clone = agent.networks.average, agent.networks.clone
    for slow, fast in zip(average.parameters(), clone.parameters(), strict=True):
        assert torch.equal(slow, fast)
    for learn in (agent.update, lambda batches: agent.pretrain_critic(batches, 1)):
        before = copy.deepcopy(average)
        learn(batches)
        for slow, was, fast in zip(
            average.parameters(), before.parameters(),
            (*agent.encoder.parameters(), *agent.model.actor.parameters()), strict=True,
        ):  # fmt: skip
            assert torch.allclose(slow, 0.9 * was + 0.1 * fast, atol=1e-6)
    acted = agent.policy().act(obs, explore=False)
    torch.nn.init.zeros_(agent.model.actor.head_weight)  # what is learned does not act
    assert np.array_equal(agent.policy().act(obs, explore=False), acted)
    torch.nn.init.constant_(average.actor.head_bias, 9.0)
    assert not np.array_equal(agent.policy().act(obs, explore=False), acted)


def actor_gradient(agent, windows, bc_weight=0.0):
    torch.nn.init.zeros_(agent.model.critic.head_weight)
    latents = agent._model_loss(windows)[1].detach()
    loss, _ = agent._policy_loss(windows, latents, bc_weight)
    return torch.autograd.grad(loss, agent.model.actor.head_bias)[0].flatten()[: agent.spec.action.dim]


def test_each_term_of_the_policys_loss_pulls_where_it_should():
    settings = {"entropy_weight": 0.0, "num_critics": 2}
    demos = toy_windows(toy_modem(), demo=1)
    executed = toy_windows(toy_modem(), demo=0)
    for batch in (demos, executed):
        batch.action[:] = 0.9
    free, held = toy_modem(**settings), toy_modem(**settings, constraint_weight=1.0)
    assert actor_gradient(free, free._prepare(demos)).abs().max() == 0.0
    assert (actor_gradient(free, free._prepare(demos), bc_weight=1.0) < 0.0).all()  # descending: towards 0.9
    assert actor_gradient(free, free._prepare(executed), bc_weight=1.0).abs().max() == 0.0
    assert (actor_gradient(held, held._prepare(executed)) < 0.0).all()
    assert actor_gradient(held, held._prepare(demos)).abs().max() == 0.0


def test_every_environment_step_owes_the_update_ratio():
    agent = toy_modem(utd_ratio=0.4)
    batches = repeat(toy_windows(agent))
    counts = []
    for _ in range(5):
        agent.update(batches)
        counts.append(agent.critic_updates)
    assert counts == [0, 0, 1, 1, 2]
    assert agent.env_steps == 5


def test_windows_of_another_length_are_refused():
    agent = toy_modem()
    with pytest.raises(SpecMismatch, match="windows of 3 steps; got 2"):
        agent.update(repeat(toy_windows(toy_modem(horizon=2))))


# Saving


@pytest.mark.parametrize("kind", ["state", "hybrid", "frozen"])
def test_a_restored_agent_goes_on_as_if_it_had_never_stopped(kind):
    settings = {"handover": HandoverConfig(end=50, by="step"), "utd_ratio": 1.5, "average_tau": 0.2}
    one, batches = toy_modem(kind, **settings), [toy_windows(toy_modem(kind), seed) for seed in range(12)]
    one.pretrain_actor(iter(batches), 2)
    one.update(iter(batches))
    one.measured(0.5)
    obs = toy_obs(one)
    one.act(obs, explore=True)
    two = toy_modem(kind, seed=9, **settings)
    two.load_state_dict(one.state_dict())
    for agent in (one, two):
        agent.update(iter(batches[3:]))
        agent.update(iter(batches[6:]))
    actions = [[agent.act(obs, explore=True) for _ in range(4)] for agent in (one, two)]
    assert np.array_equal(*actions)
    states = one.state_dict(), two.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_scale_and_optimizers_and_plan_are_saved():
    agent = toy_modem()
    names = agent.state_dict().keys()
    assert {"scale/value", "plan", "has_plan", "generator", "handover/limit", "owed"} <= names
    assert {"optimizer/encoder/mean/0", "optimizer/model/steps/0", "optimizer/actor/mean_square/0"} <= names


def test_the_state_of_another_agent_is_refused():
    with pytest.raises(SpecMismatch, match="other networks"):
        toy_modem().load_state_dict(toy_modem(latent_dim=24).state_dict())


@pytest.mark.parametrize("kind", ["state", "hybrid", "frozen"])
def test_a_saved_policy_acts_like_the_one_that_was_saved(tmp_path, kind):
    agent = toy_modem(kind, average_tau=0.2, eval_action="policy")
    agent.pretrain_actor(repeat(toy_windows(agent)), 2)
    agent.update(repeat(toy_windows(agent)))
    policy, obs = agent.policy(), toy_obs(agent)
    policy.save(tmp_path)
    loaded = load_policy(tmp_path, seed=agent.seed + 1_000_003 * agent.version)
    assert isinstance(loaded, ModemPolicy)
    assert (loaded.version, loaded.spec, loaded.config, loaded.stage) == (1, agent.spec, agent.config, policy.stage)
    for explore in (False, True, True):
        assert np.array_equal(loaded.act(obs, explore=explore), policy.act(obs, explore=explore))


def test_a_policy_of_another_kind_is_named(tmp_path):
    with pytest.raises(ConfigError, match="holds no readable policy"):
        load_policy(tmp_path)
    toy_modem().policy().save(tmp_path)
    with pytest.raises(ConfigError, match="kind 'modem', not 'sac'"):
        SACPolicy.load(tmp_path)


def test_a_config_survives_json_and_bad_ones_are_refused():
    config = replace(SMALL, handover=HandoverConfig(is_gated=True), target_clip=(0.0, 1.0))
    assert ModemConfig.from_json(json.loads(json.dumps(asdict(config)))) == config
    for settings, message in (
        ({"latent_dim": 13}, "latent_dim 13 is not a multiple"),
        ({"num_actors": 3}, "num_critics 5 is not a multiple of num_actors 3"),
        ({"num_min_critics": 6}, r"num_min_critics 6 is not in 1\.\.5"),
        ({"discount": 1.0}, "discount 1"),
        ({"horizon": 0}, "horizon 0"),
        ({"bc_weight": -1.0}, "bc_weight -1"),
        ({"target_clip": (1.0, 0.0)}, "target_clip"),
    ):
        with pytest.raises(ConfigError, match=message):
            ModemConfig(**settings)


def test_a_batch_without_marks_lies_inside_its_episodes():
    agent = toy_modem()
    batch = toy_windows(agent)
    whole = Batch(batch.obs, batch.action, batch.reward, batch.terminated, batch.discount, batch.is_demo)
    assert torch.allclose(agent._prepare(whole).weight.sum(0), torch.ones(8))


@pytest.mark.parametrize("preset", ["from_demonstrations", "tdmpc2", "modem", "modem_v2"])
def test_presets_plan_and_learn(preset):
    config = replace(
        getattr(ModemConfig, preset)(), batch_size=8, encoder_dims=(16,), hidden_dims=(16,), latent_dim=16, precision="float32"
    )
    agent = Modem(SPECS["hybrid"], config)
    batches = repeat(toy_windows(agent))
    agent.pretrain_actor(batches, 1)
    assert np.isfinite(agent.update(batches)["actor/loss"])
    assert np.abs(agent.act(toy_obs(agent), explore=True)).max() <= 1.0


def test_defaults_have_about_a_million_parameters_of_their_own():
    agent = Modem(SPECS["state"])
    assert 0.8e6 < sum(param.numel() for param in agent.networks.parameters()) < 1.2e6
