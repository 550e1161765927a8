"""A dataset at a glance: a picture with some moments of each episode, one row a camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import ConfigError

HEIGHT = 96
"""pixels of a moment"""
LABEL = 14
"""pixels of a line of text"""
EDGE = 3
SUCCESS, HUMAN, PLAIN = (40, 160, 70), (40, 110, 210), (150, 150, 150)
"""Frames around moments: a success, a person's hand, neither."""
BACKGROUND, INK = (255, 255, 255), (20, 20, 20)


def write_filmstrip(paths: Sequence[Path], out: Path, *, moments: int = 8) -> None:
    """Write a PNG with `moments` of each episode, spread evenly from its first observation to its last.

    A green frame is a success, a blue one a step on which a person acted. The number is the time since the start, s.

    Raises:
        ConfigError: If there is no episode, or one was recorded without a camera.
        DatasetError: If one is damaged.
    """
    if moments < 2:
        raise ConfigError(f"moments {moments} is below 2")
    if not paths:
        raise ConfigError("no episodes to show; launch/record_demos.py records some")
    strips = [strip(StoredEpisode(path), moments) for path in paths]
    width = max(image.width for image in strips)
    page = Image.new("RGB", (width, sum(image.height for image in strips)), BACKGROUND)
    top = 0
    for image in strips:
        page.paste(image, (0, top))
        top += image.height
    out.parent.mkdir(parents=True, exist_ok=True)
    page.save(out, "PNG")


def strip(episode: StoredEpisode, moments: int) -> Image.Image:
    """Return some moments of one episode."""
    if not episode.cameras:
        raise ConfigError(f"episode {episode.name} was recorded without cameras: there is nothing to show")
    chosen = np.unique(np.rint(np.linspace(0, episode.length, moments)).astype(int))
    success, human, stamp = (episode.steps(name) for name in ("success", "is_intervention", "stamp"))
    rows = [_row(episode, camera, chosen, success, human, stamp) for camera in episode.cameras]
    outcome = "success" if success.any() else "no success"
    title = f"{episode.name}   {episode.info.source}, {outcome}, {episode.length} steps"
    image = Image.new("RGB", (max(row.width for row in rows), LABEL + sum(row.height for row in rows)), BACKGROUND)
    ImageDraw.Draw(image).text((EDGE, 1), title, INK)
    top = LABEL
    for row in rows:
        image.paste(row, (0, top))
        top += row.height
    return image


def _row(
    episode: StoredEpisode, camera: str, chosen: np.ndarray, success: np.ndarray, human: np.ndarray, stamp: np.ndarray
) -> Image.Image:
    """Return the moments of one camera side by side."""
    height, width, channels = episode.spec.obs[f"image/{camera}"].shape
    scaled = max(1, round(width * HEIGHT / height))
    row = Image.new("RGB", ((scaled + 2 * EDGE) * len(chosen), HEIGHT + 2 * EDGE + LABEL), BACKGROUND)
    draw = ImageDraw.Draw(row)
    for place, index in enumerate(chosen):
        picture = episode.obs(f"image/{camera}", int(index), int(index) + 1)[0]
        newest = picture[..., channels - 3 :] if channels >= 3 else np.repeat(picture[..., -1:], 3, axis=-1)  # of a stack
        left, step = place * (scaled + 2 * EDGE), max(int(index) - 1, 0)
        color = SUCCESS if index and success[step] else HUMAN if index and human[step] else PLAIN
        draw.rectangle((left, 0, left + scaled + 2 * EDGE - 1, HEIGHT + 2 * EDGE - 1), fill=color)
        row.paste(Image.fromarray(np.ascontiguousarray(newest)).resize((scaled, HEIGHT)), (left + EDGE, EDGE))
        seconds = stamp[index] - stamp[0] if index < len(stamp) else stamp[-1] - stamp[0] + episode.spec.control_dt
        draw.text((left + EDGE, HEIGHT + 2 * EDGE), f"{camera} {seconds:.1f}" if place == 0 else f"{seconds:.1f}", INK)
    return row
