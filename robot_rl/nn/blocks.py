"""Perceptrons: a single one, and an ensemble of them evaluated as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["relu", "tanh", "silu", "elu", "mish"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),  # no layer before it needs its own output for the gradient
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "mish": nn.Mish,
}


class HiddenLinear(nn.Linear):
    """A linear layer with much arithmetic, between hidden layers or behind an eye. It may multiply in a shorter type."""

    product_dtype: torch.dtype = torch.float32

    def forward(self, input: Tensor) -> Tensor:
        """Map [..., in] of any floating type to float32 [..., out]."""
        if self.product_dtype == torch.float32:
            return super().forward(input.float())
        return F.linear(input.to(self.product_dtype), self.weight.to(self.product_dtype)).float().add_(self.bias)


class MLP(nn.Sequential):
    """A perceptron [..., in_dim] -> [..., out_dim]. A hidden layer is linear, layer norm (if wanted), activation."""

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
        layers: list[nn.Module] = []
        for index, (rows, columns) in enumerate(pairwise((in_dim, *hidden_dims))):
            layers.append(nn.Linear(rows, columns) if index == 0 else HiddenLinear(rows, columns))
            if layer_norm:
                layers.append(nn.LayerNorm(columns))
            layers.append(ACTIVATIONS[activation]())
        super().__init__(*layers, nn.Linear(hidden_dims[-1], out_dim))
        for layer in self:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                nn.init.zeros_(layer.bias)


class EnsembleMLP(nn.Module):
    """`N` perceptrons, with one output each unless told otherwise, that share nothing. Layers are those of `MLP`.

    Weights of all members lie in one tensor [N, in, out] a layer, so that a layer is one batched matrix product.
    """

    product_dtype: torch.dtype = torch.float32
    """type in which hidden layers are multiplied with each other; all else is float32"""

    def __init__(
        self,
        num_members: int,
        in_dims: Sequence[int],
        hidden_dims: Sequence[int],
        out_dim: int | None = None,
        *,
        activation: Activation,
        layer_norm: bool,
        generator: torch.Generator,
    ) -> None:
        """Draw the weights, every member's by itself.

        Args:
            num_members: N.
            in_dims: Sizes of the inputs.
            hidden_dims: Widths of the hidden layers.
            out_dim: Outputs of a member; None: one, and no dimension for it.
            activation: After each hidden layer.
            layer_norm: Normalise before each activation.
            generator: Draws the weights.
        """
        super().__init__()
        self.in_dims, self.has_one_output = tuple(in_dims), out_dim is None
        shapes = list(pairwise((sum(in_dims), *hidden_dims)))
        normed = hidden_dims if layer_norm else ()
        self.weights = nn.ParameterList(torch.empty(num_members, rows, columns) for rows, columns in shapes)
        self.biases = nn.ParameterList(torch.zeros(num_members, 1, columns) for _, columns in shapes)
        self.scales = nn.ParameterList(torch.ones(num_members, 1, dim) for dim in normed)
        self.shifts = nn.ParameterList(torch.zeros(num_members, 1, dim) for dim in normed)
        head = (1, hidden_dims[-1]) if out_dim is None else (hidden_dims[-1], out_dim)
        self.head_weight = nn.Parameter(torch.empty(num_members, *head))
        self.head_bias = nn.Parameter(torch.zeros((num_members, 1) if out_dim is None else (num_members, 1, out_dim)))
        self.activation = ACTIVATIONS[activation]()
        for weight in (*self.weights, self.head_weight):
            for member in weight.detach():
                nn.init.xavier_uniform_(member, generator=generator)

    def forward(self, *inputs: Tensor, members: Tensor | None = None, frozen: bool = False) -> Tensor:
        """Return the outputs of all members, [N, B] or [N, B, out_dim].

        Args:
            inputs: [B, in_dims[i]] each, the same for all members, or [N, B, in_dims[i]], one for each.
            members: Indices [M] of the members to evaluate, for [M, B] or [M, B, out_dim]; None: all.
            frozen: Differentiate by the inputs only, not by the weights.
        """

        def of(parameter: Tensor) -> Tensor:
            parameter = parameter.detach() if frozen else parameter
            return parameter if members is None else parameter[members]

        x = self._first(inputs, of(self.weights[0]), of(self.biases[0]))
        for index in range(len(self.weights)):
            if index > 0:
                x = self._product(x, of(self.weights[index]), of(self.biases[index]))
            if self.scales:
                x, scale = F.layer_norm(x, x.shape[-1:]), of(self.scales[index])
                # In place where nobody will ask what was scaled: a tensor less to write.
                x = x * scale if scale.requires_grad and torch.is_grad_enabled() else x.mul_(scale)
                x = x.add_(of(self.shifts[index]))
            x = self.activation(x)
        # A product and a sum: matrix libraries take five times as long for a matrix with a single column.
        if self.has_one_output:
            return torch.linalg.vecdot(x, of(self.head_weight)) + of(self.head_bias)
        return self._product(x, of(self.head_weight), of(self.head_bias))

    def _first(self, inputs: Sequence[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
        """First linear layer; input by input where one is differentiated by, so that an action does not cost a state too."""
        if not any(part.requires_grad for part in inputs) and all(part.ndim == 2 for part in inputs):
            return torch.baddbmm(bias, torch.cat(list(inputs), dim=-1).expand(len(weight), -1, -1), weight)
        x = bias
        for part, rows in zip(inputs, weight.split(self.in_dims, dim=1), strict=True):
            x = torch.baddbmm(x, part.expand(len(weight), -1, -1), rows)
        return x

    def _product(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if self.product_dtype == torch.float32:
            return torch.baddbmm(bias, x, weight)
        return torch.bmm(x.to(self.product_dtype), weight.to(self.product_dtype)).float().add_(bias)


def set_product_dtype(module: nn.Module, dtype: torch.dtype) -> None:
    """Let all perceptrons and eyes inside `module` multiply hidden layers in `dtype`."""
    for part in module.modules():
        if isinstance(part, HiddenLinear | EnsembleMLP):
            part.product_dtype = dtype
