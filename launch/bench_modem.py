"""How long a plan takes, and how many updates a second the world-model agent makes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import torch
from bench_learner import ACTION_DIM, BATCH, SPEC, STATE_DIM
from bench_row import Row, seconds_per_call

from robot_rl.agents.modem import Modem
from robot_rl.agents.modem_config import ModemConfig
from robot_rl.data.batch import Batch
from robot_rl.data.transfer import prefetched


def rows(device: str = "cpu") -> list[Row]:
    """Return the rows of the defaults: batch 256, horizon 3, state 24, action 7, threads as torch is set."""
    agent = Modem(SPEC, ModemConfig(), device=device)
    policy, obs = agent.policy(), {"state/x": torch.zeros(STATE_DIM).numpy()}
    batches = prefetched(_batches(agent.config.horizon), device)
    policy.stage.is_seeding = False
    plan = seconds_per_call(lambda: policy.act(obs, explore=True), calls=10)
    update = seconds_per_call(lambda: agent.update(batches), calls=8, device=device)
    size = sum(param.numel() for param in (*agent.encoder.parameters(), *agent.model.parameters()))
    return [
        {"name": "planner/default", "value": round(1e3 * plan, 2), "unit": "ms"},
        {"name": "learner/modem", "value": round(1.0 / update, 1), "unit": "updates/s"},
        {"name": "learner/modem_parameters", "value": float(size), "unit": "parameters"},
    ]


def _batches(horizon: int) -> Iterator[Batch]:
    """One batch, over and over: what is measured is learning, not sampling."""
    generator = torch.Generator().manual_seed(0)
    zeros = torch.zeros(horizon, BATCH)
    batch = Batch(
        obs={"state/x": torch.randn(horizon + 1, BATCH, STATE_DIM, generator=generator)},
        action=torch.rand(horizon, BATCH, ACTION_DIM, generator=generator) * 2.0 - 1.0,
        reward=torch.rand(horizon, BATCH, generator=generator),
        terminated=zeros,
        discount=zeros + 0.97,
        is_demo=torch.zeros(BATCH),
    )
    return repeat(batch)
