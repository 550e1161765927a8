"""Gradient steps on a classifier's head, on frames that are encoded already, and heads that judge what they have not seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from robot_rl.rewards.classifier import SuccessClassifier
from robot_rl.rewards.encoding import EncodedFrames
from robot_rl.rewards.head import ClassifierHead

OnStep = Callable[[str, int], None]
"""Called with what is being fitted and the gradient step, now and then."""


def cross_validate(
    classifier: SuccessClassifier, frames: EncodedFrames, fold: np.ndarray, seed: int, on_step: OnStep | None = None
) -> np.ndarray:
    """Return scores [N] of every frame by a head that was trained on the episodes of all other folds.

    Args:
        classifier: Whose backbone and config; its own head stays as it is.
        frames: All.
        fold: [episodes], which part an episode belongs to.
        seed: Of weights and batches.
        on_step: Told of the progress.
    """
    fold_of_frame = torch.from_numpy(fold[frames.origin[:, 0]])
    scores = torch.zeros(len(frames.labels), dtype=torch.float64)
    parts = sorted(set(fold.tolist()))
    for part in parts:
        head = classifier.new_head(seed)
        is_held_out = fold_of_frame == part
        fit_head(head, frames.select(~is_held_out), seed, on_step, f"fold {part + 1} of {len(parts)}")
        scores[is_held_out] = head_scores(head, frames.select(is_held_out))
    return scores.numpy()


def fit_head(
    head: ClassifierHead, frames: EncodedFrames, seed: int, on_step: OnStep | None = None, name: str = "classifier"
) -> None:
    """Train a head on batches that hold as many successes as failures.

    Args:
        head: To be trained.
        frames: Of both classes.
        seed: Of the batches.
        on_step: Called with (`name`, step) every tenth step.
        name: What this fit is.
    """
    config, device = head.config, head.device
    generator = torch.Generator().manual_seed(seed)
    head.state_code.fit(frames.state, frames.labels)
    optimizer = torch.optim.AdamW(head.parameters(), config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    for step in range(config.steps):
        index = draw_balanced(frames, config.batch_size, config.hard_share, generator)
        version = torch.randint(frames.versions, index.shape, generator=generator)
        features = {camera: maps[index, version].to(device).float() for camera, maps in frames.features.items()}
        scores = head(features, frames.state[index].to(device))
        loss = F.binary_cross_entropy_with_logits(scores, frames.labels[index].to(device).float())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if on_step is not None and step % 10 == 0:
            on_step(name, step)


def draw_balanced(frames: EncodedFrames, batch_size: int, hard_share: float, generator: torch.Generator) -> Tensor:
    """Return indices [batch_size] of frames: half successes; of the failures `hard_share` hard ones, if there are any."""
    hard = (frames.is_hard & ~frames.labels).nonzero().squeeze(-1)
    successes, failures = frames.labels.nonzero().squeeze(-1), (~frames.labels).nonzero().squeeze(-1)
    num_successes = batch_size // 2
    num_hard = round(hard_share * (batch_size - num_successes)) if len(hard) else 0
    counts = ((successes, num_successes), (hard, num_hard), (failures, batch_size - num_successes - num_hard))
    return torch.cat([pool[torch.randint(len(pool), (n,), generator=generator)] for pool, n in counts if n])


@torch.inference_mode()
def head_scores(head: ClassifierHead, frames: EncodedFrames, batch_size: int = 256) -> Tensor:
    """Return a head's scores [N], float64, of frames as they are, not augmented."""
    scores = [torch.zeros(0, dtype=torch.float64)]
    for index in torch.arange(len(frames.labels)).split(batch_size):
        features = {camera: maps[index, 0].to(head.device).float() for camera, maps in frames.features.items()}
        scores.append(head(features, frames.state[index].to(head.device)).double().cpu())
    return torch.cat(scores)
