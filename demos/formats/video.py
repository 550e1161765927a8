"""Camera images as MP4 files of any length: frames in, frames out, through the ffmpeg that imageio-ffmpeg brings."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import imageio_ffmpeg
import numpy as np

from robot_rl.errors import ConfigError, DatasetError

CRF = {"libsvtav1": 30, "libx264": 18}
"""Quality where none is asked for: LeRobot's for AV1, and about as good for H.264."""
PRESETS = {"libsvtav1": "10", "libx264": "medium"}
GOP = 2
"""Frames from one that stands alone to the next, as LeRobot has it: any frame is found by decoding two."""
SCALING = "bicubic+accurate_rnd+full_chroma_int"
"""Of colours to half the resolution and back: 1 to 2 dB better than ffmpeg's own choice on images of 128x128."""
CODEC_NAMES = {"libsvtav1": "av1", "libx264": "h264"}


class VideoWriter:
    """Encodes frames to one file. Colours are kept at half the resolution (yuv420p), as every decoder knows."""

    def __init__(self, path: Path, size: tuple[int, int], fps: int, codec: str, crf: int | None = None) -> None:
        """Start the encoder.

        Args:
            path: Of the file; its folder is made.
            size: Height and width, px.
            fps: Frames a second.
            codec: libsvtav1 or libx264.
            crf: Quality, lower is better; None: as `CRF` says.

        Raises:
            ConfigError: If the size is odd, which yuv420p cannot have.
        """
        height, width = size
        if height % 2 or width % 2:
            raise ConfigError(f"video needs even sizes, images are {height}x{width}; give --images png")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.num_frames = path, 0
        self._log = TemporaryFile()  # noqa: SIM115 (lives as long as the encoder)
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += [
            "-s",
            f"{width}x{height}",
            "-r",
            str(fps),
            "-i",
            "-",
            "-an",
            "-sws_flags",
            SCALING,
            "-vcodec",
            codec,
            "-pix_fmt",
            "yuv420p",
        ]
        command += ["-preset", PRESETS[codec], "-crf", str(CRF[codec] if crf is None else crf), "-g", str(GOP), "-bf", "0"]
        self._process = subprocess.Popen(
            [*command, "-movflags", "+faststart", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={**os.environ, "SVT_LOG": "1"},  # errors only
            start_new_session=True,  # Ctrl-C is for us: whoever owns this closes it
        )

    def add(self, frames: np.ndarray) -> None:
        """Append frames, uint8 [N, H, W, 3]."""
        try:
            for frame in frames:
                self._process.stdin.write(np.ascontiguousarray(frame).tobytes())  # pyright: ignore[reportOptionalMemberAccess]
        except BrokenPipeError:
            self.close()
        self.num_frames += len(frames)

    def close(self) -> None:
        """Finish the file. Raises ConfigError if it could not be encoded."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # the return code tells
                self._process.stdin.close()
        if self._process.wait() != 0:
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip().splitlines()
            raise ConfigError(
                f"{self.path.name} could not be encoded: {said[-1] if said else 'ffmpeg failed'}; try --codec libx264"
            )

    def abort(self) -> None:
        """Stop without finishing; nothing happens to a file that is finished."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


class VideoReader:
    """Decodes frames of one file, best in order: going back starts again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._frames: Iterator[bytes] | None = None
        self._size = (0, 0)

    def frames(self, start: int, count: int) -> np.ndarray:
        """Return frames `start..start + count - 1`, uint8 [count, H, W, 3], RGB.

        Raises:
            DatasetError: If the file has fewer, or is damaged.
        """
        if self._frames is None or start < self._position:
            self._restart()
        assert self._frames is not None  # noqa: S101 (for the type checker)
        for _ in range(start - self._position):
            self._next(start, count)
        height, width = self._size
        out = np.empty((count, height, width, 3), np.uint8)
        for row in out:
            row[:] = np.frombuffer(self._next(start, count), np.uint8).reshape(height, width, 3)
        return out

    def close(self) -> None:
        """Stop the decoder."""
        if self._frames is not None:
            self._frames.close()  # pyright: ignore[reportAttributeAccessIssue] (a generator)
            self._frames = None

    def _restart(self) -> None:
        self.close()
        if not self.path.exists():
            raise DatasetError(f"{self.path} is missing")
        # As they are in the file: none doubled or dropped to keep a rate.
        frames = imageio_ffmpeg.read_frames(str(self.path), output_params=["-fps_mode", "passthrough", "-sws_flags", SCALING])
        try:
            width, height = next(frames)["size"]
        except (OSError, RuntimeError, StopIteration, KeyError, IndexError) as error:
            raise DatasetError(f"{self.path}: not a video that ffmpeg reads") from error
        self._frames, self._size, self._position = frames, (height, width), 0

    def _next(self, start: int, count: int) -> bytes:
        try:
            frame = next(self._frames)  # pyright: ignore[reportArgumentType, reportCallIssue]
        except (StopIteration, RuntimeError) as error:
            raise DatasetError(
                f"{self.path}: ends after {self._position} frames, frames {start} to {start + count - 1} are asked for"
            ) from error
        self._position += 1
        return frame
