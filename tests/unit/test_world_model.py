"""Laws of the latent model: what SimNorm, the ensembles and the actors promise."""

import math
from dataclasses import replace

import pytest
import torch

from robot_rl.nn.actor_critic import Inputs
from robot_rl.nn.latent_encoder import LatentEncoder
from robot_rl.nn.running_scale import RunningScale
from robot_rl.nn.simnorm import simnorm
from robot_rl.nn.world_model import MAX_STATE, ModelSizes, WorldModel

SIZES = ModelSizes(
    action_dim=3, latent_dim=12, simnorm_dim=4, state_dim=0, hidden_dims=(16, 16), num_critics=6, num_actors=1, num_bins=21,
    bin_limit=3.0, activation="silu",
)  # fmt: skip


def model_of(seed=0, **changes):
    return WorldModel(replace(SIZES, **changes), torch.Generator().manual_seed(seed))


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_simnorm_makes_distributions_of_the_given_size():
    z = simnorm(10.0 * noise(5, 7, 12), 4)
    assert (z >= 0.0).all()
    assert torch.allclose(z.view(5, 7, 4, 3).sum(-2), torch.ones(5, 7, 3))
    assert torch.allclose(z.sum(-1), torch.full((5, 7), 3.0))


def test_latents_stay_latents_however_far_the_model_is_unrolled():
    model, z = model_of(), simnorm(noise(8, 12), 4)
    for _ in range(20):
        z = model.next(z, torch.ones(8, 3))
    assert torch.allclose(z.view(8, 4, 3).sum(1), torch.ones(8, 3))


def test_every_member_of_an_ensemble_is_drawn_by_itself_and_as_wide_as_a_single_network():
    """TD-MPC2's ensembles were left with another initialisation than its other networks for two years."""
    model = model_of(hidden_dims=(64, 64))
    single = model.reward[0].weight.detach()
    for weight in (model.critic.weights[0], model.critic.weights[1]):
        assert weight.std(0).min() > 0.0
        assert len({round(float(member.sum()), 4) for member in weight.detach()}) == 6
    assert float(model.critic.weights[0].detach().std()) == pytest.approx(float(single.std()), rel=0.1)


def test_rewards_and_values_start_at_zero():
    model, z, action = model_of(), simnorm(noise(8, 12), 4), noise(8, 3).tanh()
    assert model.values(z, action).abs().max() < 1e-5
    assert model.bins.decode(model.reward_logits(z, action)).abs().max() < 1e-5


def lively(**changes):
    """A model whose critics say something."""
    model = model_of(**changes)
    torch.nn.init.normal_(model.critic.head_weight, generator=torch.Generator().manual_seed(2))
    return model


def test_members_that_are_asked_are_those_that_answer():
    model, z, action = lively(), simnorm(noise(8, 12), 4), noise(8, 3).tanh()
    everybody = model.values(z, action)
    assert everybody.shape == (6, 8)
    assert torch.allclose(model.values(z, action, torch.tensor([4, 1])), everybody[[4, 1]], atol=1e-6)
    assert everybody.std(0).min() > 1e-3


def test_each_critic_can_be_asked_about_an_action_of_its_own():
    model, z, actions = lively(), simnorm(noise(8, 12), 4), noise(6, 8, 3).tanh()
    values = model.values(z, actions)
    for member in range(6):
        alone = model.values(z, actions[member], torch.tensor([member]))[0]
        assert torch.allclose(values[member], alone, atol=1e-5)


def test_critics_judge_their_own_actor_and_with_a_shift_another():
    model = model_of(num_actors=3)
    actions = torch.arange(3.0)[:, None, None].expand(3, 8, 3)
    assert model.by_critic(actions)[:, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
    shifted = model.by_critic(actions, shift=1)[:, 0, 0].tolist()
    assert all(judged != own for judged, own in zip(shifted, [0, 1, 2, 0, 1, 2], strict=True))


def test_frozen_critics_are_differentiated_by_the_action_alone():
    model, z = lively(), simnorm(noise(8, 12), 4)
    action = noise(8, 3).tanh().requires_grad_()
    model.values(z, action, frozen=True).sum().backward()
    assert action.grad is not None
    assert action.grad.abs().max() > 0.0
    assert all(param.grad is None for param in model.critic.parameters())


def test_the_entropy_is_that_of_the_squashed_gaussian_and_moves_the_mean_too():
    """TD-MPC2's cancels the squashing: its gradient by the mean is exactly zero."""
    model, z = model_of(), simnorm(noise(256, 12), 4)
    torch.nn.init.normal_(model.actor.head_weight, 0.0, 0.5, generator=torch.Generator().manual_seed(3))
    _, log_prob = model.sample(z, noise(1, 256, 3))
    log_prob.mean().backward()
    mean_bias, _ = model.actor.head_bias.grad.flatten().chunk(2)
    assert mean_bias.abs().max() > 1e-3


def encoder_of(**changes):
    settings = {"simnorm_dim": 4, "keeps_state": False, "activation": "silu"} | changes
    return LatentEncoder(4, None, (16,), 12, **settings, generator=torch.Generator().manual_seed(0))


def test_an_encoder_sees_all_that_there_is():
    encoder = encoder_of()
    state = noise(2, 5, 4).requires_grad_()
    z = encoder(Inputs(state, {}))
    assert z.shape == (2, 5, 12)
    (z * noise(12)).sum().backward()
    assert (state.grad.abs().amax((0, 1)) > 0.0).all()


def test_the_state_stands_beside_the_latent_as_it_is():
    state = noise(2, 5, 4)
    z = encoder_of(keeps_state=True)(Inputs(state, {}))
    assert torch.equal(z[..., 12:], state)
    assert torch.equal(z[..., :12], encoder_of()(Inputs(state, {})))


def test_the_model_predicts_how_the_state_changes():
    """With weights of zero nothing changes, however large the state is; and no state runs away."""
    model = model_of(state_dim=4)
    z = torch.cat([simnorm(noise(6, 12), 4), 3.0 * noise(6, 4)], dim=-1)
    torch.nn.init.zeros_(model.dynamics[-1].weight)
    torch.nn.init.zeros_(model.dynamics[-1].bias)
    assert torch.equal(model.next(z, noise(6, 3))[:, 12:], z[:, 12:])
    assert torch.allclose(model.next(z, noise(6, 3))[:, :12].unflatten(1, (3, 4)).sum(-1), torch.ones(6, 3))
    torch.nn.init.constant_(model.dynamics[-1].bias, 100.0)
    assert (model.next(z, noise(6, 3))[:, 12:] == MAX_STATE).all()


def test_latent_and_state_count_alike_in_the_distance():
    model, z = model_of(state_dim=4), torch.zeros(2, 16)
    predicted = torch.tensor([[1.0] * 12 + [0.0] * 4, [0.0] * 12 + [2.0] * 4])
    assert model.distance(predicted, z).tolist() == [1.0, 4.0]
    assert model_of().distance(predicted[:, :12], z[:, :12]).tolist() == [1.0, 0.0]


def test_the_scale_follows_the_spread_and_never_falls_below_its_least():
    scale = RunningScale(tau=0.5, least=0.1)
    for _ in range(30):
        scale.update(torch.linspace(-10.0, 10.0, 1001))
    assert float(scale.value) == pytest.approx(18.0, rel=1e-3)
    for _ in range(60):
        scale.update(torch.zeros(10))
    assert float(scale.value) == pytest.approx(0.1, rel=1e-3)
    assert math.isfinite(float(scale.value))
