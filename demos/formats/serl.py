"""Transitions of SERL and HIL-SERL: pickles of lists of dicts, one file or a folder of them. Read only, never run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from demos.formats.options import ImportOptions
from demos.formats.recording import Recording, reading
from demos.formats.safe_pickle import load, plain
from robot_rl.errors import DatasetError

KEYS = ("observations", "actions", "next_observations", "rewards", "dones")
"""What every transition has."""


class SerlReader:
    """Transitions in order, taken apart where one is done, or where the next does not begin with what it led to."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        """Look at all transitions but their arrays. Raises DatasetError if a file is something else, or has code in it."""
        self._files = sorted(path.glob("*.pkl"), key=_number) if path.is_dir() else [path]
        if not self._files:
            raise DatasetError(f"{path}: no .pkl file in this folder")
        lengths = [stop - start for file in self._files for start, stop, _ in _episodes(file, _transitions(file))]
        self.num_episodes, self.longest = len(lengths), max(lengths, default=0)

    def __iter__(self) -> Iterator[Recording]:
        """Yield the episodes in order."""
        for file in self._files:
            transitions = _transitions(file)
            for start, stop, is_cut in _episodes(file, transitions):
                where = f"{file}, transitions {start} to {stop - 1}"
                with reading(file, part=f"transitions {start} to {stop - 1}"):
                    yield _recording([plain(transition) for transition in transitions[start:stop]], where, is_cut=is_cut)


def _transitions(file: Path) -> list[dict[str, Any]]:
    transitions = load(file)
    if not isinstance(transitions, list) or not transitions:
        raise DatasetError(f"{file}: holds a {type(transitions).__name__}, not a list of transitions")
    for index, transition in enumerate(transitions):
        missing = [key for key in KEYS if not isinstance(transition, dict) or key not in transition]
        if missing:
            raise DatasetError(f"{file}: transition {index} has no {', '.join(missing)}, as SERL's have")
    return transitions


def _episodes(file: Path, transitions: list[dict[str, Any]]) -> Iterator[tuple[int, int, bool]]:
    """Yield start and stop of each episode, and whether it stops without being done."""
    start = 0
    with reading(file):
        for index, transition in enumerate(transitions):
            is_done = bool(np.asarray(plain(transition["dones"])).reshape(-1)[0])
            is_last = index == len(transitions) - 1
            if is_done or is_last or not _follows(transition, transitions[index + 1]):
                yield start, index + 1, not is_done
                start = index + 1


def _follows(transition: Mapping[str, Any], following: Mapping[str, Any]) -> bool:
    """Return whether `following` begins with what `transition` led to."""
    after, before = _flat(plain(transition["next_observations"])), _flat(plain(following["observations"]))
    if after.keys() != before.keys():
        return False
    by_size = sorted(after, key=lambda name: after[name].size)  # numbers before images: most differences are found there
    return all(np.array_equal(after[name], before[name]) for name in by_size)


def _recording(transitions: list[dict[str, Any]], where: str, *, is_cut: bool) -> Recording:
    seen = [_flat(transition["observations"]) for transition in transitions]
    seen.append(_flat(transitions[-1]["next_observations"]))
    obs = {name: np.stack([_unstacked(obs[name]) for obs in seen]) for name in seen[0]}
    steps = {
        "reward": np.array([float(np.asarray(transition["rewards"]).reshape(-1)[0]) for transition in transitions]),
        "done": np.array([bool(np.asarray(transition["dones"]).reshape(-1)[0]) for transition in transitions]),
    }
    infos = [info for transition in transitions if isinstance(info := transition.get("infos"), dict)]
    if len(infos) == len(transitions):
        steps["is_intervention"] = np.array(["intervene_action" in info for info in infos])
        if all("succeed" in info for info in infos):
            steps["success"] = np.array([bool(info["succeed"]) for info in infos])
    action = np.stack([np.asarray(transition["actions"]).reshape(-1) for transition in transitions])
    one = np.array(1.0)
    return Recording(where, obs, action, steps, action_range=(-one, one), is_cut=is_cut)


def _flat(obs: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Return nested observations under names with slashes."""
    if not isinstance(obs, dict):
        return {prefix or "observation": np.asarray(obs)}
    flat: dict[str, np.ndarray] = {}
    for name, value in obs.items():
        flat |= _flat(value, f"{prefix}/{name}" if prefix else str(name))
    return flat


def _unstacked(array: np.ndarray) -> np.ndarray:
    """Return an entry without the axis of stacked frames in front: frames joined along the last axis, oldest first."""
    if array.ndim == 4:
        return np.concatenate(list(array), axis=-1)
    return array.reshape(-1) if array.ndim == 2 else array


def _number(file: Path) -> tuple[int, str]:
    """Return what sorts transitions_2000.pkl before transitions_10000.pkl."""
    numbers = re.findall(r"\d+", file.stem)
    return int(numbers[-1]) if numbers else -1, file.name


def open_dataset(path: Path, options: ImportOptions) -> SerlReader:
    """Return a reader of a file, or of all .pkl files in a folder."""
    return SerlReader(path, options)
