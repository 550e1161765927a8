from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hardware.clock import ManualClock
from robot_rl.envs import rollout
from robot_rl.errors import ConfigError
from robot_rl.types import EpisodeInfo

LAUNCH = Path(__file__).parents[2] / "launch"


def benchmark(*arguments):
    return subprocess.run(
        [sys.executable, LAUNCH / "benchmark.py", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def script(monkeypatch):
    """The script as a module, its siblings importable as they are when it is run by path."""
    monkeypatch.syspath_prepend(str(LAUNCH))
    yield importlib.import_module("benchmark")
    for name in ("benchmark", "bench_replay", "bench_sim", "bench_cockpit", "bench_loop", "bench_modem", "bench_learner"):
        sys.modules.pop(name, None)


def test_json_is_one_list_of_name_value_unit():
    done = benchmark("replay", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["name"], row["unit"]) for row in rows] == [
        ("replay/state_256", "ms"),
        ("replay/two_cameras_256", "ms"),
        ("replay/features_256", "ms"),
        ("replay/feature_bytes_per_step", "bytes"),
    ]
    assert all(row.keys() == {"name", "value", "unit"} and row["value"] > 0 for row in rows)
    assert rows[-1]["value"] <= 30_000


def test_an_unknown_suite_lists_those_known():
    done = benchmark("slim")
    assert done.returncode == 2
    assert "unknown benchmark 'slim'; known: sim, replay, learner" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_suite_of_a_gpu_runs_where_there_is_one_and_asked_for_alone(script, monkeypatch, capsys):
    if not torch.cuda.is_available():
        done = benchmark("gpu")
        assert done.returncode == 2
        assert "device 'cuda' was asked for, but" in done.stderr
    monkeypatch.setattr(script, "SUITES", {"sim": "fake_sim", "gpu": "absent"})
    module = type(sys)("fake_sim")
    module.rows = lambda: [{"name": "sim/a", "value": 1234.0, "unit": "ms"}]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    script.main(script.BenchmarkConfig())
    assert "sim/a" in capsys.readouterr().out


def test_the_table_shows_every_row_of_every_suite_asked_for(script, monkeypatch, capsys):
    monkeypatch.setitem(script.SUITES, "sim", "fake_sim")
    monkeypatch.setitem(script.SUITES, "replay", "fake_replay")
    for suite in ("sim", "replay"):
        module = type(sys)(f"fake_{suite}")
        module.rows = lambda suite=suite: [{"name": f"{suite}/a", "value": 1234.0, "unit": "ms"}]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    script.main(script.BenchmarkConfig(("sim", "replay", "sim")))
    table = capsys.readouterr().out
    assert "sim/a" in table
    assert "replay/a" in table
    assert table.count("1234") == 2


def test_simulation_rows_and_their_unit(script, monkeypatch):
    suite = importlib.import_module("bench_sim")
    asked = []
    monkeypatch.setattr(suite, "_steps_per_s", lambda options, num_steps: asked.append(options.cameras) or 1.0)
    assert [(row["name"], row["unit"]) for row in suite.rows()] == [
        ("sim/state", "steps/s"),
        ("sim/two_cameras", "steps/s"),
    ]
    assert asked == [(), ("front", "wrist")]


def test_simulation_is_timed_over_whole_runs(script, monkeypatch):
    suite = importlib.import_module("bench_sim")
    monkeypatch.setattr(suite, "median_seconds", lambda work, repeats: work() or 0.5)
    assert suite._steps_per_s(suite.EnvOptions(), 3) == 6.0


def test_recording_rows_and_that_every_step_and_picture_is_there(script, monkeypatch):
    suite = importlib.import_module("bench_recording")
    monkeypatch.setattr(suite, "STEPS", 12)
    monkeypatch.setattr(suite, "PACED_STEPS", 3)
    rows = suite.rows()
    assert [(row["name"], row["unit"]) for row in rows] == [
        ("recording/two_cameras_640x480", "steps/s"),
        ("recording/worst_wait_10hz", "ms"),
        ("recording/worst_write_without_thread", "ms"),
        ("recording/disk_10hz", "MB/min"),
    ]
    assert all(row["value"] > 0 for row in rows)
    monkeypatch.setattr(suite, "run_episode", lambda env, policy, *, sinks, **_: run_shortened(env, policy, sinks[0]))
    with pytest.raises(RuntimeError, match="5 of 12 steps"):
        suite.measure(12)


def run_shortened(env, policy, writer):
    env.env.config = dataclasses.replace(env.env.config, max_steps=5)
    return rollout.run_episode(env, policy, seed=0, explore=False, info=EpisodeInfo("benchmark", "demo"), sinks=(writer,))


def test_a_loop_on_time_has_equal_periods_and_a_late_one_is_counted(script, monkeypatch):
    loop = importlib.import_module("bench_loop")
    figures = loop.measure(20.0, 5.0, learner=False, clock=ManualClock())
    assert (figures.steps, figures.missed) == (100, 0)
    assert (figures.p50, figures.p99, figures.worst) == pytest.approx((0.05, 0.05, 0.05))

    clock, steps = ManualClock(), iter(range(1000))
    monkeypatch.setattr(loop, "_act", lambda clock: clock.advance(0.12) if next(steps) == 50 else None)
    late = loop.measure(20.0, 5.0, learner=False, clock=clock)
    assert late.missed == 1
    assert late.worst == pytest.approx(0.17)
    assert late.p50 == pytest.approx(0.05)


def test_the_rows_of_the_loop_are_its_quantiles_at_each_rate(script, monkeypatch):
    loop = importlib.import_module("bench_loop")
    monkeypatch.setattr(loop, "SECONDS", 0.2)
    measured = loop.measure
    monkeypatch.setattr(loop, "measure", lambda rate, seconds: measured(rate, seconds, learner=False, clock=ManualClock()))
    rows = {row["name"]: row for row in loop.rows()}
    assert set(rows) == {f"loop/{rate}hz_{name}" for rate in (10, 20, 50) for name in ("p50", "p99", "p999", "worst", "missed")}
    assert rows["loop/50hz_p50"]["value"] == pytest.approx(20.0)
    assert (rows["loop/20hz_worst"]["unit"], rows["loop/20hz_missed"]["unit"]) == ("ms", "of 4")


def test_a_learner_works_meanwhile(script):
    with importlib.import_module("bench_loop").learning() as count:
        assert count.value > 0


def test_median_leaves_out_the_first_call(script):
    calls = []
    importlib.import_module("bench_row").median_seconds(lambda: calls.append(0), 3)
    assert len(calls) == 4


def test_the_cockpit_is_measured_in_a_browser_and_says_how_to_get_one(script, monkeypatch):
    suite = importlib.import_module("bench_cockpit")
    monkeypatch.setattr(suite.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"apt-get install .* chromium"):
        suite.rows()


def test_a_deadline_is_missed_by_half_a_period(script, monkeypatch):
    suite = importlib.import_module("bench_cockpit")
    monkeypatch.setattr(suite, "NUM_STEPS", 4)
    times = iter([0.0, 0.0, 0.05, 0.13, 0.13, 0.20, 0.24, 0.24])
    monkeypatch.setattr(suite.time, "perf_counter", lambda: next(times))
    _, missed, wall = suite._run(suite._env(suite.TimedRobot()))
    assert missed == 1
    assert wall == pytest.approx(0.24)


def test_planning_and_learning_with_a_model_are_measured_once_the_clone_has_handed_over(script, monkeypatch):
    suite = importlib.import_module("bench_modem")
    small = suite.ModemConfig(encoder_dims=(8,), hidden_dims=(8,), latent_dim=16)
    monkeypatch.setattr(suite, "ModemConfig", lambda: small)
    monkeypatch.setattr(suite, "seconds_per_call", lambda work, calls, device=None: work() is None or 0.25)
    assert [(row["name"], row["value"], row["unit"]) for row in suite.rows()][:2] == [
        ("planner/default", 250.0, "ms"),
        ("learner/modem", 4.0, "updates/s"),
    ]
