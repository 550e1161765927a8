"""Small datasets with everything in them that a conversion could lose, and how to tell whether it did."""

from dataclasses import replace

import numpy as np

from robot_rl.data.episode import Episode, step_columns
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import load_dataset
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo

STATE = {
    "state/arm/position": ArraySpec((3,)),
    "state/arm/rotation": ArraySpec((3,)),
    "state/gripper/opening": ArraySpec((1,)),
}
IMAGES = {"image/front": ArraySpec((64, 80, 3), "uint8"), "image/wrist": ArraySpec((64, 64, 3), "uint8")}
SPEC = EnvSpec(
    "toy",
    STATE | IMAGES,
    ActionSpec(("arm/x", "arm/y", "gripper"), discrete=(2,)),
    control_dt=0.1,
    max_steps=50,
    extra={"reward": "sparse", "cameras": "front wrist"},
)
STATE_SPEC = replace(SPEC, obs=STATE)
ENDINGS = ("success", "truncated", "terminated", "intervention", "fault")


def scene(size, time):
    """A smooth picture in which a square moves, like a camera's and unlike noise."""
    rows, columns = size
    y, x = np.mgrid[:rows, :columns]
    picture = np.stack([80 + x, 60 + y, 120 + 0 * x], axis=-1).astype(np.uint8)
    left = int(time * 6) % (columns - 16)
    picture[12:28, left : left + 16] = (200, 60, 40)
    return picture


def episode(index, length=7, spec=SPEC):
    """An episode whose every number tells where it came from, and which ends in one of five ways."""
    rng = np.random.default_rng(index)
    ending = ENDINGS[index % len(ENDINGS)]
    obs = {}
    for number, (key, entry) in enumerate(spec.obs.items()):
        if entry.dtype == "uint8":
            frames = [scene(entry.shape[:2], index * 10 + t + number) for t in range(length + 1)]
            older = [np.stack([frames[max(0, t - back)] for t in range(length + 1)]) for back in range(entry.shape[2] // 3)]
            obs[key] = np.concatenate(older[::-1], axis=-1)
        elif entry.dtype == "int64":
            obs[key] = rng.integers(-(2**60), 2**60, (length + 1, *entry.shape))
        else:
            obs[key] = rng.normal(0, 1, (length + 1, *entry.shape)).astype(np.float32)
    if "state/gripper/opening" in obs:
        obs["state/gripper/opening"] = rng.uniform(0, 1, (length + 1, 1)).astype(np.float32)
    action = rng.uniform(-1, 1, (length, spec.action.dim)).astype(np.float32)
    human = np.zeros(length, bool)
    human[2:5] = ending == "intervention"
    flags = np.zeros((3, length), bool)  # terminated, truncated, success
    flags[0, -1] = ending in ("success", "terminated", "intervention")
    flags[1, -1] = ending in ("truncated", "fault")
    flags[2, -1] = ending in ("success", "intervention")
    return Episode(
        spec=replace(spec, max_steps=50 + index),
        info=EpisodeInfo(f"task {index % 2}", "demo", index if index % 3 else None, {"note": ending, "weight_kg": 0.1 * index}),
        obs=obs,
        action=action,
        reward=rng.normal(0, 1, length).astype(np.float32),
        terminated=flags[0],
        truncated=flags[1],
        successes=flags[2],
        policy_action=np.where(human[:, None], -action, action),
        is_intervention=human,
        clamped=rng.random(length) < 0.3,
        policy_version=np.arange(length) + 2**40 + index,
        stamp=np.arange(length) * 0.1 + rng.uniform(0, 0.01, length),
    )


def dataset(folder, count=5, spec=SPEC):
    """Write a dataset of episodes of different lengths, and return them as they are read."""
    for index in range(count):
        item = episode(index, 5 + 3 * index, spec)
        EpisodeWriter(folder, item.spec).write(item)
    return load_dataset(folder)


def differences(found, wanted, ignore=()):
    """Return everything in which two episodes differ by a bit."""
    out = [name for name in ("spec", "info") if getattr(found, name) != getattr(wanted, name)]
    out += [key for key in found.obs.keys() | wanted.obs.keys() if not same(found.obs.get(key), wanted.obs.get(key))]
    names = ["successes" if name == "success" else name for name in step_columns(wanted.spec)]
    out += [name for name in names if not same(getattr(found, name), getattr(wanted, name))]
    return [name for name in out if name not in ignore]


def same(a, b):
    return a is not None and b is not None and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def psnr(a, b):
    """Peak signal to noise, dB, of uint8 images."""
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)
