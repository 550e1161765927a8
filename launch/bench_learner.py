"""How many updates a second SAC makes, beside what the measured speed of matrix products allows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import torch
from bench_row import Row, seconds_per_call

from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.batch import Batch
from robot_rl.data.transfer import prefetched
from robot_rl.nn.precision import Precision
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

STATE_DIM, ACTION_DIM, BATCH, HIDDEN = 24, 7, 256, 256
SPEC = EnvSpec(
    "benchmark", {"state/x": ArraySpec((STATE_DIM,))}, ActionSpec(tuple(f"a{i}" for i in range(ACTION_DIM))), 0.1, 100
)


def rows() -> list[Row]:
    """Return the learner's rows: batch 256, 2x256 networks, state 24, action 7, threads as torch is set."""
    peak = matmul_flops_per_s()
    updates = {
        "critics_2": updates_per_s(2),
        "critics_10": updates_per_s(10),
        "critic_only_2": updates_per_s(2, with_actor=False),
        "critics_2_float32": updates_per_s(2, precision="float32"),
        "critics_10_float32": updates_per_s(10, precision="float32"),
        "matmul_limit_2": peak / update_flops(2),
        "matmul_limit_10": peak / update_flops(10),
    }
    return [
        *({"name": f"learner/{name}", "value": round(value, 1), "unit": "updates/s"} for name, value in updates.items()),
        {"name": "learner/matmul_peak", "value": round(peak / 1e9, 1), "unit": "GFLOP/s"},
        {"name": "learner/act", "value": round(act_ms(), 3), "unit": "ms"},
    ]


def updates_per_s(
    num_critics: int,
    *,
    with_actor: bool = True,
    precision: Precision = "auto",
    device: str = "cpu",
    is_compiled: bool = False,
) -> float:
    """Return updates of critics (and actor and temperature) a second; 2 target critics are evaluated."""
    config = SACConfig(
        batch_size=BATCH,
        hidden_dims=(HIDDEN, HIDDEN),
        num_critics=num_critics,
        num_min_critics=2,
        utd_ratio=1.0,
        critic_actor_ratio=1 if with_actor else 1_000_000,
        precision=precision,
        compile=is_compiled,
    )
    agent, batches = SAC(SPEC, config, device=device), prefetched(one_batch(), device)
    return 1.0 / seconds_per_call(lambda: agent.update(batches), calls=40 if num_critics == 2 else 15, device=device)


def act_ms(device: str = "cpu") -> float:
    """Return ms to choose one exploring action from state."""
    policy, obs = SAC(SPEC, SACConfig(), device=device).policy(), {"state/x": torch.zeros(STATE_DIM).numpy()}
    return 1e3 * seconds_per_call(lambda: policy.act(obs, explore=True), calls=200)


def matmul_flops_per_s(size: int = 1024) -> float:
    """Return floating point operations a second of a large float32 matrix product: 2 n**3 each."""
    a, b, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    return 2.0 * size**3 / seconds_per_call(lambda: torch.mm(a, b, out=out), calls=10)


def update_flops(num_critics: int, num_min_critics: int = 2) -> float:
    """Return the floating point operations of one update's matrix products: 2 for every weight and sample in each pass.

    A pass forward, or back to the inputs, or back to the weights costs the same. First layers pass nothing back but
    the action's part, which is left out, and so is everything that is no matrix product.
    """
    hidden = HIDDEN * HIDDEN
    critic_first, critic = (STATE_DIM + ACTION_DIM) * HIDDEN, (STATE_DIM + ACTION_DIM) * HIDDEN + hidden + HIDDEN
    actor_first, actor_head = STATE_DIM * HIDDEN, 2 * ACTION_DIM * HIDDEN
    actor = actor_first + hidden + actor_head
    target = actor + num_min_critics * critic
    regression = num_critics * (3 * critic - critic_first)
    through_critics = num_critics * (2 * critic - critic_first)
    improvement = through_critics + 3 * actor - actor_first
    return 2.0 * BATCH * (target + regression + improvement)


def one_batch() -> Iterator[Batch]:
    """One batch, over and over: what is measured is learning, not sampling."""
    generator = torch.Generator().manual_seed(0)
    zeros = torch.zeros(1, BATCH)
    batch = Batch(
        obs={"state/x": torch.randn(2, BATCH, STATE_DIM, generator=generator)},
        action=torch.rand(1, BATCH, ACTION_DIM, generator=generator) * 2.0 - 1.0,
        reward=torch.rand(1, BATCH, generator=generator),
        terminated=zeros,
        discount=zeros + 0.98,
        is_demo=torch.zeros(BATCH),
    )
    return repeat(batch)
