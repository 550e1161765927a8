"""What experience must satisfy before anything stores it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from robot_rl.errors import DatasetError
from robot_rl.specs import ArraySpec, EnvSpec
from robot_rl.types import Transition


def check_transition(transition: Transition, spec: EnvSpec, *, is_first: bool) -> None:
    """Raise DatasetError unless the transition has the keys, shapes and types of `spec` and is finite throughout.

    The `obs` of a step that is not the first was checked, and stored, as the `next_obs` of the one before.
    """
    if is_first:
        _check_obs("obs", transition.obs, spec.obs)
    _check_obs("next_obs", transition.next_obs, spec.obs)
    _check_array("action", transition.action, (spec.action.dim,))
    if transition.policy_action is not None:
        _check_array("policy_action", transition.policy_action, (spec.action.dim,))
    for name, number in (("reward", transition.reward), ("stamp", transition.stamp)):
        if not math.isfinite(number):
            raise DatasetError(f"{name} is {number}; experience must be finite")


def _check_obs(name: str, obs: Mapping[str, np.ndarray], expected: Mapping[str, ArraySpec]) -> None:
    if obs.keys() != expected.keys():
        missing, extra = sorted(expected.keys() - obs.keys()), sorted(obs.keys() - expected.keys())
        raise DatasetError(f"{name} does not have the keys of its spec: missing {missing}, unknown {extra}")
    for key, array_spec in expected.items():
        _check_array(f"{name} {key!r}", obs[key], array_spec.shape, array_spec.dtype, array_spec.variants)


def _check_array(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: str = "float32", variants: int = 1) -> None:
    array = np.asarray(array)
    stored = shape if variants == 1 else (variants, *shape)
    if array.shape != stored:
        why = "" if variants == 1 else f": {variants} variants of {list(shape)}"
        raise DatasetError(f"{name} has shape {list(array.shape)}; its spec says {list(stored)}{why}")
    if array.dtype != dtype and not np.can_cast(array.dtype, dtype, casting="same_kind"):
        raise DatasetError(f"{name} is {array.dtype}; its spec says {dtype}")
    if array.dtype != dtype:
        with np.errstate(over="ignore"):
            array = array.astype(dtype)  # beyond the range of the stored type lies infinity
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DatasetError(f"{name} is not finite: {array}")
