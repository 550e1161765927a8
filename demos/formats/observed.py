"""Observation entries of other projects under our keys, shapes and types."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from demos.formats.options import ImportOptions
from demos.formats.rotations import convert_rotations
from robot_rl.errors import ConfigError, DatasetError

PREFIXES = ("observation.images.", "observation.image.", "observation.", "images.", "obs/")
"""What names of entries begin with elsewhere, and say nothing."""


def observed(obs: Mapping[str, np.ndarray], options: ImportOptions, where: str) -> dict[str, np.ndarray]:
    """Return the entries as ours: `image/...` uint8 [T, H, W, 3k] and `state/...` float32 [T, D].

    An entry of whole numbers 0..255 that has the shape of images is one, whatever its type. Other numbers become float32.

    Raises:
        ConfigError: If an option names an entry that is not there, or two entries get the same key.
        DatasetError: If an entry is of no such kind.
    """
    renamed = dict(entry.split("=", 1) for entry in options.rename)
    unknown = [name for name in (*options.drop, *renamed) if name not in obs]
    if unknown:
        raise ConfigError(f"{where}: no entry {unknown[0]!r} to drop or rename; there are {', '.join(sorted(obs))}")
    kept = convert_rotations({name: rows for name, rows in obs.items() if name not in options.drop}, options.rotation)
    ours: dict[str, np.ndarray] = {}
    for name, rows in kept.items():
        rows = _as_ours(name, rows, where)
        kinds = ("image/",) if rows.dtype == np.uint8 else ("state/", "pose/")
        key = renamed.get(name, kinds[0] + _short(name))
        if not key.startswith(kinds) or key.endswith("/"):
            raise ConfigError(
                f"{where}: --rename {name}={key}: this entry can be called {' or '.join(f'{k}...' for k in kinds)}"
            )
        if key in ours:
            raise ConfigError(f"{where}: two entries would be called {key!r}; --rename one of them")
        ours[key] = rows
    if not ours:
        raise ConfigError(f"{where}: no observation is left; the source has {', '.join(sorted(obs)) or 'none'}")
    return ours


def _short(name: str) -> str:
    for prefix in PREFIXES:
        if name.startswith(prefix) and name != prefix:
            name = name.removeprefix(prefix)
    return name.replace(".", "/")


def _as_ours(name: str, rows: np.ndarray, where: str) -> np.ndarray:
    if rows.dtype.kind not in "fiub":
        raise DatasetError(f"{where}: entry {name!r} is of type {rows.dtype}, not numbers; --drop {name}")
    if rows.ndim == 4 and rows.shape[-1] % 3 == 0 and min(rows.shape[1:3]) > 4:
        return _image(name, rows, where)
    if rows.ndim == 4 and rows.dtype == np.uint8:
        raise DatasetError(f"{where}: entry {name!r} is uint8 {list(rows.shape[1:])}; images are [H, W, 3]; --drop {name}")
    rows = rows[:, None] if rows.ndim == 1 else rows
    return rows.astype(np.float32)


def _image(name: str, rows: np.ndarray, where: str) -> np.ndarray:
    if rows.dtype == np.uint8:
        return rows
    pixels = rows.astype(np.uint8) if rows.size and rows.min() >= 0 and rows.max() <= 255 else np.zeros(1, np.uint8)
    if pixels.shape != rows.shape or not (pixels == rows).all() or (rows.max() <= 1 and rows.dtype.kind == "f"):
        raise DatasetError(
            f"{where}: entry {name!r} looks like images of type {rows.dtype} that are not whole numbers 0..255; --drop {name}"
        )
    return pixels
