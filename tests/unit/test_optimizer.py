"""The optimizer is Adam, and its state is all it needs."""

import torch
from torch import nn

from robot_rl.nn.optimizer import Adam, clip_norm, polyak_


def quadratic(params):
    return sum(((param - 3.0) ** 2).sum() for param in params)


def test_it_steps_like_torch():
    ours = [nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(2))]
    theirs = [nn.Parameter(param.detach().clone()) for param in ours]
    adam, reference = Adam(ours, lr=0.01), torch.optim.Adam(theirs, lr=0.01)
    for _ in range(5):
        adam.minimize(quadratic(ours))
        reference.zero_grad()
        quadratic(theirs).backward()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_a_restored_state_continues_exactly():
    first = [nn.Parameter(torch.randn(4))]
    adam = Adam(first, lr=0.01)
    for _ in range(3):
        adam.minimize(quadratic(first))
    second = [nn.Parameter(first[0].detach().clone())]
    other = Adam(second, lr=0.01)
    other.load_state_dict(adam.state_dict())
    adam.minimize(quadratic(first))
    other.minimize(quadratic(second))
    assert torch.equal(first[0], second[0])


def test_minimizing_leaves_no_gradients_behind():
    params, other = [nn.Parameter(torch.ones(2))], nn.Parameter(torch.ones(2))
    Adam(params, lr=0.01).minimize((params[0] * other).sum())
    assert params[0].grad is None
    assert other.grad is None


def test_polyak_moves_by_its_share():
    target, source = [torch.zeros(2)], [torch.ones(2)]
    polyak_(target, source, 0.1)
    torch.testing.assert_close(target[0], torch.full((2,), 0.1))


def test_gradients_are_scaled_down_together_and_never_up():
    grads = [torch.full((3,), 2.0), torch.full((1,), 2.0)]
    assert float(clip_norm(grads, 1.0)) == 4.0
    assert torch.equal(torch.cat(grads), torch.full((4,), 0.5))
    assert float(clip_norm(grads, 5.0)) == 1.0
    assert torch.equal(torch.cat(grads), torch.full((4,), 0.5))
