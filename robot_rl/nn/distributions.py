"""The squashed Gaussian: tanh of a diagonal Gaussian, with a log-density that stays exact at the bounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0
"""Standard deviation before the squashing stays within 0.007 .. 7.4."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


def bound_log_std(raw: Tensor) -> Tensor:
    """Squash smoothly into LOG_STD_MIN .. LOG_STD_MAX, 0 to 0. Unlike after a clamp, a gradient always leads back."""
    centre, half = 0.5 * (LOG_STD_MAX + LOG_STD_MIN), 0.5 * (LOG_STD_MAX - LOG_STD_MIN)
    return centre + half * torch.tanh(raw / half + math.atanh(-centre / half))


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor, counted: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return a reparameterised sample and its log-density.

    Args:
        mean: [..., A], before the squashing.
        log_std: [..., A].
        noise: [..., A], standard normal.
        counted: [A], 1 for dimensions whose density counts and 0 for others; None: all count.

    Returns:
        Action [..., A] in [-1, 1] and log-density [...].
    """
    u = torch.addcmul(mean, log_std.exp(), noise)
    return torch.tanh(u), _log_prob(u, noise, log_std, counted)


def squashed_log_prob(mean: Tensor, log_std: Tensor, action: Tensor, limit: float = 1.0 - 1e-6) -> Tensor:
    """Return the log-density [...] of `action` [..., A] in [-1, 1]; actions beyond `limit` are read as `limit`."""
    u = torch.atanh(action.clamp(-limit, limit))
    return _log_prob(u, (u - mean) * torch.exp(-log_std), log_std)


def _log_prob(u: Tensor, noise: Tensor, log_std: Tensor, counted: Tensor | None = None) -> Tensor:
    """Log-density of tanh(u), with log(1 - tanh(u)**2) as 2 (log 2 - u - softplus(-2u)), which never becomes log 0."""
    gaussian = -0.5 * noise.square() - log_std - _HALF_LOG_TWO_PI
    density = gaussian - 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    return (density if counted is None else density * counted).sum(-1)
