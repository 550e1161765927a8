"""Where things are in a LeRobotDataset v3.0, and under which names ours go there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.formats.origin import flat_names
from robot_rl.data.episode import step_columns
from robot_rl.errors import DatasetError
from robot_rl.specs import EnvSpec

VERSION = "v3.0"
INFO, STATS, TASKS, ORIGIN = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/robot_rl.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FILES_PER_CHUNK, DATA_FILE_MB, VIDEO_FILE_MB = 1000, 100, 200
STATE = "observation.state"
COLUMNS = {
    "reward": "next.reward",
    "terminated": "next.terminated",
    "truncated": "next.truncated",
    "success": "next.success",
}
"""Ours to LeRobot's; the other columns keep their names."""
DONE = "next.done"
AUTOMATIC = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64"}
"""Features that LeRobot itself adds."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which feature each of our observation keys is in."""

    state: tuple[str, ...]
    """Keys of numbers, joined in this order in `observation.state`, float32."""
    other: Mapping[str, str]
    """By key, the feature of an entry that is neither float32 numbers nor an image; flattened."""
    cameras: Mapping[str, tuple[str, int]]
    """By feature, the key of an image and its first channel: of a stack of frames each has a feature of its own."""

    @classmethod
    def of(cls, spec: EnvSpec) -> Layout:
        """Lay out the observations of `spec`."""
        images = [key for key, entry in spec.obs.items() if entry.dtype == "uint8" and len(entry.shape) == 3]
        state = tuple(key for key, entry in spec.obs.items() if entry.dtype == "float32")
        names = flat_names([key for key in spec.obs if key not in state], ".")
        cameras: dict[str, tuple[str, int]] = {}
        for key in images:
            channels = spec.obs[key].shape[-1]
            if channels % 3:
                raise DatasetError(f"{key!r} has {channels} channels; LeRobot's cameras have 3")
            base = "observation.images." + names[key].removeprefix("image.")
            cameras |= {base if channels == 3 else f"{base}.{first // 3}": (key, first) for first in range(0, channels, 3)}
        other = {key: f"observation.{names[key]}" for key in names if key not in images}
        return cls(state, other, cameras)

    def rows(self, obs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what the features of numbers hold, [T, D] each, of entries [T, ...]."""
        rows = {name: obs[key].reshape(len(obs[key]), -1) for key, name in self.other.items()}
        if self.state:
            rows[STATE] = np.concatenate([obs[key].reshape(len(obs[key]), -1) for key in self.state], axis=1)
        return rows

    def entries(self, rows: Mapping[str, np.ndarray], spec: EnvSpec) -> dict[str, np.ndarray]:
        """Return the entries [T, ...] of which `rows` made these features."""
        entries = {key: rows[name].reshape(-1, *spec.obs[key].shape) for key, name in self.other.items()}
        column = 0
        for key in self.state:
            shape = spec.obs[key].shape
            size = int(np.prod(shape, dtype=int))
            entries[key] = rows[STATE][:, column : column + size].reshape(-1, *shape)
            column += size
        return {key: np.ascontiguousarray(values, spec.obs[key].dtype) for key, values in entries.items()}


def features(spec: EnvSpec, layout: Layout, images: str, fps: int, codec: str) -> dict[str, dict[str, Any]]:
    """Return `features` of info.json: everything that a frame has, LeRobot's own columns last."""
    found: dict[str, dict[str, Any]] = {}
    if layout.state:
        names = [name for key in layout.state for name in _dimensions(key, spec.obs[key].shape)]
        found[STATE] = {"dtype": "float32", "shape": [len(names)], "names": names}
    for key, name in layout.other.items():
        names = _dimensions(key, spec.obs[key].shape)
        found[name] = {"dtype": spec.obs[key].dtype, "shape": [len(names)], "names": names}
    for name, (key, _) in layout.cameras.items():
        height, width, _channels = spec.obs[key].shape
        entry = {"dtype": images, "shape": [height, width, 3], "names": ["height", "width", "channels"]}
        found[name] = entry if images == "image" else entry | {"info": _video_info(height, width, fps, codec)}
    for column, row in step_columns(spec).items():
        size = row.shape or (1,)
        names = list(spec.action.names) if row.shape else None
        found[COLUMNS.get(column, column)] = {"dtype": row.dtype, "shape": list(size), "names": names}
    found[DONE] = {"dtype": "bool", "shape": [1], "names": None}
    return found | {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in AUTOMATIC.items()}


def _dimensions(key: str, shape: tuple[int, ...]) -> list[str]:
    size = int(np.prod(shape, dtype=int))
    name = key.removeprefix("state/")
    return [name] if size == 1 else [f"{name}/{index}" for index in range(size)]


def _video_info(height: int, width: int, fps: int, codec: str) -> dict[str, Any]:
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": codec,
        "video.pix_fmt": "yuv420p",
        "video.fps": fps,
        "video.channels": 3,
        "is_depth_map": False,
        "has_audio": False,
    }
