"""Writing a LeRobotDataset v3.0: tables, videos, statistics and what describes them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from demos.formats import lerobot_layout as at
from demos.formats.lerobot_layout import Layout, features
from demos.formats.lerobot_stats import DatasetStats, Stats, image_stats, number_stats
from demos.formats.library import need
from demos.formats.options import ExportOptions
from demos.formats.origin import final_rows
from demos.formats.own import OwnDataset
from demos.formats.png import encode_png
from demos.formats.tables import RowsWriter, column, column_type
from demos.formats.video import CODEC_NAMES, VideoWriter
from robot_rl.data.episode import Episode, step_columns
from robot_rl.data.spec_json import spec_to_json
from robot_rl.errors import ConfigError
from robot_rl.specs import EnvSpec

MEGABYTE = 1 << 20


class Writer:
    """Writes a dataset; what was seen after the last actions, and what ours knows besides, is in `meta/robot_rl.parquet`."""

    def __init__(self, path: Path, dataset: OwnDataset, options: ExportOptions) -> None:
        """Prepare to write.

        Raises:
            ConfigError: If frames a second are no whole number and none was given.
        """
        self._arrow, self._parquet = need("pyarrow", "lerobot"), need("pyarrow.parquet", "lerobot")
        self._root, self._options, spec = path, options, dataset.spec
        self._fps = options.fps or _frames_a_second(spec)
        self._layout = Layout.of(spec)
        kind = "image" if options.images == "png" else "video"
        self._features = features(spec, self._layout, kind, self._fps, CODEC_NAMES[options.codec])
        self._has_video = kind == "video" and bool(self._layout.cameras)
        self._schema = self._arrow.schema(
            [(name, self._type(entry)) for name, entry in self._features.items() if entry["dtype"] != "video"]
        )
        self._table: Any = None
        self._table_path, self._table_frames, self._data_file = path, 0, -1
        self._videos: dict[str, VideoWriter] = {}
        self._video_files = dict.fromkeys(self._layout.cameras, -1)
        self._tasks: dict[str, int] = {}
        self._stats = DatasetStats()
        self._episodes = RowsWriter(path / at.EPISODES.format(chunk_index=0, file_index=0))
        self._origin = RowsWriter(path / at.ORIGIN, compression="zstd")
        self._num_episodes, self._num_frames = 0, 0

    def __enter__(self) -> Writer:
        return self

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        length = episode.length
        rows = self._rows(episode)
        stats = {name: number_stats(values) for name, values in rows.items()}
        cameras = {name: episode.obs[key][:-1, ..., first : first + 3] for name, (key, first) in self._layout.cameras.items()}
        stats |= {name: image_stats(frames) for name, frames in cameras.items()}
        entry = {
            "episode_index": self._num_episodes,
            "tasks": [episode.info.task],
            "length": length,
            **self._write_table(rows, cameras, length),
            "dataset_from_index": self._num_frames,
            "dataset_to_index": self._num_frames + length,
        }
        if self._has_video:
            for name, frames in cameras.items():
                entry |= self._write_video(name, frames)
        entry |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        self._episodes.add(entry | _flat(stats))
        self._stats.add(stats)
        final = {f"final:{key}": np.ascontiguousarray(value).tobytes() for key, value in final_rows(episode).items()}
        info, spec = {**asdict(episode.info), "extra": dict(episode.info.extra)}, spec_to_json(episode.spec)
        self._origin.add({"length": length, "info": json.dumps(info), "spec": json.dumps(spec), **final})
        self._num_episodes, self._num_frames = self._num_episodes + 1, self._num_frames + length

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            for video in self._videos.values():
                video.abort()

    def _finish(self) -> None:
        for video in self._videos.values():
            video.close()
        if self._table is not None:
            self._table.close()
        self._episodes.close()
        self._origin.close()
        self._write_tasks()
        (self._root / at.STATS).write_text(json.dumps(self._stats.to_json(), indent=1))
        (self._root / at.INFO).write_text(json.dumps(self._info(), indent=1))

    def _rows(self, episode: Episode) -> dict[str, np.ndarray]:
        """Return everything but images that the frames of an episode hold."""
        length = episode.length
        rows = self._layout.rows({key: values[:-1] for key, values in episode.obs.items()})
        for name in step_columns(episode.spec):
            rows[at.COLUMNS.get(name, name)] = episode.successes if name == "success" else getattr(episode, name)
        rows[at.DONE] = episode.terminated | episode.truncated
        frame = np.arange(length)
        task = self._tasks.setdefault(episode.info.task, len(self._tasks))
        rows |= {"timestamp": frame / self._fps, "frame_index": frame, "index": self._num_frames + frame}
        return rows | {"episode_index": np.full(length, self._num_episodes), "task_index": np.full(length, task)}

    def _write_table(self, rows: dict[str, np.ndarray], cameras: dict[str, np.ndarray], length: int) -> dict[str, int]:
        """Append an episode to the tables, as a row group, and return where it is."""
        if self._table is None or self._is_full(self._table_path, self._table_frames, length, at.DATA_FILE_MB):
            if self._table is not None:
                self._table.close()
            self._data_file, self._table_frames = self._data_file + 1, 0
            self._table_path = self._root / at.DATA.format(**_indices(self._data_file))
            self._table_path.parent.mkdir(parents=True, exist_ok=True)
            self._table = self._parquet.ParquetWriter(self._table_path, self._schema, compression="snappy")
        columns = [
            self._arrow.array([{"bytes": encode_png(frame), "path": None} for frame in cameras[field.name]], field.type)
            if field.name in cameras
            else column(rows[field.name], self._features[field.name]["dtype"])
            for field in self._schema
        ]
        self._table.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))
        self._table_frames += length
        return {f"data/{name}": index for name, index in _indices(self._data_file).items()}

    def _write_video(self, name: str, frames: np.ndarray) -> dict[str, Any]:
        """Append an episode to a camera's videos, and return where it is."""
        video = self._videos.get(name)
        if video is None or self._is_full(video.path, video.num_frames, len(frames), at.VIDEO_FILE_MB):
            if video is not None:
                video.close()
            self._video_files[name] += 1
            path = self._root / at.VIDEO.format(video_key=name, **_indices(self._video_files[name]))
            video = VideoWriter(path, frames.shape[1:3], self._fps, self._options.codec, self._options.crf)
            self._videos[name] = video
        start = video.num_frames
        video.add(frames)
        where: dict[str, Any] = {f"videos/{name}/{part}": index for part, index in _indices(self._video_files[name]).items()}
        times = {"from_timestamp": start / self._fps, "to_timestamp": video.num_frames / self._fps}
        return where | {f"videos/{name}/{part}": time for part, time in times.items()}

    def _is_full(self, path: Path, num_frames: int, more: int, limit_mb: float) -> bool:
        """Return whether a file would grow beyond its limit; an encoder's last frames are not in it yet."""
        size = path.stat().st_size if path.exists() and num_frames else 0
        return bool(size) and size * (1 + more / num_frames) >= limit_mb * MEGABYTE

    def _type(self, entry: dict[str, Any]) -> Any:
        if entry["dtype"] == "image":
            return self._arrow.struct([("bytes", self._arrow.binary()), ("path", self._arrow.string())])
        return column_type(entry["dtype"], entry["shape"][0])

    def _write_tasks(self) -> None:
        """Write the tasks as pandas writes a table whose index is called task."""
        table = self._arrow.table({"task_index": list(self._tasks.values()), "task": list(self._tasks)})
        kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
        pandas = {
            "index_columns": ["task"],
            "column_indexes": [],
            "columns": [
                {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
                for name, (kind, numpy) in kinds.items()
            ],
            "pandas_version": "2.2.0",
        }
        self._parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), self._root / at.TASKS)

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": at.VERSION,
            "robot_type": self._options.robot_type,
            "total_episodes": self._num_episodes,
            "total_frames": self._num_frames,
            "total_tasks": len(self._tasks),
            "chunks_size": at.FILES_PER_CHUNK,
            "data_files_size_in_mb": at.DATA_FILE_MB,
            "video_files_size_in_mb": at.VIDEO_FILE_MB,
            "fps": self._fps,
            "splits": {"train": f"0:{self._num_episodes}"},
            "data_path": at.DATA,
            "video_path": at.VIDEO if self._has_video else None,
            "features": self._features,
        }


def _indices(file: int) -> dict[str, int]:
    return {"chunk_index": file // at.FILES_PER_CHUNK, "file_index": file % at.FILES_PER_CHUNK}


def _flat(stats: dict[str, Stats]) -> dict[str, list]:
    return {f"stats/{name}/{stat}": value.tolist() for name, kinds in stats.items() for stat, value in kinds.items()}


def _frames_a_second(spec: EnvSpec) -> int:
    rate = 1 / spec.control_dt
    if abs(rate - round(rate)) > 1e-6 * rate or round(rate) < 1:
        raise ConfigError(
            f"LeRobot wants whole frames a second; a control_dt of {spec.control_dt:g} s makes {rate:.4g}: give --fps "
            f"{max(1, round(rate))} (its timestamps are then nominal; the real ones are in `stamp`)"
        )
    return round(rate)
