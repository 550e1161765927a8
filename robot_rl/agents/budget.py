"""A planning budget that meets its deadline on the device that plans, found before anything moves."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from robot_rl.agents.planner import Planner
from robot_rl.agents.planner_config import PlannerConfig
from robot_rl.errors import ConfigError
from robot_rl.nn.world_model import WorldModel

log = logging.getLogger(__name__)

NUM_MEASURED = 5
"""Plans whose median time counts, after one that warms up."""
MIN_SAMPLES = 16
"""Fewer plans than this are no search."""


def fit_budget(
    planner: Planner, model: WorldModel, now: Callable[[], float] = time.perf_counter, *, compares: bool = False
) -> float:
    """Lower the planner's iterations, then its samples, until a plan takes no longer than `within_s`; return what it takes, s.

    Nothing is changed, and nothing measured, where `within_s` is 0.

    Args:
        planner: Its config is replaced by one that meets the deadline.
        model: That plans are scored by.
        now: A clock, s.
        compares: A plan is also compared with the policy's action before it counts as ready.

    Raises:
        ConfigError: If even the smallest budget takes too long, or the first does and `if_late` is refuse.
    """
    wanted = planner.config
    if wanted.within_s == 0.0:
        return 0.0
    taken = 0.0
    for config in _budgets(wanted):
        planner.config = config
        taken = _plan_seconds(planner, model, now, compares)
        if taken <= wanted.within_s:
            if config != wanted:
                log.warning("plans have %s instead of %s, to be ready in %g s", _size(config), _size(wanted), wanted.within_s)
            return taken
        if wanted.if_late == "refuse":
            break
    smallest, planner.config = planner.config, wanted
    raise ConfigError(
        f"a plan of {_size(smallest)} takes {taken:.3f} s on {planner.last_mean.device}, and planner within_s is "
        f"{wanted.within_s:g} s; plan less, make hidden_dims or num_critics smaller, slow the control rate, or let the policy "
        "act without planning: explore_action policy and eval_action policy"
    )


def _budgets(config: PlannerConfig) -> Iterator[PlannerConfig]:
    """Yield ever smaller budgets, the first as it is."""
    yield config
    while config.num_iterations > 1:
        config = replace(config, num_iterations=config.num_iterations - 1)
        yield config
    while config.num_samples > MIN_SAMPLES:
        samples = max(MIN_SAMPLES, config.num_samples // 2)
        config = replace(config, num_samples=samples, num_elites=min(config.num_elites, max(1, samples // 4)))
        yield config


def _plan_seconds(planner: Planner, model: WorldModel, now: Callable[[], float], compares: bool) -> float:
    device = planner.last_mean.device
    z = torch.full((model.sizes.z_dim,), 1.0 / model.sizes.simnorm_dim, device=device)
    generator = torch.Generator(device).manual_seed(0)
    durations: list[float] = []
    for _ in range(NUM_MEASURED + 1):
        started = now()
        plan = planner.plan(model, z, 0.5, generator, explore=False)
        plan.action.cpu()  # waits for the device
        if compares:
            planner.all_prefer(model, z, plan.actions, plan.action)
        durations.append(now() - started)
    planner.begin_episode()
    return statistics.median(durations[1:])


def _size(config: PlannerConfig) -> str:
    return f"{config.num_samples} samples, {config.num_iterations} iterations and horizon {config.horizon}"
