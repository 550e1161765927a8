"""Rotations of other projects in our conventions: wxyz quaternions and rotation vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.geometry import quaternion_multiply, quaternion_to_rotvec, rotvec_to_quaternion

ENTRY = re.compile(r"(?P<name>[^=\[\]]+)(\[(?P<start>\d+):(?P<stop>\d+)\])?=(?P<convention>\w+)")


def convert_rotations(obs: Mapping[str, np.ndarray], entries: Sequence[str]) -> dict[str, np.ndarray]:
    """Return `obs` with the rotations that `entries` name turned into ours.

    Args:
        obs: [T, D] by the source's names.
        entries: `NAME=CONVENTION` for a whole entry, `NAME[3:7]=CONVENTION` for some of its columns.

    Raises:
        ConfigError: If an entry names something that is not there, or columns that are no rotation of that convention.
    """
    turned = dict(obs)
    for entry in entries:
        match = ENTRY.fullmatch(entry)
        if match is None or match["convention"] not in CONVENTIONS:
            raise ConfigError(f"rotation {entry!r}: write NAME=CONVENTION or NAME[3:7]=CONVENTION, of {', '.join(CONVENTIONS)}")
        name, size, convert = match["name"], *CONVENTIONS[match["convention"]]
        if name not in obs:
            raise ConfigError(f"rotation {entry!r}: no entry {name!r}; there are {', '.join(sorted(obs))}")
        rows = np.array(turned[name], dtype=np.float64)
        columns = slice(int(match["start"] or 0), int(match["stop"] or rows.shape[-1]))
        if rows.ndim != 2 or rows[:, columns].shape[1] != size:
            found = list(rows[:, columns].shape[1:]) if rows.ndim == 2 else list(rows.shape[1:])
            raise ConfigError(f"rotation {entry!r}: takes {size} numbers, the entry has {found}")
        rows[:, columns] = [convert(row) for row in rows[:, columns]]
        turned[name] = rows
    return turned


def _wxyz(row: np.ndarray) -> np.ndarray:
    return row[[3, 0, 1, 2]]


def _fixed(row: np.ndarray) -> np.ndarray:
    """About the base's x, then its y, then its z."""
    x, y, z = _about_axes(row)
    return quaternion_to_rotvec(quaternion_multiply(z, quaternion_multiply(y, x)))


def _moving(row: np.ndarray) -> np.ndarray:
    """About x, then the y that this turned, then the z that both turned."""
    x, y, z = _about_axes(row)
    return quaternion_to_rotvec(quaternion_multiply(x, quaternion_multiply(y, z)))


def _about_axes(row: np.ndarray) -> list[np.ndarray]:
    return [rotvec_to_quaternion(angle * axis) for angle, axis in zip(row, np.eye(3), strict=True)]


CONVENTIONS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "quat_xyzw": (4, _wxyz),
    "euler_xyz_fixed": (3, _fixed),
    "euler_xyz_moving": (3, _moving),
}
