"""Teaching a goal estimator from demonstrations whose goals are known in hindsight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


NEAR_M = 0.04
"""m from the goal within which errors are told apart."""


@dataclass(frozen=True, slots=True)
class GoalFrames:
    """Frames of successful episodes with what hindsight says of them."""

    views: dict[str, Tensor]
    """float16 [T, C, h, w] by `feature/<camera>`."""
    mirrored: dict[str, Tensor]
    """The same of frames exchanged left to right; empty: the task is not its own mirror image."""
    state: Tensor
    """[T, D]."""
    goals: Tensor
    """[T, 6], m and rad."""
    demo: Tensor
    """[T], index of the demonstration; -1: of none."""

    @classmethod
    def joined(cls, parts: Sequence[GoalFrames]) -> GoalFrames:
        """Return all frames of several; there must be one."""
        first = parts[0]
        return cls(
            views={key: torch.cat([part.views[key] for part in parts]) for key in first.views},
            mirrored={key: torch.cat([part.mirrored[key] for part in parts]) for key in first.mirrored},
            state=torch.cat([part.state for part in parts]),
            goals=torch.cat([part.goals for part in parts]),
            demo=torch.cat([part.demo for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class GoalErrors:
    """Mean absolute errors, of position a coordinate, on frames that the judging network has not learned from."""

    position_m: float
    rotation_rad: float
    near_position_m: float
    """Of frames within `NEAR_M` of the goal."""


def fit_goals(estimator: GoalEstimator, frames: GoalFrames, seed: int) -> GoalErrors:
    """Teach all members from demonstrations; the same frames and seed, the same weights."""
    estimator.normalizer.fit(frames.state)
    least = torch.tensor(MIN_SCALE, device=frames.goals.device)
    estimator.scale.copy_(frames.goals.std(0, unbiased=False).maximum(least))
    fold = torch.where(frames.demo < 0, -1, frames.demo % estimator.folds)  # -1: all may learn from it
    estimates = torch.empty_like(frames.goals)
    for index in range(estimator.folds):
        learnt, unseen = (fold != index).nonzero().squeeze(-1), (fold == index).nonzero().squeeze(-1)
        fit_member(estimator, index, frames, learnt if len(learnt) else unseen, seed)
        for rows in unseen.split(1024):
            estimates[rows] = estimator({key: view[rows] for key, view in frames.views.items()}, frames.state[rows], index)
    fit_member(estimator, estimator.folds, frames, None, seed)
    told = fold >= 0
    return errors_of(estimates[told], frames.goals[told])


def errors_of(estimates: Tensor, goals: Tensor) -> GoalErrors:
    """Return how far estimates [T, 6] are off."""
    off = (estimates - goals).abs()
    near = goals[:, :3].norm(dim=-1) < NEAR_M
    return GoalErrors(
        position_m=float(off[:, :3].mean()),
        rotation_rad=float(off[:, 3:GOAL_DIM].mean()),
        near_position_m=float(off[near][:, :3].mean()) if near.any() else float("nan"),
    )


def fit_member(estimator: GoalEstimator, index: int, frames: GoalFrames, rows: Tensor | None, seed: int) -> None:
    """Teach one member by absolute errors, which a few wrong labels do not bend.

    Args:
        estimator: Its normalisation and scale are fixed.
        index: Of the member.
        frames: To learn from.
        rows: Which of them; None: all.
        seed: Of batches, holes and noise.
    """
    config, device = estimator.config, frames.goals.device
    generator = torch.Generator(device).manual_seed(seed + 1_000_003 * index)
    rows = torch.arange(len(frames.goals), device=device) if rows is None else rows
    member = estimator.members[index].requires_grad_(True)
    optimizer = torch.optim.Adam(member.parameters(), config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps, pct_start=WARM_UP)
    for views, state, goals in _batches(estimator, frames, rows, generator):
        loss = (estimator.member(index, views, state) - goals).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    member.requires_grad_(False)


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
