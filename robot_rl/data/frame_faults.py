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


class FrameScan:
    """What the frames of one camera in one episode show, looked at in order; none of them is kept but the last."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._deviation: list[np.ndarray] = []
        self._repeats: list[bool] = []

    def add(self, images: np.ndarray) -> None:
        """Look at the next frames, uint8 [n, H, W, 3]."""
        self._deviation.append(_deviation(images))
        before = images[0] if self._last is None else self._last
        first_repeats = self._last is not None and np.array_equal(before, images[0])
        self._repeats += [first_repeats, *(np.array_equal(one, other) for one, other in pairwise(images))]
        self._last = images[-1].copy()

    @property
    def is_blank(self) -> np.ndarray:
        """[T+1], bool: whether a frame shows nothing."""
        return np.concatenate(self._deviation) < MIN_DEVIATION

    @property
    def repeats(self) -> np.ndarray:
        """[T+1], bool: whether a frame equals the one before to the bit."""
        return np.array(self._repeats, bool)


def find_faults(episode: str, obs: Mapping[str, np.ndarray], cameras: Sequence[str], max_identical: int) -> list[FrameFault]:
    """Return the runs of blank and frozen frames, as `scanned_faults` tells them.

    Args:
        episode: Its name, for the report.
        obs: [T+1, ...] a key, with `image/<camera>` uint8 [T+1, H, W, 3].
        cameras: Whose frames to look at.
        max_identical: Repetitions that are borne.
    """
    scans = {camera: FrameScan() for camera in cameras}
    for camera, scan in scans.items():
        scan.add(obs[f"image/{camera}"])
    return scanned_faults(episode, scans, obs, max_identical)


def scanned_faults(
    episode: str, scans: Mapping[str, FrameScan], obs: Mapping[str, np.ndarray], max_identical: int
) -> list[FrameFault]:
    """Return the runs of blank and frozen frames.

    A camera is frozen where more than `max_identical` frames follow one that they equal to the bit, while any state entry
    or another camera's picture changed. The first frame of such a run was good, so it is not part of it.

    Args:
        episode: Its name, for the report.
        scans: By camera, of all its frames.
        obs: [T+1, ...] a key; of it the states tell whether the robot moved.
        max_identical: Repetitions that are borne.
    """
    faults: list[FrameFault] = []
    for camera, scan in scans.items():
        blank = scan.is_blank
        faults += [FrameFault(episode, camera, first, last, "blank") for first, last in runs(blank)]
        others = [other.repeats for name, other in scans.items() if name != camera]
        for first, last in runs(scan.repeats & ~blank):
            others_changed = any(not repeats[first : last + 1].all() for repeats in others)
            if last - first + 1 > max_identical and (others_changed or _moved(obs, first - 1, last)):
                faults.append(FrameFault(episode, camera, first, last, "frozen"))
    return faults


def _deviation(images: np.ndarray) -> np.ndarray:
    """Return the standard deviation [n] of every second pixel each way, the largest of the three colours'."""
    sample = images[:, ::2, ::2].reshape(len(images), -1, images.shape[-1]).astype(np.float32)
    return sample.std(axis=1).max(axis=-1)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return first and last index of every run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(first), int(end) - 1) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def _moved(obs: Mapping[str, np.ndarray], first: int, last: int) -> bool:
    """Return whether any state entry left its place between two observations."""
    states = [rows[first : last + 1] for key, rows in obs.items() if key.startswith("state/")]
    return any(bool((np.ptp(rows, axis=0) > MOTION).any()) for rows in states)
