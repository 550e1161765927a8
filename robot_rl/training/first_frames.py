"""Camera images from which a frozen encoder's projection is fitted, before there is any replay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.data.features import FIT_FRAMES


def frames_of(demos: Sequence[Episode]) -> dict[str, np.ndarray]:
    """Return images [T, H, W, C] a camera key, spread evenly over the demonstrations; nothing without cameras."""
    if not demos:
        return {}
    keys = [key for key in demos[0].obs if key.startswith("image/")]
    places = [(index, step) for index, episode in enumerate(demos) for step in range(episode.length + 1)]
    chosen = np.linspace(0, len(places) - 1, min(FIT_FRAMES, len(places))).round().astype(int)
    return {key: np.stack([demos[places[at][0]].obs[key][places[at][1]] for at in chosen]) for key in keys}
