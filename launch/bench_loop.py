"""How regular a control loop is, at 10, 20 and 50 Hz, with fake devices and a learner that saturates another core.

python launch/benchmark.py loop
python launch/bench_loop.py --minutes 10 --rates-hz 20
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

import numpy as np
from bench_row import Row
from command_line import parse, run_script

from hardware.clock import WallClock
from hardware.fake import HOME, FakeCamera, FakeRobot
from hardware.watchdog import Watchdog
from robot_rl.envs.observations import ObservationConfig
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.protocols import Clock

RATES_HZ = (10.0, 20.0, 50.0)
SECONDS = 30.0
"""s of each rate in `rows`."""
ACTING_S = 0.003
"""s that a policy takes: what deployment from state may."""


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """Control periods, s."""

    rate_hz: float
    p50: float
    p99: float
    p999: float
    worst: float
    missed: int
    """Periods that took two or more."""
    steps: int
    updates: int
    """Of the learner meanwhile."""


def rows() -> list[Row]:
    """Return the control period's quantiles at each rate, ms, and how many were missed."""
    found: list[Row] = []
    for rate in RATES_HZ:
        figures = measure(rate, SECONDS)
        name = f"loop/{rate:g}hz"
        for quantile in ("p50", "p99", "p999", "worst"):
            found.append(Row(name=f"{name}_{quantile}", value=1e3 * getattr(figures, quantile), unit="ms"))
        found.append(Row(name=f"{name}_missed", value=figures.missed, unit=f"of {figures.steps}"))
    return found


def measure(rate_hz: float, seconds: float, *, learner: bool = True, clock: Clock | None = None) -> LoopFigures:
    """Run a loop beside a learner and return how long its periods were.

    Args:
        rate_hz: Of the loop.
        seconds: How long.
        learner: Whether one runs in another process.
        clock: Of the loop; None: the wall's.
    """
    clock = clock or WallClock()
    if not learner:
        return _figures(rate_hz, ends_of_steps(rate_hz, seconds, clock), 0)
    with learning() as count:
        before = count.value
        ends = ends_of_steps(rate_hz, seconds, clock)
        updates = count.value - before
    return _figures(rate_hz, ends, updates)


def ends_of_steps(rate_hz: float, seconds: float, clock: Clock) -> np.ndarray:
    """Return when each control step ended, s."""
    steps = max(2, round(seconds * rate_hz))
    env = make_env(rate_hz, steps, clock)
    action, ends = np.zeros(env.env_spec.action.dim, np.float32), np.zeros(steps)
    try:
        env.reset(seed=0)
        for step in range(steps):
            _act(clock)
            action[1] = 0.3 * np.sin(step / 10)
            _, _, _, _, info = env.step(action)
            if info["fault"]:
                raise RuntimeError(f"the loop was cut: {info['fault']}")
            ends[step] = clock.now()
    finally:
        env.close()
    return ends


def make_env(rate_hz: float, steps: int, clock: Clock) -> RobotEnv:
    """Return an environment of a fake arm under a watchdog, with two cameras of 640x480 that are seen as 128x128."""
    robot = Watchdog(FakeRobot(clock), 1.0)
    config = RobotEnvConfig(
        control_dt=1 / rate_hz,
        max_steps=steps + 1,
        observation=ObservationConfig(image_size=128),
        max_overrun_s=60.0,  # what comes late is measured here, and not a fault
        max_frame_age_s=60.0,
    )
    cameras = {name: FakeCamera(clock, name, 480, 640) for name in ("front", "wrist")}
    return RobotEnv(
        robot, config=config, reward=SparseReward(lambda _: False), reset=DrivenReset(HOME), cameras=cameras, name="loop"
    )


@contextmanager
def learning() -> Iterator[Synchronized]:
    """Let a learner update without a pause in a process of its own, at a lower priority; yield its count of updates."""
    context = multiprocessing.get_context("spawn")
    count, is_over = context.Value("q", 0), context.Event()
    process = context.Process(target=_learn, args=(count, is_over), daemon=True)
    process.start()
    try:
        while count.value == 0:
            time.sleep(0.05)  # torch takes seconds to start, which are no part of the measurement
            if not process.is_alive():
                raise RuntimeError(f"the learner ended with {process.exitcode} before its first update")
        yield count
    finally:
        is_over.set()
        process.join(20)


def _learn(count: Synchronized, is_over: Event) -> None:
    import os

    import torch
    from bench_learner import SPEC, one_batch

    from robot_rl.agents.sac import SAC
    from robot_rl.agents.sac_config import SACConfig

    os.nice(5)  # as a learner beside a robot should
    torch.set_num_threads(1)
    agent, batches = SAC(SPEC, SACConfig()), one_batch()
    while not is_over.is_set():
        agent.update(batches)
        count.value += 1


def _act(clock: Clock) -> None:
    """Take as long as a policy, computing."""
    if isinstance(clock, WallClock):
        until = clock.now() + ACTING_S
        while clock.now() < until:
            pass


def _figures(rate_hz: float, ends: np.ndarray, updates: int) -> LoopFigures:
    periods = np.diff(ends)
    p50, p99, p999 = (float(value) for value in np.quantile(periods, [0.5, 0.99, 0.999]))
    missed = int((periods >= 2 / rate_hz - 1e-9).sum())
    return LoopFigures(rate_hz, p50, p99, p999, float(periods.max()), missed, len(ends), updates)


@dataclass(frozen=True, slots=True)
class BenchLoopConfig:
    """How long, and how fast."""

    minutes: float = 10.0
    """of each rate"""
    rates_hz: tuple[float, ...] = (20.0,)
    learner: bool = True
    """let a learner saturate another core"""


def main(config: BenchLoopConfig) -> None:
    """Measure and print."""
    for rate in config.rates_hz:
        figures = measure(rate, 60 * config.minutes, learner=config.learner)
        for name in figures.__dataclass_fields__:
            print(f"{name:8} {getattr(figures, name):g}")


if __name__ == "__main__":
    run_script(lambda: main(parse(BenchLoopConfig, __doc__)))
