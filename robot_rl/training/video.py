"""Films of episodes: H.264 files that every browser plays, several episodes tiled into one picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import ceil, sqrt
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from robot_rl.atomic_file import replacing

BORDER = 4
"""Pixels around each tile."""
RUNNING, SUCCESS, FAILURE = (40, 40, 40), (40, 160, 70), (190, 60, 50)
"""RGB of a tile's border while its episode runs, and after it ended well or badly."""


def write_video(path: Path, frames: Iterable[np.ndarray], rate_hz: float) -> None:
    """Write an MP4 (H.264, yuv420p). It appears whole or not at all.

    Args:
        path: Of the file; its folder is made if missing.
        frames: uint8 [H, W, 3] each, RGB, all of one size; odd sizes are padded to even ones, as H.264 wants.
        rate_hz: Frames a second; an environment's is 1 / control_dt.

    Raises:
        ValueError: If there are no frames or their shapes differ.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"no frames for {path}")
    height, width = (size + size % 2 for size in first.shape[:2])
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary), (width, height), fps=rate_hz,  # pyright: ignore[reportArgumentType] (takes any number)
            codec="libx264", pix_fmt_out="yuv420p", quality=7,
            macro_block_size=2, output_params=["-f", "mp4", "-movflags", "+faststart"], ffmpeg_log_level="error",
        )  # fmt: skip
        writer.send(None)
        try:
            for frame in chain([first], iterator):
                if frame.shape != first.shape or frame.dtype != np.uint8:
                    raise ValueError(f"frame {frame.dtype} {frame.shape} among frames uint8 {first.shape}")
                padding = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
                writer.send(np.pad(frame, padding, mode="edge").tobytes())
        finally:
            writer.close()


def tile(episodes: Sequence[Sequence[np.ndarray]], successes: Sequence[bool] | None = None) -> Iterator[np.ndarray]:
    """Yield frames that show all episodes at once, as many as the longest has; an ended episode keeps its last frame.

    Args:
        episodes: Frames uint8 [H, W, 3], RGB, of each episode; all of one size.
        successes: How each ended: its border turns green or red; None: it stays grey.
    """
    if not episodes or any(not frames for frames in episodes):
        raise ValueError("every episode to tile needs at least one frame")
    columns = ceil(sqrt(len(episodes)))
    rows = ceil(len(episodes) / columns)
    height, width = (size + 2 * BORDER for size in episodes[0][0].shape[:2])
    for t in range(max(len(frames) for frames in episodes)):
        picture = np.zeros((rows * height, columns * width, 3), np.uint8)
        for index, frames in enumerate(episodes):
            top, left = index // columns * height, index % columns * width
            is_over = t >= len(frames) - 1
            color = RUNNING if successes is None or not is_over else SUCCESS if successes[index] else FAILURE
            picture[top : top + height, left : left + width] = color
            inside = (slice(top + BORDER, top + height - BORDER), slice(left + BORDER, left + width - BORDER))
            picture[inside] = frames[min(t, len(frames) - 1)]
        yield picture
