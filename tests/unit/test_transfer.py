"""Batches arrive as they were sent, in as few copies as they have blocks of memory, and none is drawn early."""

from dataclasses import fields
from itertools import count, repeat

import numpy as np
import torch

from robot_rl.data import transfer
from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.data.replay import ReplayBuffer
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import Transition

SPEC = EnvSpec(
    "counting",
    {
        "state/x": ArraySpec((2,)),
        "image/front": ArraySpec((2, 4, 3), "uint8"),
        "feature/front": ArraySpec((3, 2, 2), "float16", variants=2),
    },
    ActionSpec(("x", "y")),
    control_dt=0.1,
    max_steps=100,
)


def observe(t: int) -> dict[str, np.ndarray]:
    return {
        "state/x": np.array([t, -t], np.float32),
        "image/front": np.full((2, 4, 3), t, np.uint8),
        "feature/front": np.stack([np.full((3, 2, 2), value, np.float16) for value in (t, -t)]),
    }


def sampled() -> Batch:
    replay = ReplayBuffer(SPEC, 50, seed=0)
    replay.begin_episode()
    for t in range(40):
        replay.add(Transition(observe(t), np.full(2, t, np.float32), float(t), observe(t + 1), t == 39, truncated=False))
    return replay.sample(BatchSpec(16))


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    rest = {field.name: getattr(batch, field.name) for field in fields(batch) if field.name != "obs"}
    return batch.obs | {name: value for name, value in rest.items() if value is not None}


def test_what_shares_memory_goes_in_one_copy(monkeypatch):
    sent = []
    monkeypatch.setattr(transfer, "send", lambda tensor, device: sent.append(tensor.clone()) or sent[-1])
    batch = sampled()
    there = transfer.moved(batch, torch.device("cpu"))
    assert len(sent) == 5  # rows of numbers, images, features; discounts and marks of demonstrations
    for name, value in tensors(batch).items():
        found = tensors(there)[name]
        assert torch.equal(found, value), name
        assert found.dtype == value.dtype, name
        assert found.data_ptr() != value.data_ptr(), name


def test_the_way_to_a_cpu_is_none():
    batches = repeat(sampled())
    assert transfer.prefetched(batches, "cpu") is batches


def test_no_batch_is_drawn_before_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(transfer, "_Courier", lambda device: lambda batch: batch)
    drawn = count()
    arriving = transfer.prefetched(drawn, "cuda")
    assert [next(arriving) for _ in range(3)] == [0, 1, 2]
    assert next(drawn) == 3
