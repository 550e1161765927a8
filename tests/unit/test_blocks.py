"""Laws of the perceptrons: an ensemble is its members, and shortcuts change nothing but the time."""

import pytest
import torch

from robot_rl.nn.blocks import MLP, EnsembleMLP, set_product_dtype

STATE, ACTION = 5, 3


def ensemble(activation="relu", layer_norm=True, num_members=4):
    generator = torch.Generator().manual_seed(0)
    net = EnsembleMLP(num_members, (STATE, ACTION), (16, 12), activation=activation, layer_norm=layer_norm, generator=generator)
    with torch.no_grad():  # scales and biases start at 1 and 0, which would hide a mistake in their use
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return net


def member_as_mlp(net: EnsembleMLP, index: int, activation: str, layer_norm: bool) -> MLP:
    mlp = MLP(STATE + ACTION, (16, 12), 1, activation=activation, layer_norm=layer_norm, generator=torch.Generator())
    ours = []
    for layer in range(2):
        ours += [net.weights[layer][index].T, net.biases[layer][index, 0]]
        if layer_norm:
            ours += [net.scales[layer][index, 0], net.shifts[layer][index, 0]]
    ours += [net.head_weight[index], net.head_bias[index]]
    with torch.no_grad():
        for theirs, value in zip(mlp.parameters(), ours, strict=True):
            theirs.copy_(value)
    return mlp


def inputs(batch=7):
    return torch.randn(batch, STATE), torch.randn(batch, ACTION)


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "elu"])
@pytest.mark.parametrize("layer_norm", [True, False])
def test_every_member_is_an_ordinary_perceptron(activation, layer_norm):
    net, (x, action) = ensemble(activation, layer_norm), inputs()
    out = net(x, action)
    for index in range(4):
        alone = member_as_mlp(net, index, activation, layer_norm)(torch.cat([x, action], -1)).squeeze(-1)
        torch.testing.assert_close(out[index], alone, rtol=1e-5, atol=1e-5)


def test_members_start_different():
    net = EnsembleMLP(3, (STATE,), (8,), activation="relu", layer_norm=True, generator=torch.Generator().manual_seed(0))
    out = net(torch.randn(6, STATE))
    assert (out[0] != out[1]).any()
    assert (out[1] != out[2]).any()


def test_members_share_nothing():
    net, (x, action) = ensemble(), inputs()
    grads = torch.autograd.grad(net(x, action)[1].sum(), list(net.parameters()))
    for grad in grads:
        assert grad[1].abs().sum() > 0.0
        assert grad[[0, 2, 3]].abs().sum() == 0.0


def test_a_subset_is_the_same_as_those_rows_of_the_whole():
    net, (x, action) = ensemble(), inputs()
    members = torch.tensor([3, 1])
    torch.testing.assert_close(net(x, action, members=members), net(x, action)[members])


def test_frozen_differentiates_by_inputs_alone():
    net, (x, action) = ensemble(), inputs()
    action.requires_grad_()
    (expected,) = torch.autograd.grad(net(x, action).sum(), action)
    frozen = net(x, action, frozen=True)
    (found,) = torch.autograd.grad(frozen.sum(), action, retain_graph=True)
    torch.testing.assert_close(found, expected)
    unused = torch.autograd.grad(frozen.sum(), list(net.parameters()), allow_unused=True)
    assert all(grad is None for grad in unused)


@pytest.mark.parametrize("make", ["ensemble", "mlp"])
def test_short_products_are_close_and_leave_inputs_exact(make):
    net = ensemble() if make == "ensemble" else member_as_mlp(ensemble(), 0, "relu", True)
    x, action = inputs(64)
    arguments = (x, action) if make == "ensemble" else (torch.cat([x, action], -1),)
    exact = net(*arguments)
    set_product_dtype(net, torch.bfloat16)
    short = net(*arguments)
    assert short.dtype == torch.float32
    assert (short != exact).any()
    torch.testing.assert_close(short, exact, rtol=0.05, atol=0.05)
