"""Batches on their way from the host's memory to the device that learns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from robot_rl.data.batch import Batch

MAX_LEAD = 4
"""Batches that wait on a CUDA device for their turn before the host waits: what they take is memory."""


def prefetched(batches: Iterator[Batch], device: str | torch.device) -> Iterator[Batch]:
    """Return the batches on `device`; on a CPU the iterator itself.

    A CUDA device gets a batch while it still works on those before, because no update waits for the device: the host
    runs ahead of it. But no batch is drawn before it is asked for. So what is sampled is the same as on a CPU, the newest
    step included, and a run that was interrupted goes on as if it had not been.
    """
    device = torch.device(device)
    return map(_Courier(device), batches) if device.type == "cuda" else batches


def moved(batch: Batch, device: torch.device) -> Batch:
    """Return the batch on `device`. Tensors that share memory go in one copy, and share memory there."""
    blocks: dict[int, Tensor] = {}

    def move(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        if address not in blocks:
            blocks[address] = send(torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage), device)
        block = blocks[address].view(tensor.dtype)
        return block.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())

    return replace(
        batch,
        obs={key: move(value) for key, value in batch.obs.items()},
        action=move(batch.action),
        reward=move(batch.reward),
        terminated=move(batch.terminated),
        discount=move(batch.discount),
        is_demo=move(batch.is_demo),
        inside=None if batch.inside is None else move(batch.inside),
    )


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a host's tensor on `device`. The host may write to the tensor at once, and does not wait for CUDA devices.

    The copy leaves from pinned memory of torch's own, which torch does not use again before the copy is done.
    """
    pinned = tensor.pin_memory() if device.type == "cuda" and not tensor.is_cuda else tensor
    return pinned.to(device, non_blocking=True)


class _Courier:
    """Copies batches on a CUDA stream of its own, beside the work of the stream that asked for them."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._begun = deque[torch.cuda.Event]()

    def __call__(self, batch: Batch) -> Batch:
        if len(self._begun) == MAX_LEAD:
            self._begun.popleft().synchronize()
        consumer = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            there = moved(batch, self._device)
        consumer.wait_stream(self._stream)
        for tensor in _tensors(there):
            tensor.record_stream(consumer)  # before the consumer is done, its memory is not given to a later batch
        begun = torch.cuda.Event()
        begun.record(consumer)
        self._begun.append(begun)
        return there


def _tensors(batch: Batch) -> Iterator[Tensor]:
    yield from batch.obs.values()
    yield from (batch.action, batch.reward, batch.terminated, batch.discount, batch.is_demo)
    if batch.inside is not None:
        yield batch.inside
