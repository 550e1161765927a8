"""Measure this machine: simulation, replay, learners, recording, cockpit, control loop, a GPU.

python launch/benchmark.py sim
python launch/benchmark.py replay learner --json
python launch/benchmark.py learner --pixels
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import Annotated

import tyro
from bench_row import Row
from command_line import parse, run_script
from rich.console import Console
from rich.table import Table

from robot_rl.errors import ConfigError

SUITES = {
    "sim": "bench_sim",
    "replay": "bench_replay",
    "learner": "bench_learner",
    "modem": "bench_modem",
    "encoder": "bench_encoder",
    "recording": "bench_recording",
    "cockpit": "bench_cockpit",
    "loop": "bench_loop",
    "gpu": "bench_gpu",
}
"""Names to sibling modules with `rows() -> list[Row]`; imported when asked for."""
PIXELS = {"learner": "bench_pixels"}
"""Those that take the place of others with `--pixels`."""


@dataclass(frozen=True, slots=True)
class BenchmarkConfig:
    """What to measure."""

    suites: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """sim, replay, learner, modem, encoder, recording, cockpit, loop, gpu; none given: all but the last"""
    pixels: bool = False
    """measure the learner from two cameras instead of from state"""
    json: bool = False
    """print one JSON list of {name, value, unit} instead of a table"""

    def __post_init__(self) -> None:
        for suite in self.suites:
            if suite not in SUITES:
                raise ConfigError(f"unknown benchmark {suite!r}; known: {', '.join(SUITES)}")


def main(config: BenchmarkConfig) -> None:
    """Measure and print."""
    rows: list[Row] = []
    for suite in dict.fromkeys(config.suites or (suite for suite in SUITES if suite != "gpu")):
        module = PIXELS.get(suite, SUITES[suite]) if config.pixels else SUITES[suite]
        rows += importlib.import_module(module).rows()
    if config.json:
        print(json.dumps(rows))
    else:
        Console().print(_table(rows))


def _table(rows: list[Row]) -> Table:
    """Return the rows for people."""
    table = Table("name", "", "unit")
    table.columns[1].justify = "right"
    for row in rows:
        table.add_row(row["name"], f"{row['value']:.4g}", row["unit"])
    return table


if __name__ == "__main__":
    run_script(lambda: main(parse(BenchmarkConfig, __doc__)))
