"""What is checked of cameras, input device, trackers and the computer at a station."""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from check_clock import pause, punctuality
from check_row import Check, checked, skipped, within

from robot_rl.envs.frame_guard import FrameGuardConfig
from robot_rl.protocols import Camera, Clock, InputDevice, Tracker
from robot_rl.specs import EnvSpec

READS = 40
MIN_RATE_SHARE = 0.8
"""Of a camera's own rate that must arrive."""
MIN_HOURS = 2.0
"""Of recording that must find room on the disk, uncompressed."""


def camera_checks(name: str, camera: Camera, clock: Clock, max_age_s: float) -> list[Check]:
    """Connect a camera, and judge whether pictures come, how often, how old they are, and whether they show anything."""
    reached = checked(
        f"camera {name}", lambda: _connected(camera, max_age_s, clock), "plug it in; compare serial and resolution"
    )
    if not reached.is_ok:
        return [reached]
    stamps: list[float] = []
    ages: list[float] = []
    deviation = 0.0
    try:
        for _ in range(READS):
            pause(clock, 0.5 / camera.spec.rate_hz)
            frame = camera.read(max_age=math.inf)
            stamps.append(frame.stamp)
            ages.append(clock.now() - frame.stamp)
            deviation = max(deviation, float(frame.image[:: max(1, camera.spec.height // 16)].std()))
    except Exception as error:
        return [reached, Check(f"{name}: pictures", False, str(error), fix="look at cable and power")]
    changes = np.diff(np.unique(stamps))
    rate = 1 / float(np.mean(changes)) if changes.size else 0.0
    dark = FrameGuardConfig().min_deviation
    return [
        reached,
        within(f"{name}: pictures a second", rate, MIN_RATE_SHARE * camera.spec.rate_hz, "/s",
               "another USB port, less resolution, or a shorter exposure", at_least=True),
        within(f"{name}: age of a picture (p99)", 1e3 * float(np.quantile(ages, 0.99)), 1e3 * max_age_s, "ms",
               "raise the rate, or [task] max_frame_age_s"),
        within(f"{name}: pixels vary by", deviation, dark, "of 255", "take the cap off; look at the light", at_least=True),
    ]  # fmt: skip


def device_check(device: InputDevice) -> Check:
    """Return whether the input device can be opened and read; it is closed again."""

    def look() -> str:
        device.connect()
        try:
            device.read()
        finally:
            device.close()
        return device.name

    return checked("input device answers", look, "plug it in; see docs/teleop.md for permissions")


def tracker_checks(trackers: Mapping[str, Tracker]) -> list[Check]:
    """Return whether each object is seen."""
    return [
        checked(f"tracker {name}", lambda tracker=tracker: _seen(tracker), "see that its marker is in view")
        for name, tracker in trackers.items()
    ]


def machine_checks(spec: EnvSpec | None, clock: Clock, folder: Path, *, is_real_time: bool) -> list[Check]:
    """Judge disk, punctuality and GPU of this computer.

    Args:
        spec: Of what is recorded; None: unknown.
        clock: The robot's.
        folder: Where recordings go.
        is_real_time: Whether that clock is the wall's.
    """
    return [_disk(spec, folder), punctuality(spec, clock) if is_real_time else skipped("wakes up", "simulated time"), _gpu()]


def _connected(camera: Camera, max_age_s: float, clock: Clock) -> str:
    camera.connect()
    pause(clock, 3 / camera.spec.rate_hz)
    shape = camera.read(max_age=max(1.0, max_age_s)).image.shape
    wanted = (camera.spec.height, camera.spec.width, 3)
    if shape != wanted:
        raise ValueError(f"pictures are {list(shape)}, its spec says {list(wanted)}")
    return f"{shape[1]}x{shape[0]} at {camera.spec.rate_hz:g}/s"


def _seen(tracker: Tracker) -> str:
    position = tracker.read().position
    if not np.isfinite(position).all():
        raise ValueError(f"it says {position.tolist()}, which is not finite")
    return f"at {np.round(position, 3).tolist()} m"


def _disk(spec: EnvSpec | None, folder: Path) -> Check:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    if spec is None:
        return Check("disk", None, f"{free:.1f} GB free")
    hourly = sum(array.nbytes for array in spec.obs.values()) * 3600 / spec.control_dt / 1e9
    fix = f"free space for recordings in {folder}"
    return within("disk", free, max(1.0, MIN_HOURS * hourly), "GB free", fix, at_least=True)


def _gpu() -> Check:
    if importlib.util.find_spec("torch") is None:
        return Check("GPU", None, "no torch here: deploy with --runtime onnx")
    import torch

    if not torch.cuda.is_available():
        return Check("GPU", None, f"none for torch {torch.__version__}: policies act on the CPU")
    free, total = torch.cuda.mem_get_info()
    return Check("GPU", True, f"{torch.cuda.get_device_name()}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free")
