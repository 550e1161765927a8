"""Teaching a goal estimator from demonstrations whose goals are known in hindsight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_rl.nn.goal_estimator import GOAL_DIM, GoalEstimator
from robot_rl.nn.hidden_places import hide_places

STATE_NOISE = 0.05
"""Standard deviation of what is added to the standardised state, which few demonstrations would be learnt by heart from."""
MIN_SCALE = (0.005, 0.005, 0.005, 0.05, 0.05, 0.05)
"""m and rad: what hardly varies must not count as much as what does."""
MIRRORED_SIGNS = (1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
"""Of a goal in a frame that was exchanged left to right: y and the turns about x and z."""
WARM_UP = 0.1
"""Share of the steps in which the step size grows; it falls in the others."""


@dataclass(frozen=True, slots=True)
class GoalFrames:
    """Frames of demonstrations with what hindsight says of them."""

    views: dict[str, Tensor]
    """float16 [T, C, h, w] by `feature/<camera>`."""
    mirrored: dict[str, Tensor]
    """The same of frames exchanged left to right; empty: the task is not its own mirror image."""
    state: Tensor
    """[T, D]."""
    goals: Tensor
    """[T, 6], m and rad."""
    demo: Tensor
    """[T], index of the demonstration."""


@dataclass(frozen=True, slots=True)
class GoalErrors:
    """Mean absolute errors on frames whose demonstration the judging member has not seen."""

    position_m: float
    rotation_rad: float
    near_position_m: float
    """Of frames within `NEAR_M` of the goal."""


NEAR_M = 0.04


def fit_goals(estimator: GoalEstimator, frames: GoalFrames, seed: int) -> GoalErrors:
    """Teach all members; the same frames and seed, the same weights."""
    device = frames.goals.device
    generator = torch.Generator(device).manual_seed(seed)
    estimator.normalizer.fit(frames.state)
    least = torch.tensor(MIN_SCALE, device=device)
    estimator.scale.copy_(frames.goals.std(0, unbiased=False).maximum(least))
    fold = frames.demo % len(estimator.members)
    estimates = torch.empty_like(frames.goals)
    for index in range(len(estimator.members)):
        learnt = (fold != index).nonzero().squeeze(-1)
        unseen = (fold == index).nonzero().squeeze(-1)
        _fit_member(estimator, index, frames, learnt if len(learnt) else unseen, generator)
        for part in unseen.split(1024):
            views = {key: view[part] for key, view in frames.views.items()}
            estimates[part] = estimator(views, frames.state[part], unseen_by=index)
    return _errors(estimates, frames.goals)


def _fit_member(estimator: GoalEstimator, index: int, frames: GoalFrames, rows: Tensor, generator: torch.Generator) -> None:
    """Minimise the absolute error, which a few wrong labels do not bend."""
    config = estimator.config
    parameters = list(estimator.members[index].parameters())
    optimizer = torch.optim.Adam(parameters, config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps, pct_start=WARM_UP)
    for views, state, goals in _batches(estimator, frames, rows, generator):
        loss = (estimator.member(index, views, state) - goals).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    estimator.members[index].requires_grad_(False)


def _batches(
    estimator: GoalEstimator, frames: GoalFrames, rows: Tensor, generator: torch.Generator
) -> Iterator[tuple[dict[str, Tensor], Tensor, Tensor]]:
    """Yield features with holes, state with noise, and goals in units of the estimator's scale."""
    config, device = estimator.config, frames.goals.device
    signs = torch.tensor(MIRRORED_SIGNS, device=device)
    for _ in range(config.steps):
        drawn = rows[torch.randint(len(rows), (config.batch_size,), generator=generator, device=device)]
        goals, views = frames.goals[drawn] / estimator.scale, {key: view[drawn] for key, view in frames.views.items()}
        if frames.mirrored:
            turned = torch.rand(config.batch_size, 1, generator=generator, device=device) < 0.5
            goals = torch.where(turned, goals * signs, goals)
            wide = turned[:, :, None, None]
            views = {key: torch.where(wide, frames.mirrored[key][drawn], view) for key, view in views.items()}
        views = {key: hide_places(view, config.hidden_share, generator) for key, view in views.items()}
        state = frames.state[drawn]
        noise = torch.randn(state.shape, generator=generator, device=device) * STATE_NOISE / estimator.normalizer.scale
        yield views, state + noise, goals


def _errors(estimates: Tensor, goals: Tensor) -> GoalErrors:
    off = (estimates - goals).abs()
    near = goals[:, :3].norm(dim=-1) < NEAR_M
    return GoalErrors(
        position_m=float(off[:, :3].mean()),
        rotation_rad=float(off[:, 3:GOAL_DIM].mean()),
        near_position_m=float(off[near][:, :3].mean()) if near.any() else float("nan"),
    )
