"""Laws of SAC's update, of what it hands out and of what it saves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_rl.agents.lazy_metrics import LazyMetrics
from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_config import SACConfig
from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.agents.targets import td_target
from robot_rl.data.batch import Batch
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.actor_critic import SightedNetwork
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

SPEC = EnvSpec("toy", {"state/x": ArraySpec((3,))}, ActionSpec(("x", "y")), 0.1, 10)
SMALL = SACConfig(batch_size=16, hidden_dims=(16, 16), utd_ratio=1.0, critic_actor_ratio=1)


def make_batch(seed=0, size=16, **changes) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    values = {
        "obs": {"state/x": torch.randn(2, size, 3, generator=generator)},
        "action": torch.rand(1, size, 2, generator=generator) * 2 - 1,
        "reward": torch.rand(1, size, generator=generator),
        "terminated": torch.zeros(1, size),
        "discount": torch.full((1, size), 0.98),
        "is_demo": torch.zeros(size),
    }
    return Batch(**{**values, **changes})


class Counted:
    """Batches that count how many were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self) -> Batch:
        self.taken += 1
        return make_batch(self.taken)


def same(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def obs(value=0.0):
    return {"state/x": np.full(3, value, np.float32)}


# Target


def test_time_outs_bootstrap_and_terminations_do_not():
    reward, value = torch.tensor([1.0, 1.0]), torch.tensor([10.0, 10.0])
    target = td_target(reward, torch.tensor([0.0, 1.0]), value, 0.9)
    assert target.tolist() == [10.0, 1.0]


@pytest.mark.parametrize("backup_entropy", [False, True])
def test_the_target_of_a_terminal_step_is_its_reward_alone(backup_entropy):
    agent = SAC(SPEC, replace(SMALL, backup_entropy=backup_entropy, init_temperature=5.0))
    batch = make_batch(terminated=torch.ones(1, 16))
    assert agent.update(iter([batch]))["critic/target"] == pytest.approx(batch.reward.mean().item(), abs=1e-6)


def test_the_target_takes_the_smallest_of_the_drawn_targets():
    agent = SAC(SPEC, replace(SMALL, num_critics=3, num_min_critics=3, discount=0.9))
    with torch.no_grad():
        agent.target_critic.mlp.head_weight.zero_()
        agent.target_critic.mlp.head_bias.copy_(torch.tensor([[5.0], [2.0], [9.0]]))
    batch = make_batch(reward=torch.zeros(1, 16), discount=torch.full((1, 16), 0.9))
    assert agent.update(iter([batch]))["critic/target"] == pytest.approx(0.9 * 2.0, rel=1e-5)


def test_target_critics_are_drawn_without_replacement():
    agent = SAC(SPEC, replace(SMALL, num_critics=5, num_min_critics=3))
    draws = [agent._draw_members().tolist() for _ in range(200)]
    assert all(len(set(draw)) == 3 for draw in draws)
    assert {index for draw in draws for index in draw} == set(range(5))


def test_targets_are_clipped_to_the_feasible_range():
    agent = SAC(SPEC, replace(SMALL, target_clip=(0.0, 1.0)))
    batch = make_batch(reward=torch.full((1, 16), 50.0))
    assert agent.update(iter([batch]))["critic/target"] == 1.0


def test_the_reward_bias_counts_once_for_every_step_that_was_summed():
    agent = SAC(SPEC, replace(SMALL, reward_scale=2.0, reward_bias=-1.0, discount=0.9, n_step=3))
    shaped = agent._shaped_reward(torch.tensor([1.0, 1.0]), torch.tensor([0.9, 0.9**3]))
    torch.testing.assert_close(shaped, torch.tensor([2.0 - 1.0, 2.0 - (1.0 + 0.9 + 0.81)]))


def test_the_target_critics_lag_in_every_layer():
    agent = SAC(SPEC, replace(SMALL, tau=0.1))
    before = [parameter.clone() for parameter in agent.target_critic.parameters()]
    agent.update(Counted())
    for old, slow, fast in zip(before, agent.target_critic.parameters(), agent.critic.parameters(), strict=True):
        assert slow.data_ptr() != fast.data_ptr()
        torch.testing.assert_close(slow, torch.lerp(old, fast, 0.1))


# Update


@pytest.mark.parametrize(("utd_ratio", "taken"), [(0.5, [0, 1, 1, 2]), (1.0, [1, 2, 3, 4]), (2.5, [2, 5, 7, 10])])
def test_an_environment_step_owes_its_update_ratio_exactly(utd_ratio, taken):
    agent, batches = SAC(SPEC, replace(SMALL, utd_ratio=utd_ratio)), Counted()
    counts = []
    for _ in taken:
        agent.update(batches)
        counts.append(batches.taken)
    assert counts == taken
    assert agent.critic_updates == taken[-1]
    assert agent.env_steps == len(taken)


def test_ten_tenths_are_one_update():
    agent, batches = SAC(SPEC, replace(SMALL, utd_ratio=0.1)), Counted()
    for _ in range(10):
        agent.update(batches)
    assert batches.taken == 1


def test_the_actor_learns_once_every_so_many_critic_updates():
    agent, batches = SAC(SPEC, replace(SMALL, utd_ratio=1.0, critic_actor_ratio=3)), Counted()
    has_actor = ["actor/loss" in agent.update(batches) for _ in range(6)]
    assert has_actor == [False, False, True, False, False, True]


def test_the_actors_pass_holds_no_gradient_of_the_critics():
    agent = SAC(SPEC, SMALL)
    step = agent._prepare(make_batch())
    loss, _ = agent._actor_loss(step, torch.randn(16, 2), None)
    leaves, pending = set(), [loss.grad_fn]
    while pending:
        node = pending.pop()
        if node is not None:
            leaves.add(id(getattr(node, "variable", None)))
            pending += [parent for parent, _ in node.next_functions]
    assert {id(parameter) for parameter in agent.actor.parameters()} <= leaves
    assert not leaves & {id(parameter) for parameter in agent.critic.parameters()}


def test_the_actor_climbs_the_critics():
    agent = SAC(SPEC, replace(SMALL, init_temperature=1e-6, actor_lr=1e-2))
    step = agent._prepare(make_batch())
    before = agent.critic(step.now.state, torch.tanh(agent.actor(step.now.state)[0])).mean()
    for _ in range(50):
        agent._update_actor(step, 0.0)
    assert agent.critic(step.now.state, torch.tanh(agent.actor(step.now.state)[0])).mean() > before + 0.1


@pytest.mark.parametrize(("target_entropy", "rises"), [(50.0, True), (-50.0, False)])
def test_the_temperature_steers_entropy_to_its_target(target_entropy, rises):
    agent = SAC(SPEC, replace(SMALL, target_entropy=target_entropy))
    before = agent.log_alpha.item()
    agent.update(Counted())
    assert (agent.log_alpha.item() > before) == rises


def test_the_cloning_weight_halves_until_its_least():
    config = SACConfig(bc_weight=16.0, bc_halving_steps=100, bc_weight_min=0.5)
    assert [config.bc_weight_at(step) for step in (0, 100, 400, 2000)] == [16.0, 8.0, 1.0, 0.5]
    assert SACConfig(bc_weight=10.0).bc_weight_at(1000) == 10.0


def test_cloning_in_the_actors_loss_looks_at_demonstrations_only():
    agent = SAC(SPEC, replace(SMALL, bc_weight=1.0))
    is_demo = torch.zeros(16)
    is_demo[3] = 1.0
    step = agent._prepare(make_batch(is_demo=is_demo))
    mean = torch.zeros(16, 2)
    loss = agent._cloning_loss(step, mean, torch.zeros(16))
    torch.testing.assert_close(loss, step.continuous[3].square().mean())


def test_the_q_filter_drops_demonstrations_that_the_critics_like_less():
    agent = SAC(SPEC, replace(SMALL, bc_weight=1.0, bc_q_filter=True))
    step = agent._prepare(make_batch(is_demo=torch.ones(16)))
    assert agent._cloning_loss(step, torch.zeros(16, 2), torch.full((16,), 1e6)) == 0.0
    assert agent._cloning_loss(step, torch.zeros(16, 2), torch.full((16,), -1e6)) > 0.0


def test_windows_of_several_steps_are_refused():
    batch = make_batch(action=torch.zeros(2, 16, 2))
    with pytest.raises(SpecMismatch, match="1 step"):
        SAC(SPEC, SMALL).update(iter([batch]))


# Start from demonstrations


def demonstrations():
    seed = 0
    while True:
        seed += 1
        batch = make_batch(seed, is_demo=torch.ones(16))
        batch.action = torch.tanh(batch.obs["state/x"][:1, :, :2])
        yield batch


def test_a_cloned_actor_does_what_was_demonstrated():
    agent = SAC(SPEC, replace(SMALL, actor_lr=3e-3, clone_std=0.3))
    metrics = agent.pretrain_actor(demonstrations(), 400)
    assert metrics["clone/mse"] < 0.02
    step = agent._prepare(next(demonstrations()))
    assert agent.actor(step.now.state)[1].exp().mean().item() == pytest.approx(0.3, rel=0.2)


def test_settling_the_critics_leaves_the_actor_alone():
    agent = SAC(SPEC, SMALL)
    actor = {name: value.clone() for name, value in agent.actor.state_dict().items()}
    critic = {name: value.clone() for name, value in agent.critic.state_dict().items()}
    agent.pretrain_critic(Counted(), 3)
    assert same(agent.actor.state_dict(), actor)
    assert not same(agent.critic.state_dict(), critic)
    assert agent.env_steps == 0


# Acting


def test_the_best_candidate_is_the_one_that_the_critics_value_most():
    config = replace(SMALL, explore_action="best", num_action_candidates=200, num_critics=1, num_min_critics=1)
    agent = SAC(SPEC, config)
    x = torch.zeros(1, 3)
    chosen = torch.from_numpy(agent.act(obs(), explore=True))[None]
    mean = torch.from_numpy(agent.act(obs(), explore=False))[None]
    assert agent.critic(x, chosen) > agent.critic(x, mean)


class PrefersLargeActions(SightedNetwork):
    def forward(self, x, action):
        return action.sum(-1)[None]


@pytest.mark.parametrize("candidate_clone", [False, True])
def test_the_clone_competes_only_where_it_is_asked_to(candidate_clone):
    agent = SAC(SPEC, replace(SMALL, eval_action="best", num_action_candidates=1, candidate_clone=candidate_clone))
    with torch.no_grad():  # what is cloned acts (1, 1) everywhere, then the actor forgets
        agent.actor.mlp[-1].bias[:2] = 50.0
        agent.pretrain_actor(demonstrations(), 0)
        agent.actor.mlp[-1].bias[:2] = 0.0
    policy = agent.policy()
    policy.networks.critic = PrefersLargeActions(0, None)
    assert (policy.act(obs(), explore=False).min() == 1.0) == candidate_clone


def test_acting_stays_in_bounds_and_samples_only_when_exploring():
    agent = SAC(SPEC, SMALL)
    sampled = np.stack([agent.act(obs(0.5), explore=True) for _ in range(20)])
    fixed = np.stack([agent.act(obs(0.5), explore=False) for _ in range(3)])
    assert np.abs(sampled).max() <= 1.0
    assert sampled.std(0).min() > 0.01
    assert np.ptp(fixed, axis=0).max() == 0.0
    assert sampled.dtype == fixed.dtype == np.float32


def test_a_policy_is_frozen_and_taking_one_disturbs_nothing():
    agent, other = SAC(SPEC, SMALL), SAC(SPEC, SMALL)
    policy = agent.policy()
    before = policy.act(obs(), explore=False)
    policy.act(obs(), explore=True)
    agent.update(Counted())
    other.update(Counted())
    assert same(agent.state_dict(), other.state_dict())
    assert np.array_equal(policy.act(obs(), explore=False), before)
    assert not np.array_equal(agent.act(obs(), explore=False), before)
    assert (policy.version, agent.policy().version) == (0, 1)


def test_a_policy_carries_critics_only_if_it_chooses_by_them():
    assert SAC(SPEC, SMALL).policy().networks.critic is None
    assert SAC(SPEC, replace(SMALL, eval_action="best")).policy().networks.critic is not None


@pytest.mark.parametrize("eval_action", ["mean", "best"])
def test_a_saved_policy_acts_the_same(tmp_path, eval_action):
    agent = SAC(SPEC, replace(SMALL, eval_action=eval_action, candidate_clone=True))
    agent.set_normalizer({"state/x": torch.randn(50, 3) * 4.0})
    agent.pretrain_actor(demonstrations(), 2)
    policy = agent.policy()
    policy.save(tmp_path)
    loaded = SACPolicy.load(tmp_path, seed=agent.seed + 1_000_003 * agent.version)
    for explore in (False, True):
        assert np.array_equal(policy.act(obs(0.3), explore=explore), loaded.act(obs(0.3), explore=explore))
    assert loaded.spec == SPEC
    assert loaded.config == agent.config


def test_a_folder_without_a_policy_is_named(tmp_path):
    with pytest.raises(ConfigError, match=tmp_path.name):
        SACPolicy.load(tmp_path)


# Saving


@pytest.mark.parametrize("clones", [False, True])
def test_a_restored_agent_continues_bit_by_bit(clones):
    config = replace(SMALL, utd_ratio=1.5, num_critics=4, num_min_critics=2, candidate_clone=True)
    agent = SAC(SPEC, config, seed=1)
    agent.set_normalizer({"state/x": torch.randn(50, 3) * 4.0})
    if clones:
        agent.pretrain_actor(demonstrations(), 2)
    for _ in range(3):
        agent.update(Counted())
    other = SAC(SPEC, config, seed=99)
    other.load_state_dict(agent.state_dict())
    for _ in range(3):
        agent.update(Counted())
        other.update(Counted())
    assert same(agent.state_dict(), other.state_dict())
    assert np.array_equal(agent.act(obs(), explore=True), other.act(obs(), explore=True))


def test_a_saved_state_does_not_move_with_the_agent():
    agent = SAC(SPEC, SMALL)
    state = agent.state_dict()
    copies = {name: value.clone() for name, value in state.items()}
    agent.update(Counted())
    assert same(state, copies)


def test_another_agents_state_is_refused():
    state = SAC(SPEC, SMALL).state_dict()
    with pytest.raises(SpecMismatch):
        SAC(SPEC, replace(SMALL, num_critics=3)).load_state_dict(state)


# Configuration


def test_the_entropy_of_motions_leaves_a_continuous_gripper_out():
    spec = replace(SPEC, action=ActionSpec(("arm/x", "arm/y", "gripper")))
    agent = SAC(spec, replace(SMALL, entropy_of="motion"))
    assert agent._counted.tolist() == [1.0, 1.0, 0.0]
    assert agent._target_entropy == -1.0
    assert SAC(spec, SMALL)._target_entropy == -1.5


def test_target_entropy_is_half_the_continuous_dimensions():
    assert SAC(SPEC, SMALL)._target_entropy == -1.0


def test_an_environment_without_continuous_action_is_refused():
    spec = replace(SPEC, action=ActionSpec(("gripper",), discrete=(0,)))
    with pytest.raises(ConfigError, match="continuous"):
        SAC(spec, SMALL)


def test_lazy_metrics_are_floats_however_they_are_read():
    metrics = LazyMetrics({"a": torch.tensor(1.5)})
    seen = [metrics["a"], metrics.get("a"), *metrics.values(), *dict(metrics).values(), dict(metrics.items())["a"]]
    assert all(type(value) is float for value in seen)
    assert metrics.get("b", 3) == 3


def test_short_products_learn_the_same_to_their_precision():
    exact, short = SAC(SPEC, SMALL), SAC(SPEC, replace(SMALL, precision="bfloat16"))
    for _ in range(20):
        expected, found = exact.update(Counted()), short.update(Counted())
    assert found["critic/q"] == pytest.approx(expected["critic/q"], abs=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in short.critic.parameters())
