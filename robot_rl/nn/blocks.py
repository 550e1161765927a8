"""Perceptrons: a single one, and an ensemble of them evaluated as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["relu", "tanh", "silu", "elu"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "silu": F.silu,
    "elu": F.elu,
}
"""Those whose gradient needs only their output work in place: no layer before them keeps its own output."""


class MLP(nn.Module):
    """One perceptron. A hidden layer is linear, layer norm (if wanted), activation."""

    def __init__(
        self,
        in_dim: int,
        hidden_dims: Sequence[int],
        out_dim: int,
        *,
        activation: Activation,
        layer_norm: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        dims = (in_dim, *hidden_dims)
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in zip(dims, dims[1:], strict=False))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) if layer_norm else nn.Identity() for dim in hidden_dims)
        self.head = nn.Linear(dims[-1], out_dim)
        self.product_dtype = torch.float32
        """type in which hidden layers are multiplied with each other; all else is float32"""
        self._activation = ACTIVATIONS[activation]
        for linear in (*self.hidden, self.head):
            nn.init.xavier_uniform_(linear.weight, generator=generator)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in_dim] to [..., out_dim]."""
        for index, (linear, norm) in enumerate(zip(self.hidden, self.norms, strict=True)):
            if index > 0 and self.product_dtype != torch.float32:
                product = F.linear(x.to(self.product_dtype), linear.weight.to(self.product_dtype))
                x = product.float() + linear.bias
            else:
                x = linear(x)
            x = self._activation(norm(x))
        return self.head(x)


class EnsembleMLP(nn.Module):
    """`N` perceptrons with one output each that share nothing but their inputs. Layers are those of `MLP`.

    Weights of all members lie in one tensor [N, in, out] a layer, so that a layer is one batched matrix product.
    """

    def __init__(
        self,
        num_members: int,
        in_dims: Sequence[int],
        hidden_dims: Sequence[int],
        *,
        activation: Activation,
        layer_norm: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_members = num_members
        self.in_dims = tuple(in_dims)
        dims = (sum(in_dims), *hidden_dims)
        shapes = list(zip(dims, dims[1:], strict=False))
        normed = hidden_dims if layer_norm else ()
        self.weights = nn.ParameterList(torch.empty(num_members, i, o) for i, o in shapes)
        self.biases = nn.ParameterList(torch.zeros(num_members, 1, o) for _, o in shapes)
        self.scales = nn.ParameterList(torch.ones(num_members, 1, dim) for dim in normed)
        self.shifts = nn.ParameterList(torch.zeros(num_members, 1, dim) for dim in normed)
        self.head_weight = nn.Parameter(torch.empty(num_members, 1, dims[-1]))
        self.head_bias = nn.Parameter(torch.zeros(num_members, 1))
        self.product_dtype = torch.float32
        """type in which hidden layers are multiplied with each other; all else is float32"""
        self._activation = ACTIVATIONS[activation]
        for weight in (*self.weights, self.head_weight):
            for member in weight.detach():
                nn.init.xavier_uniform_(member, generator=generator)

    def forward(self, *inputs: Tensor, members: Tensor | None = None, frozen: bool = False) -> Tensor:
        """Return the outputs of all members, [N, B].

        Args:
            inputs: [B, in_dims[i]] each, the same for all members.
            members: Indices [M] of the members to evaluate, for [M, B]; None: all.
            frozen: Differentiate by the inputs only, not by the weights.
        """

        def of(parameter: Tensor) -> Tensor:
            parameter = parameter.detach() if frozen else parameter
            return parameter if members is None else parameter[members]

        x = self._activate(0, self._first(inputs, of(self.weights[0]), of(self.biases[0])), of)
        for index in range(1, len(self.weights)):
            x = self._product(x, of(self.weights[index]), of(self.biases[index]))
            x = self._activate(index, x, of)
        # A product and a sum: matrix libraries need five times as long for a product with a single column.
        return torch.linalg.vecdot(x, of(self.head_weight)) + of(self.head_bias)

    def _first(self, inputs: Sequence[Tensor], weight: Tensor, x: Tensor) -> Tensor:
        """First linear layer, input by input, so that an action's gradient does not cost the state's."""
        for part, rows in zip(inputs, weight.split(self.in_dims, dim=1), strict=True):
            x = torch.baddbmm(x, part.expand(len(weight), -1, -1), rows)
        return x

    def _product(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if self.product_dtype == torch.float32:
            return torch.baddbmm(bias, x, weight)
        return torch.bmm(x.to(self.product_dtype), weight.to(self.product_dtype)).float() + bias

    def _activate(self, index: int, x: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
        if self.scales:
            x = (F.layer_norm(x, x.shape[-1:]) * of(self.scales[index])).add_(of(self.shifts[index]))
        return self._activation(x)


def set_product_dtype(module: nn.Module, dtype: torch.dtype) -> None:
    """Multiply in `dtype` inside all perceptrons of `module`."""
    for part in module.modules():
        if isinstance(part, MLP | EnsembleMLP):
            part.product_dtype = dtype
