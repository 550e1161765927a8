"""Episodes in which a bright square rises: a success is a square in the upper half, as seen by two small cameras."""

import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.rewards.config import ClassifierConfig
from robot_rl.rewards.frames import label_episode
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo

SIZES = {"front": (24, 32), "wrist": (16, 16)}
SPEC = EnvSpec(
    "rising",
    {"state/grip": ArraySpec((1,)), **{f"image/{name}": ArraySpec((*size, 3), "uint8") for name, size in SIZES.items()}},
    ActionSpec(("z",)),
    control_dt=0.1,
    max_steps=50,
)
TINY = BackboneConfig(num_blocks=1, pretrained=False, precision="float32")
CONFIG = ClassifierConfig(
    backbone=TINY, bottleneck=8, hidden_dims=(16,), steps=60, batch_size=32, crops=2, crop_pad_px=1, folds=3,
    max_false_positive_rate=0.02,
)  # fmt: skip


def image(size, height, rng):
    """A noisy grey picture with a square at `height`, 0 below .. 1 above."""
    rows, columns = size
    picture = rng.integers(90, 110, (rows, columns, 3), dtype=np.uint8)
    side = rows // 4
    top, left = round((1 - height) * (rows - side)), int(rng.integers(columns - side))
    picture[top : top + side, left : left + side] = 250
    return picture


def episode(heights, seed=0, success=None, info=None, grip=None):
    """An episode whose square is at these heights; its own flags say success above one half."""
    rng, steps = np.random.default_rng(seed), len(heights) - 1
    obs = {f"image/{name}": np.stack([image(size, h, rng) for h in heights]) for name, size in SIZES.items()}
    obs["state/grip"] = np.array(heights if grip is None else grip, np.float32)[:, None]
    success = np.array(heights[1:]) > 0.5 if success is None else np.array(success, bool)
    flags = np.zeros(steps, bool)
    truncated = flags.copy()
    truncated[-1] = True
    action = np.zeros((steps, 1), np.float32)
    return Episode(
        SPEC, info or EpisodeInfo("rising", "demo"), obs, action, success.astype(np.float32), flags, truncated, success,
        action, flags, flags, np.zeros(steps, np.int64), np.arange(steps) * 0.1,
    )  # fmt: skip


def recordings(count=9, seed=0):
    """Episodes of which every third never succeeds."""
    rng = np.random.default_rng(seed)
    tops = [0.35 if index % 3 == 2 else 1.0 for index in range(count)]
    return [episode(np.linspace(0.0, top, 12) + rng.uniform(-0.02, 0.0, 12), seed=seed + i) for i, top in enumerate(tops)]


def labelled(episodes):
    return [label_episode(f"e{index}", item, ("front", "wrist")) for index, item in enumerate(episodes)]


def write(folder, episodes):
    """Write a dataset; return the names of its episodes."""
    writer = EpisodeWriter(folder, SPEC)
    return [writer.write(item).name for item in episodes]
