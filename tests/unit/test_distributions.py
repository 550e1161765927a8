"""Laws of the squashed Gaussian."""

import math

import pytest
import torch

from robot_rl.nn.distributions import LOG_STD_MAX, LOG_STD_MIN, bound_log_std, squashed_log_prob, squashed_sample


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, -1.0), (0.7, 0.0), (-0.4, -2.0)])
def test_the_density_integrates_to_one(mean, log_std):
    action = torch.linspace(-1 + 1e-6, 1 - 1e-6, 200_001, dtype=torch.float64)[:, None]
    density = squashed_log_prob(torch.tensor([mean]), torch.tensor([log_std]), action, limit=1.0).exp()
    assert torch.trapezoid(density, action[:, 0]).item() == pytest.approx(1.0, abs=2e-3)


def test_a_sample_has_the_density_it_comes_with():
    mean, log_std = torch.randn(50, 3, dtype=torch.float64), torch.randn(50, 3, dtype=torch.float64).clamp(-1, 0)
    action, log_prob = squashed_sample(mean, log_std, torch.randn(50, 3, dtype=torch.float64))
    torch.testing.assert_close(squashed_log_prob(mean, log_std, action, limit=1.0 - 1e-15), log_prob)


def test_densities_of_several_dimensions_multiply():
    mean, log_std, noise = torch.randn(4, 3), torch.zeros(4, 3), torch.randn(4, 3)
    _, joint = squashed_sample(mean, log_std, noise)
    single = [squashed_sample(mean[:, [i]], log_std[:, [i]], noise[:, [i]])[1] for i in range(3)]
    torch.testing.assert_close(joint, sum(single))


@pytest.mark.parametrize("mean", [-60.0, 60.0])
def test_value_and_gradient_stay_finite_at_the_bounds(mean):
    parameter = torch.tensor([mean], requires_grad=True)
    action, log_prob = squashed_sample(parameter, torch.zeros(1), torch.zeros(1))
    log_prob.backward()
    assert action.abs().item() == 1.0
    assert math.isfinite(log_prob.item())
    assert math.isfinite(parameter.grad.item())
    assert torch.isfinite(squashed_log_prob(torch.zeros(1), torch.zeros(1), torch.tensor([1.0]))).all()


def test_log_std_is_bounded_and_zero_stays_zero():
    raw = torch.linspace(-100.0, 100.0, 1001)
    bounded = bound_log_std(raw)
    assert bounded.min() >= LOG_STD_MIN
    assert bounded.max() <= LOG_STD_MAX
    assert (bounded.diff() >= 0.0).all()
    assert bound_log_std(torch.zeros(1)).item() == pytest.approx(0.0, abs=1e-6)


def test_a_gradient_leads_back_from_a_tiny_std():
    raw = torch.tensor([-12.0], requires_grad=True)
    bound_log_std(raw).backward()
    assert raw.grad.item() > 1e-5


def test_a_dimension_that_does_not_count_leaves_the_density_of_the_others():
    mean, log_std, noise = torch.randn(4, 3), torch.zeros(4, 3), torch.randn(4, 3)
    action, log_prob = squashed_sample(mean, log_std, noise, torch.tensor([1.0, 0.0, 1.0]))
    others = [0, 2]
    torch.testing.assert_close(log_prob, squashed_sample(mean[:, others], log_std[:, others], noise[:, others])[1])
    assert torch.equal(action, squashed_sample(mean, log_std, noise)[0])
