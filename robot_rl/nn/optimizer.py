"""Adam on gradients that are handed to it, and the slow copy of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Adam:
    """Adam, fused. It differentiates for its own parameters only: nothing accumulates and nothing needs zeroing."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = list(params)
        self.lr = lr
        self._mean = [torch.zeros_like(param) for param in self.params]
        self._mean_square = [torch.zeros_like(param) for param in self.params]
        self._steps = [torch.zeros((), device=param.device) for param in self.params]

    def minimize(self, loss: Tensor) -> None:
        """Take one step down the gradient of `loss`."""
        self.step(torch.autograd.grad(loss, self.params))

    @torch.no_grad()
    def step(self, grads: Sequence[Tensor]) -> None:
        """Take one step with the gradients of `params`, in their order."""
        adam(
            self.params,
            list(grads),
            self._mean,
            self._mean_square,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments and step counts, in the order of `params`."""
        columns = {"mean": self._mean, "mean_square": self._mean_square, "steps": self._steps}
        return {f"{name}/{index}": tensor for name, tensors in columns.items() for index, tensor in enumerate(tensors)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])


@torch.no_grad()
def clip_norm(grads: Sequence[Tensor], max_norm: float) -> Tensor:
    """Scale gradients down together, in place, to a norm of at most `max_norm`; return the norm they had."""
    norm = nn.utils.get_total_norm(grads)
    factor = (max_norm / norm.clamp_min(1e-12)).clamp_max(1.0)
    for grad in grads:
        grad.mul_(factor)
    return norm


@torch.no_grad()
def polyak_(target: Iterable[Tensor], source: Iterable[Tensor], tau: float) -> None:
    """Move `target` towards `source` by the share `tau`, in place."""
    for slow, fast in zip(target, source, strict=True):
        slow.lerp_(fast, tau)
