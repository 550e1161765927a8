"""Reading a LeRobotDataset v3.0, an episode at a time."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from demos.formats import lerobot_layout as at
from demos.formats.lerobot_layout import Layout
from demos.formats.library import need
from demos.formats.options import ImportOptions
from demos.formats.png import decode_image
from demos.formats.recording import Recording, reading
from demos.formats.tables import read_rows, to_numpy
from demos.formats.video import VideoReader
from robot_rl.data.episode import step_columns
from robot_rl.data.spec_json import spec_from_json
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.types import EpisodeInfo

COLUMNS = {
    **{theirs: ours for ours, theirs in at.COLUMNS.items()},
    at.DONE: "done",
    **{name: name for name in ("is_intervention", "policy_action", "clamped", "policy_version", "stamp")},
    "intervention": "is_intervention",
    "complementary_info.is_intervention": "is_intervention",
}
"""LeRobot's to ours."""
BATCH_ROWS = 64
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Frames:
    """The rows of one episode in the tables, and its place for messages."""

    where: str
    columns: Mapping[str, np.ndarray]


class LeRobotReader:
    """A dataset of LeRobot."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        """Read what describes it. Raises DatasetError if it is something else, or of another version."""
        self._root, self._options = path, options
        self._arrow, self._parquet = need("pyarrow", "lerobot"), need("pyarrow.parquet", "lerobot")
        info = path / at.INFO
        if not info.exists():
            raise DatasetError(f"{path} is no dataset of LeRobot: it has no {at.INFO}")
        with reading(info):
            described = json.loads(info.read_text())
            version = str(described.get("codebase_version"))
            if not version.startswith("v3."):
                raise DatasetError(f"{info}: version {version}; only v3 is read (LeRobot itself converts v2.1 to v3.0)")
            self._fps = float(described["fps"])
            self._features: dict[str, dict[str, Any]] = described["features"]
            self._data_path, self._video_path = described["data_path"], described.get("video_path") or at.VIDEO
        self._check_features()
        tasks = path / at.TASKS
        with reading(tasks):
            rows = list(read_rows(tasks))
            self._tasks = {int(row["task_index"]): str(row.get("task", row.get("__index_level_0__"))) for row in rows}
        with reading(path / "meta/episodes"):
            self._episodes = self._read_episodes()
            self.longest = max((int(episode["length"]) for episode in self._episodes), default=0)
        self.num_episodes = len(self._episodes)
        has_origin = (path / at.ORIGIN).exists() and not options.ignore_origin
        self._origin = path / at.ORIGIN if has_origin else None

    def __iter__(self) -> Iterator[Recording]:
        """Yield the episodes in the order of their numbers."""
        videos = {name: VideoReader(Path()) for name in self._cameras("video")}
        origins = self._origins()
        try:
            for episode, frames in zip(self._episodes, self._frames(), strict=True):
                with reading(frames.where):
                    images = {name: self._images(name, episode, frames, videos) for name in self._cameras("video", "image")}
                    is_foreign = self._origin is None
                    recording = (
                        self._foreign(episode, frames, images) if is_foreign else self._own(frames, images, next(origins))
                    )
                yield recording
        finally:
            for video in videos.values():
                video.close()

    def _check_features(self) -> None:
        """Raise ConfigError if there are depth maps, which are no colour images."""
        for name, entry in self._features.items():
            info = entry.get("info") or entry.get("video_info") or {}
            if (info.get("is_depth_map") or info.get("video.is_depth_map")) and name not in self._options.drop:
                raise ConfigError(f"{self._root}: {name!r} is a depth map, which has no place in ours; --drop {name}")
        if "action" not in self._features:
            raise DatasetError(f"{self._root / at.INFO}: no feature 'action'")

    def _cameras(self, *kinds: str) -> list[str]:
        dropped = self._options.drop if self._origin is None else ()
        return [name for name, entry in self._features.items() if entry["dtype"] in kinds and name not in dropped]

    def _read_episodes(self) -> list[dict[str, Any]]:
        """Return what is said of each episode, statistics apart, by their numbers."""
        folder = self._root / "meta/episodes"
        episodes: list[dict[str, Any]] = []
        files = sorted(folder.glob("*/*.parquet"))
        if not files:
            raise DatasetError(f"{folder}: no tables of episodes")
        for file in files:
            with reading(file):
                names = [name for name in self._parquet.read_schema(file).names if not name.startswith("stats/")]
                episodes += read_rows(file, names)
        return sorted(episodes, key=lambda episode: episode["episode_index"])

    def _frames(self) -> Iterator[_Frames]:
        """Yield the rows of each episode, in the order of the table of episodes."""
        files = {self._data_file(episode): None for episode in self._episodes}
        wanted = iter(self._episodes)
        for file in files:
            parts: list[Any] = []
            with reading(file):
                for batch in self._episode_parts(file):
                    if parts and batch.column("episode_index")[0] != parts[0].column("episode_index")[0]:
                        yield self._joined(file, parts, next(wanted, None))
                        parts = []
                    parts.append(batch)
                if parts:
                    yield self._joined(file, parts, next(wanted, None))
        missing = next(wanted, None)
        if missing is not None:
            raise DatasetError(f"{self._data_file(missing)}: episode {missing['episode_index']} is not in it")

    def _episode_parts(self, file: Path) -> Iterator[Any]:
        """Yield batches of rows that each belong to one episode."""
        with self._parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(BATCH_ROWS):
                index = batch.column("episode_index").to_numpy()
                starts = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
                for start, stop in pairwise(starts):
                    yield batch.slice(start, stop - start)

    def _joined(self, file: Path, parts: list[Any], episode: dict[str, Any] | None) -> _Frames:
        table = self._arrow.Table.from_batches(parts)
        index = int(table.column("episode_index")[0].as_py())
        where = f"{file}, episode {index}"
        if episode is None or index != episode["episode_index"] or len(table) != episode["length"]:
            said = "nothing" if episode is None else f"episode {episode['episode_index']} of {episode['length']} frames"
            raise DatasetError(f"{where}: has {len(table)} frames where meta/episodes has {said}")
        columns: dict[str, np.ndarray] = {}
        for name in table.column_names:
            entry = self._features.get(name)
            if entry is None or name in self._options.drop or entry["dtype"] in ("string", "language"):
                continue
            if entry["dtype"] == "image":
                columns[name] = np.stack([self._decoded(cell, where) for cell in table.column(name).to_pylist()])
            else:
                columns[name] = to_numpy(table.column(name))
        return _Frames(where, columns)

    def _decoded(self, cell: dict[str, Any], where: str) -> np.ndarray:
        if cell.get("bytes"):
            return decode_image(cell["bytes"])
        file = self._root / str(cell.get("path"))
        if not file.is_file():
            raise DatasetError(f"{where}: an image has no bytes, and its file {file} is missing")
        return decode_image(file.read_bytes())

    def _data_file(self, episode: Mapping[str, Any]) -> Path:
        indices = {name: int(episode[f"data/{name}"]) for name in ("chunk_index", "file_index")}
        return self._root / self._data_path.format(**indices)

    def _images(self, name: str, episode: Mapping[str, Any], frames: _Frames, videos: dict[str, VideoReader]) -> np.ndarray:
        """Return a camera's images of an episode, uint8 [T, H, W, 3]."""
        if name not in videos:
            return frames.columns[name]
        with reading(self._root / "meta/episodes", part=f"episode {episode['episode_index']}"):
            indices = {part: int(episode[f"videos/{name}/{part}"]) for part in ("chunk_index", "file_index")}
            start = round(float(episode[f"videos/{name}/from_timestamp"]) * self._fps)
        path = self._root / self._video_path.format(video_key=name, **indices)
        if videos[name].path != path:
            videos[name].close()
            videos[name] = VideoReader(path)
        return videos[name].frames(start, int(episode["length"]))

    def _origins(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield what robot-rl wrote about each episode, and its number."""
        if self._origin is None:
            return
        with reading(self._origin):
            count = self._parquet.read_metadata(self._origin).num_rows
            if count != self.num_episodes:
                raise DatasetError(
                    f"{self._origin}: robot-rl exported {count} episodes, now there are {self.num_episodes}: the dataset was "
                    "edited since; give --ignore-origin to read it like any other"
                )
            for index, row in enumerate(read_rows(self._origin, batch_rows=1)):
                yield row, index

    def _own(self, frames: _Frames, images: dict[str, np.ndarray], origin: tuple[dict[str, Any], int]) -> Recording:
        row, index = origin
        with reading(self._origin or self._root, part=f"episode {index}"):
            spec, info = spec_from_json(json.loads(row["spec"])), EpisodeInfo(**json.loads(row["info"]))
            layout = Layout.of(spec)
            obs = layout.entries(frames.columns, spec)
            for key in dict.fromkeys(key for key, _ in layout.cameras.values()):
                parts = [images[name] for name, (of, _) in layout.cameras.items() if of == key]
                obs[key] = np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
            for key, rows in obs.items():
                final = np.frombuffer(row[f"final:{key}"], spec.obs[key].dtype).reshape(1, *spec.obs[key].shape)
                obs[key] = np.concatenate([rows, final])
            steps = {
                name: frames.columns[at.COLUMNS.get(name, name)].reshape(-1, *column.shape).astype(column.dtype)
                for name, column in step_columns(spec).items()
            }
        return Recording(frames.where, obs, steps.pop("action"), steps, spec=spec, info=info)

    def _foreign(self, episode: Mapping[str, Any], frames: _Frames, images: dict[str, np.ndarray]) -> Recording:
        columns = dict(frames.columns)
        obs = {name: columns[name] for name in columns if name.startswith("observation") and name not in images}
        steps = {}
        for name in COLUMNS.keys() & columns.keys():
            rows = columns[name]
            steps[COLUMNS[name]] = rows.reshape(len(rows)) if COLUMNS[name] != "policy_action" else rows
        if episode["episode_index"] == 0:
            self._tell_what_is_left({*obs, *images, "action", *COLUMNS})
        tasks = list(dict.fromkeys(self._tasks.get(int(index), "") for index in columns["task_index"]))
        dropped = {name: None for name in self._options.drop if name in self._features}
        return Recording(
            frames.where,
            {**obs, **images, **{name: np.zeros(len(columns["action"]), np.float32) for name in dropped}},
            columns["action"],
            steps,
            task=tasks[0] or None,
            control_dt=1 / self._fps,
            action_names=_names(self._features["action"].get("names")),
            extra={"tasks": " | ".join(tasks)} if len(tasks) > 1 else {},
        )

    def _tell_what_is_left(self, taken: set[str]) -> None:
        left = sorted(self._features.keys() - taken - at.AUTOMATIC.keys() - set(self._options.drop))
        if left:
            _logger.warning("%s: not taken over: %s", self._root, ", ".join(left))


def _names(names: Any) -> tuple[str, ...]:
    """Return the names of dimensions, which LeRobot has as a list, or as lists in a dict."""
    if isinstance(names, dict):
        names = [name for part in names.values() for name in (part if isinstance(part, list) else [part])]
    return tuple(map(str, names)) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
