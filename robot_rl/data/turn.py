"""Turned experience: where a task looks the same from all sides, every step is worth as many as there are directions."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import accumulate

import torch
from torch import Tensor

from robot_rl.data.augmentation import SIZES, Augmentation, parts_of
from robot_rl.data.batch import Batch
from robot_rl.data.transfer import send
from robot_rl.errors import ConfigError
from robot_rl.specs import EnvSpec

_PAIRS = (("x", "y"), ("roll", "pitch"))
_KEPT = ("z", "yaw", "gripper", "opening")


class Turn(Augmentation):
    """Turns each window of a batch about the tool's z axis, by an angle that is drawn at random.

    It is right where the task's distribution looks the same from all sides in the tool's frame, and the hand does not turn
    with the task: a puck that is pushed, a round peg, starts and goals all around. Arms are stiff alike in x and y, or
    nearly so. A window with an action that would leave -1..1 is not turned. It knows quantities by their names in
    `EnvSpec`, as `Mirror` does.
    """

    def __init__(self, spec: EnvSpec, *, seed: int, device: str = "cpu") -> None:
        """Find what turns.

        Args:
            spec: Of the environment.
            seed: Of the angles, which are the same on every device.
            device: Where batches are.

        Raises:
            ConfigError: If an observation or action is not known to behave as a vector that is turned.
        """
        super().__init__(seed)
        state = {key: entry.shape[0] for key, entry in spec.obs.items() if key.startswith("state/")}
        pictures = [key for key in spec.obs if key.startswith(("image/", "feature/"))]
        if pictures:
            raise ConfigError(f"turn: pictures ({pictures[0]!r}) cannot be turned with the task; leave it off")
        self._obs = {key: _columns(key, dim, device) for key, dim in state.items()}
        self._action = _action_columns(spec, device)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with its windows turned; all steps of a window alike."""
        drawn = math.pi * (2.0 * torch.rand(batch.action.shape[1], generator=self._generator) - 1.0)
        angle = send(drawn, batch.action.device)
        action = _turned(batch.action, self._action, angle)
        fits = (action.abs() <= 1.0).all(-1).all(0)
        angle = angle * fits
        obs = {key: _turned(value, self._obs[key], angle) if key in self._obs else value for key, value in batch.obs.items()}
        return replace(batch, obs=obs, action=torch.where(fits[:, None], action, batch.action))


def _turned(value: Tensor, columns: Tensor, angle: Tensor) -> Tensor:
    """Return `value` [..., B, D] with the pairs of `columns` [2, P] turned by `angle` [B]."""
    first, second = value[..., columns[0]], value[..., columns[1]]
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    turned = value.clone()
    turned[..., columns[0]] = cos * first - sin * second
    turned[..., columns[1]] = sin * first + cos * second
    return turned


def _columns(key: str, dim: int, device: str) -> Tensor:
    """Return the columns [2, P] of an entry `key` [dim] that hold x and y of a vector."""
    parts = parts_of(key, dim, verb="turn", instead="leave turn off")
    starts = accumulate((SIZES[part] for part in parts), initial=0)
    found = [[start, start + 1] for start, part in zip(starts, parts, strict=False) if part != "scalar"]
    return torch.tensor(found, dtype=torch.long, device=device).reshape(-1, 2).T


def _action_columns(spec: EnvSpec, device: str) -> Tensor:
    names = spec.action.axes
    known = [*_KEPT, *(name for pair in _PAIRS for name in pair)]
    unknown = [full for full, name in zip(spec.action.names, names, strict=True) if name not in known]
    halves = [pair for pair in _PAIRS if (pair[0] in names) != (pair[1] in names)]
    if unknown or halves:
        told = repr(unknown[0]) if unknown else f"{halves[0][0]} and {halves[0][1]} are not both there"
        raise ConfigError(f"cannot turn actions {spec.action.names}: {told}; known: {', '.join(known)}; leave turn off")
    found = [[names.index(name) for name in pair] for pair in _PAIRS if pair[0] in names]
    return torch.tensor(found, dtype=torch.long, device=device).reshape(-1, 2).T
