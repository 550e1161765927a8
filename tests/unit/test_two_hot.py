"""Laws of the bins: what is put in comes out, and the cross-entropy is least there."""

import pytest
import torch

from robot_rl.errors import ConfigError
from robot_rl.nn.two_hot import TwoHot, symexp, symlog


def as_logits(bins, x):
    """The logits whose softmax is exactly the two-hot vector of `x`."""
    lower, share = bins.encode(x)
    probability = torch.zeros(*x.shape, bins.num_bins)
    probability.scatter_(-1, lower[..., None], (1.0 - share)[..., None])
    probability.scatter_add_(-1, lower[..., None] + 1, share[..., None])
    assert torch.allclose(probability.sum(-1), torch.ones_like(x))
    return probability.clamp_min(1e-12).log()


def test_symexp_inverts_symlog_which_is_odd_and_grows():
    x = torch.tensor([-3000.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 20.0, 1e4])
    assert torch.allclose(symexp(symlog(x)), x, rtol=1e-4)
    assert torch.equal(symlog(-x), -symlog(x))
    assert (symlog(x).diff() > 0.0).all()


@pytest.mark.parametrize(("num_bins", "limit"), [(101, 10.0), (21, 2.0), (2, 1.0)])
def test_numbers_survive_the_round_trip(num_bins, limit):
    bins = TwoHot(num_bins, limit)
    x = symexp(torch.linspace(-limit, limit, 57))
    assert torch.allclose(bins.decode(as_logits(bins, x)), x, rtol=1e-3, atol=1e-4)


def test_numbers_beyond_the_bins_are_read_as_the_last():
    bins = TwoHot(11, 1.0)
    assert bins.decode(as_logits(bins, torch.tensor([1e6, -1e6]))).tolist() == pytest.approx([1.71828, -1.71828], rel=1e-3)


def test_a_number_on_a_bin_takes_that_bin_alone():
    bins = TwoHot(5, 2.0)  # bins at symlog -2, -1, 0, 1, 2
    lower, share = bins.encode(symexp(torch.tensor([-2.0, 0.0, 2.0])))
    assert (lower + share).tolist() == pytest.approx([0.0, 2.0, 4.0], abs=1e-5)


def test_cross_entropy_is_that_of_the_two_hot_vector_written_out():
    bins = TwoHot(21, 3.0)
    logits, x = torch.randn(4, 7, 21, generator=torch.Generator().manual_seed(0)), torch.linspace(-5.0, 5.0, 7)
    expected = -(as_logits(bins, x).exp() * logits.log_softmax(-1)).sum(-1)
    assert torch.allclose(bins.cross_entropy(logits, x), expected, atol=1e-4)  # x lacks the ensemble's dimension


def test_descending_the_cross_entropy_finds_the_number():
    bins, x = TwoHot(101, 10.0), torch.tensor([0.73, -12.0])
    logits = torch.zeros(2, 101, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(200):
        optimizer.zero_grad()
        bins.cross_entropy(logits, x).sum().backward()
        optimizer.step()
    assert bins.decode(logits.detach()).tolist() == pytest.approx([0.73, -12.0], rel=0.05)


def test_bins_that_cannot_be_are_refused():
    for num_bins, limit in ((1, 1.0), (5, 0.0), (5, 100.0)):
        with pytest.raises(ConfigError, match=r"num_bins .* bin_limit"):
            TwoHot(num_bins, limit)
