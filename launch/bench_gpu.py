"""How fast both agents learn and act on a CUDA device; not among the suites that run unasked."""

from __future__ import annotations

import bench_learner
import bench_modem
import bench_pixels
import torch
from bench_row import Row

from robot_rl.training.device import resolve_device

DEVICE = "cuda"


def rows() -> list[Row]:
    """Return the rows of the suites learner, learner --pixels and modem, measured on the device, as `gpu/...`.

    Sampling from replay, and what a step takes there, are the host's. Memory is the most that all of them together took.

    Raises:
        ConfigError: If there is no CUDA device.
    """
    resolve_device(DEVICE)
    updates = {
        "critics_2": bench_learner.updates_per_s(2, device=DEVICE),
        "critics_10": bench_learner.updates_per_s(10, device=DEVICE),
        "critics_2_float32": bench_learner.updates_per_s(2, device=DEVICE, precision="float32"),
        "critics_2_compiled": bench_learner.updates_per_s(2, device=DEVICE, is_compiled=True),
    }
    measured = [
        *(Row(name=f"learner/{name}", value=round(value, 1), unit="updates/s") for name, value in updates.items()),
        Row(name="learner/act", value=round(bench_learner.act_ms(DEVICE), 3), unit="ms"),
        *bench_pixels.rows(DEVICE),
        *bench_modem.rows(DEVICE),
        Row(name="memory", value=round(torch.cuda.max_memory_allocated(DEVICE) / 1e6, 1), unit="MB"),
    ]
    return [Row(name=f"gpu/{row['name']}", value=row["value"], unit=row["unit"]) for row in measured]
