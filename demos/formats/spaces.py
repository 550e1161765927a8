"""Gymnasium spaces as Minari writes them in JSON, made of our specs, and nested observations under flat names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robot_rl.errors import DatasetError
from robot_rl.specs import ArraySpec

BOUNDS = {"uint8": (0, 255), "bool": (False, True)}
"""Of types that cannot be unbounded."""


def box(spec: ArraySpec, bounds: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return a box of `spec`'s shape and type; float entries are unbounded unless `bounds` are given."""
    low, high = bounds or BOUNDS.get(spec.dtype, (float("-inf"), float("inf")))
    return {
        "type": "Box",
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "low": _full(spec.shape, low),
        "high": _full(spec.shape, high),
    }


def nested_space(obs: Mapping[str, ArraySpec]) -> dict[str, Any]:
    """Return a dict of dicts of boxes, nested at the slashes of the keys.

    Raises:
        DatasetError: If one key lies within another.
    """
    root: dict[str, Any] = {"type": "Dict", "subspaces": {}}
    for key, spec in obs.items():
        *folders, name = key.split("/")
        space = root
        for folder in folders:
            space = space["subspaces"].setdefault(folder, {"type": "Dict", "subspaces": {}})
            if space["type"] != "Dict":
                raise DatasetError(f"observation {key!r} lies within another, which Minari cannot keep")
        space["subspaces"][name] = box(spec)
    return root


def flat_space(space: Mapping[str, Any], prefix: str = "") -> dict[str, Mapping[str, Any]]:
    """Return the leaves of nested Dict and Tuple spaces by names with slashes, as their arrays lie in the file.

    Raises:
        DatasetError: If a space is of a kind that has no numbers.
    """
    kind = space.get("type")
    if kind == "Dict":
        parts = dict(space["subspaces"])
    elif kind == "Tuple":
        parts = {f"_index_{index}": part for index, part in enumerate(space["subspaces"])}
    elif kind in ("Box", "Discrete", "MultiDiscrete", "MultiBinary"):
        return {prefix: space}
    else:
        raise DatasetError(f"observation {prefix or 'space'!r} is a {kind} space, which is not made of numbers")
    leaves: dict[str, Mapping[str, Any]] = {}
    for name, part in parts.items():
        leaves |= flat_space(part, f"{prefix}/{name}" if prefix else name)
    return leaves


def is_image(space: Mapping[str, Any]) -> bool:
    """Return whether Minari may have written entries of this space as JPEG."""
    shape = space.get("shape", [])
    return space.get("dtype") == "uint8" and len(shape) in (2, 3) and min(shape[:2]) >= 32


def _full(shape: tuple[int, ...], value: float) -> Any:
    return value if not shape else [_full(shape[1:], value)] * shape[0]
