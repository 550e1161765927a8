"""What tests of agents on a CUDA device share."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def never_waiting() -> Iterator[None]:
    """Let everything fail within that makes the host wait for the device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def draw_on_the_cpu(agent, monkeypatch):
    """Let the agent take its random numbers from a CPU generator, so that they are the same on every device."""
    generator, config, device = torch.Generator().manual_seed(1), agent.config, agent.generator.device

    def noise(like):
        """Take a tensor, as SAC does, or a shape, as the world-model agent does."""
        return torch.randn(getattr(like, "shape", like), generator=generator).to(device)

    monkeypatch.setattr(agent, "_noise", noise)
    chosen = iter([torch.randperm(config.num_critics, generator=generator)[: config.num_min_critics] for _ in range(16)])
    monkeypatch.setattr(agent, "_draw_members", lambda: next(chosen).to(device))
    for augmentation in ("random_shift", "hide_places"):
        monkeypatch.setattr(f"robot_rl.agents.augmented.{augmentation}", lambda view, amount, generator: view)
