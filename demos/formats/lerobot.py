"""LeRobotDataset v3.0: parquet tables of many episodes, MP4 videos of many episodes, and what tells them apart."""

from __future__ import annotations

from pathlib import Path

from demos.formats.lerobot_reader import LeRobotReader
from demos.formats.lerobot_writer import Writer
from demos.formats.options import ImportOptions

__all__ = ["Writer", "open_dataset"]


def open_dataset(path: Path, options: ImportOptions) -> LeRobotReader:
    """Return a reader of the folder `path`."""
    return LeRobotReader(path, options)
