"""Mirrored experience: where a task looks the same in a mirror, every step is worth two, or four with two mirrors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from robot_rl.data.augmentation import Augmentation, parts_of
from robot_rl.data.batch import Batch
from robot_rl.data.features import mirrored_key
from robot_rl.data.transfer import send
from robot_rl.errors import ConfigError
from robot_rl.specs import EnvSpec

Axis = Literal["x", "y"]
"""What a mirror turns round: coordinates along this axis of the tool's frame."""

_VECTOR: dict[Axis, tuple[float, float, float]] = {"x": (-1.0, 1.0, 1.0), "y": (1.0, -1.0, 1.0)}
_AXIAL: dict[Axis, tuple[float, float, float]] = {"x": (1.0, -1.0, -1.0), "y": (-1.0, 1.0, -1.0)}
"""Rotations and torques are axial vectors: a mirror keeps the part along its normal and turns the rest."""
_DIRECTIONS = ("x", "y", "z")
_TURNS = ("roll", "pitch", "yaw")


class Mirror(Augmentation):
    """Mirrors each window of a batch, or not, at random.

    It is right where the task's distribution is its own mirror image in the tool's frame: a square peg, a cube, starts
    and goals that are spread evenly to both sides. Pictures are mirrored left to right, which is right for cameras that
    stand in the plane of the mirror y: one that looks along the arm, one that the hand carries over its middle. It knows
    quantities by their names in `EnvSpec`: `position`, `rotation`, `height`, `twist`, `wrench`, `opening`, and the axes of
    actions.
    """

    def __init__(self, spec: EnvSpec, axes: Sequence[Axis], *, seed: int, device: str = "cpu") -> None:
        """Prepare the signs.

        Args:
            spec: Of the environment.
            axes: The mirrors; with two, windows are also mirrored in both.
            seed: Of the choice, which is the same on every device.
            device: Where batches are.

        Raises:
            ConfigError: If an observation or action is not known to behave as a vector in a mirror.
        """
        super().__init__(seed)
        state = {key: entry.shape[0] for key, entry in spec.obs.items() if key.startswith("state/")}
        cameras = [key for key in spec.obs if key.startswith(("image/", "feature/"))]
        if cameras and tuple(axes) != ("y",):
            raise ConfigError(f"mirror {' '.join(axes)}: pictures ({cameras[0]!r}) are mirrored left to right, which is y only")
        unpaired = [key for key in cameras if key.startswith("feature/") and mirrored_key(key) not in spec.obs]
        if unpaired:
            raise ConfigError(f"mirror {' '.join(axes)} needs the features of mirrored pictures beside {unpaired[0]!r}")
        self._obs = {
            key: _combine([_state_signs(key, dim, axis) for axis in axes]).to(device) for key, dim in state.items()
        }  # [C, D] each
        self._action = _combine([_action_signs(spec, axis) for axis in axes]).to(device)  # [C, A]

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with some windows mirrored; all steps of a window alike."""
        drawn = torch.randint(len(self._action), (batch.action.shape[1],), generator=self._generator)
        chosen = send(drawn, self._action.device)
        obs = {key: self._seen(key, batch.obs, chosen) for key in batch.obs if not key.startswith("mirrored/")}
        return replace(batch, obs=obs, action=batch.action * self._action[chosen])

    def _seen(self, key: str, obs: Mapping[str, Tensor], chosen: Tensor) -> Tensor:
        """Return an entry [H+1, B, ...] with the windows mirrored that `chosen` [B] says."""
        value = obs[key]
        if key in self._obs:
            return value * self._obs[key][chosen]
        image = value.flip(-2) if key.startswith("image/") else obs[mirrored_key(key)]
        return torch.where((chosen > 0)[:, None, None, None], image, value)


def _combine(signs: Sequence[Tensor]) -> Tensor:
    """Return the signs of every choice among M mirrors [2**M, D] from those of each, [D]."""
    is_mirrored = torch.cartesian_prod(*[torch.tensor([False, True])] * len(signs)).reshape(-1, len(signs), 1)
    return torch.where(is_mirrored, torch.stack(list(signs)), 1.0).prod(1)


def _state_signs(key: str, dim: int, axis: Axis) -> Tensor:
    """Return what the entry `key` [dim] is multiplied with."""
    signs = {"vector": _VECTOR[axis], "axial": _AXIAL[axis], "scalar": (1.0,)}
    parts = parts_of(key, dim, verb="mirror", instead="set mirror to none")
    return torch.tensor([sign for part in parts for sign in signs[part]])


def _action_signs(spec: EnvSpec, axis: Axis) -> Tensor:
    """Return what an action [A] is multiplied with."""

    def sign(name: str) -> float:
        direction = name.rpartition("/")[2]
        if direction in _DIRECTIONS:
            return _VECTOR[axis][_DIRECTIONS.index(direction)]
        if direction in _TURNS:
            return _AXIAL[axis][_TURNS.index(direction)]
        if direction in ("gripper", "opening"):
            return 1.0
        raise ConfigError(f"cannot mirror the action {name!r}; known: {', '.join((*_DIRECTIONS, *_TURNS))}, gripper")

    return torch.tensor([sign(name) for name in spec.action.names])
