"""Batches reach the GPU in order and whole, while it works and while the host fills the same memory again."""

from itertools import count

import pytest
import torch
from on_cuda import never_waiting
from toy_agents import toy_agent, toy_batch

from robot_rl.data.batch import Batch
from robot_rl.data.memory import BatchMemory
from robot_rl.data.mirror import Mirror
from robot_rl.data.transfer import prefetched
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

pytestmark = pytest.mark.gpu

BUSY_CYCLES = 20_000_000
"""About 10 ms of a GPU."""
NUM_BATCHES = 24


def numbered(memory: BatchMemory):
    """Batches of megabytes full of their own number, in memory that is used again as soon as it is free."""
    for number in count():
        image = memory.empty(2, 64, 64, 64, 3, dtype=torch.uint8).fill_(number)
        table = torch.full((1, 64), float(number))
        yield Batch({"image/front": image}, table[..., None], table, table, table, table[0])


def test_order_and_content_survive_a_host_that_runs_ahead():
    batches = prefetched(numbered(BatchMemory(num_spare=1)), "cuda")
    sums = []
    for _ in range(NUM_BATCHES):
        batch = next(batches)
        torch.cuda._sleep(BUSY_CYCLES)  # the consumer is late, so that memory given away early would be overwritten
        sums.append((batch.obs["image/front"].float().mean(), batch.reward.mean()))
        del batch
    for number, (image, reward) in enumerate(sums):
        assert image.item() == reward.item() == number


def test_no_batch_is_drawn_before_it_is_asked_for():
    source = numbered(BatchMemory())
    batches = prefetched(source, "cuda")
    for _ in range(3):
        next(batches)
    assert next(source).reward[0, 0] == 3


def test_the_host_does_not_wait():
    agent = toy_agent("frozen", "cuda")
    batches = prefetched((toy_batch(agent, seed) for seed in count()), "cuda")
    next(batches)
    with never_waiting():
        assert next(batches).action.is_cuda


def test_mirrored_there_is_mirrored_here():
    spec = EnvSpec("task", {"state/hole/position": ArraySpec((3,))}, ActionSpec(("arm/x", "arm/y")), 0.1, 100)
    host = [
        Batch({"state/hole/position": torch.randn(2, 64, 3)}, torch.randn(1, 64, 2), *(torch.ones(1, 64),) * 3, torch.ones(64))
        for _ in range(3)
    ]
    here = list(Mirror(spec, ("x", "y"), seed=1).map(iter(host)))
    there = list(Mirror(spec, ("x", "y"), seed=1, device="cuda").map(prefetched(iter(host), "cuda")))
    for expected, found in zip(here, there, strict=True):
        assert torch.equal(found.action.cpu(), expected.action)
        assert torch.equal(found.obs["state/hole/position"].cpu(), expected.obs["state/hole/position"])
