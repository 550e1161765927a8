"""Camera frames that no classifier may learn from: without a picture, or standing still while the robot moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

MIN_DEVIATION = 2.0
"""Standard deviation of the pixels, of 255, below which a frame shows nothing: a capped lens has sensor noise of about 1."""

MOTION = 1e-3
"""How far a state entry must have moved (m, rad, or openings of a gripper) for a camera to have seen it."""


@dataclass(frozen=True, slots=True)
class FrameFault:
    """A run of bad frames of one camera in one episode."""

    episode: str
    camera: str
    first: int
    last: int
    """Indices of observations, both included; 0 is the first of the episode."""
    kind: Literal["blank", "frozen"]

    def __str__(self) -> str:
        return f"episode {self.episode}, camera {self.camera!r}: {self.kind} in steps {self.first} to {self.last}"


def find_faults(episode: str, obs: Mapping[str, np.ndarray], cameras: Sequence[str], max_identical: int) -> list[FrameFault]:
    """Return the runs of blank and frozen frames.

    A camera is frozen where more than `max_identical` frames follow one that they equal to the bit, while any state entry
    or another camera's picture changed. The first frame of such a run was good, so it is not part of it.

    Args:
        episode: Its name, for the report.
        obs: [T+1, ...] a key, with `image/<camera>` uint8 [T+1, H, W, 3].
        cameras: Whose frames to look at.
        max_identical: Repetitions that are borne.
    """
    repeated = {camera: _repeats(obs[f"image/{camera}"]) for camera in cameras}
    faults: list[FrameFault] = []
    for camera in cameras:
        blank = _deviation(obs[f"image/{camera}"]) < MIN_DEVIATION
        faults += [FrameFault(episode, camera, first, last, "blank") for first, last in _runs(blank)]
        others = [repeats for name, repeats in repeated.items() if name != camera]
        for first, last in _runs(repeated[camera] & ~blank):
            others_changed = any(not repeats[first : last + 1].all() for repeats in others)
            if last - first + 1 > max_identical and (others_changed or _moved(obs, first - 1, last)):
                faults.append(FrameFault(episode, camera, first, last, "frozen"))
    return faults


def _deviation(images: np.ndarray) -> np.ndarray:
    """Return the standard deviation [T+1] of every second pixel each way, the largest of the three colours'."""
    sample = images[:, ::2, ::2].reshape(len(images), -1, images.shape[-1]).astype(np.float32)
    return sample.std(axis=1).max(axis=-1)


def _repeats(images: np.ndarray) -> np.ndarray:
    """Return whether each frame equals the one before to the bit, [T+1]."""
    return np.array([False, *(np.array_equal(before, after) for before, after in pairwise(images))])


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return first and last index of every run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(first), int(end) - 1) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def _moved(obs: Mapping[str, np.ndarray], first: int, last: int) -> bool:
    """Return whether any state entry left its place between two observations."""
    states = [rows[first : last + 1] for key, rows in obs.items() if key.startswith("state/")]
    return any(bool((np.ptp(rows, axis=0) > MOTION).any()) for rows in states)
