import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from robot_rl.agents.lazy_metrics import LazyMetrics
from robot_rl.csv_table import read_rows
from robot_rl.training.metrics import MetricsLogger


def rows(folder):
    return read_rows(folder / "metrics.csv")


def points(folder, tag):
    events = EventAccumulator(str(folder / "events"))
    events.Reload()
    return [(point.step, point.value) for point in events.Scalars(tag)]


def test_flush_writes_the_mean_of_what_was_added_since_the_last(tmp_path):
    with MetricsLogger(tmp_path) as metrics:
        for loss in (1.0, 2.0, 6.0):
            metrics.add({"critic/loss": loss})
        metrics.add({"episode/success": 1.0})
        assert metrics.flush(100, 1.0) == {"critic/loss": 3.0, "episode/success": 1.0}
        metrics.add({"critic/loss": 5.0})
        assert metrics.flush(200, 2.0) == {"critic/loss": 5.0}
    assert [row["critic/loss"] for row in rows(tmp_path)] == [3.0, 5.0]
    assert points(tmp_path, "critic/loss") == [(100, 3.0), (200, 5.0)]


def test_a_tensor_that_its_owner_overwrites_still_counts_as_it_was(tmp_path):
    static = torch.tensor(1.0)  # a captured graph writes every result into the same memory
    with MetricsLogger(tmp_path) as metrics:
        metrics.add({"critic/loss": static})
        static.fill_(3.0)
        metrics.add({"critic/loss": static})
        static.fill_(100.0)
        assert metrics.flush(1, 0.0) == {"critic/loss": 2.0}


def test_lazy_metrics_stay_unread_until_the_flush(tmp_path):
    with MetricsLogger(tmp_path) as metrics:
        for loss in (1.0, 3.0):
            lazy = LazyMetrics({"critic/loss": torch.tensor(loss), "episode/length": 4})
            metrics.add(lazy)
            assert isinstance(lazy.unread()["critic/loss"], torch.Tensor)
        assert metrics.flush(1, 0.0) == {"critic/loss": 2.0, "episode/length": 4.0}


def test_metrics_may_appear_later(tmp_path):
    with MetricsLogger(tmp_path) as metrics:
        metrics.add({"a": 1.0})
        metrics.flush(1, 0.0)
        metrics.add({"b": 2.0})
        metrics.flush(2, 0.0)
        metrics.add({"a": 3.0})
        metrics.flush(3, 0.0)
    assert [(row["a"], row["b"]) for row in rows(tmp_path)] == [(1, None), (None, 2), (3, None)]


def test_two_flushes_at_one_step_make_one_line(tmp_path):
    with MetricsLogger(tmp_path) as metrics:
        for name in ("critic/loss", "evaluation/success"):
            metrics.add({name: 1.0})
            metrics.flush(500, 3.0)
    [row] = rows(tmp_path)
    assert row == {"env_steps": 500, "wall_s": 3.0, "critic/loss": 1.0, "evaluation/success": 1.0}


def write(folder, *steps, value):
    with MetricsLogger(folder) as metrics:
        for step in steps:
            metrics.add({"x": value})
            metrics.flush(step, 0.0)


def test_a_resumed_run_replaces_the_steps_it_repeats(tmp_path):
    write(tmp_path, 100, 200, 300, value=1.0)
    write(tmp_path, 200, value=2.0)
    assert [(row["env_steps"], row["x"]) for row in rows(tmp_path)] == [(100, 1.0), (200, 2.0)]
    assert points(tmp_path, "x") == [(100, 1.0), (200, 2.0)]


def test_columns_of_replaced_lines_do_not_shift_the_others(tmp_path):
    with MetricsLogger(tmp_path) as metrics:
        metrics.add({"only_later": 7.0})
        metrics.flush(900, 0.0)
    write(tmp_path, 200, 300, value=2.0)
    assert [(row["env_steps"], row["x"]) for row in rows(tmp_path)] == [(200, 2.0), (300, 2.0)]


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_a_line_cut_off_by_a_crash_is_dropped_and_the_table_goes_on(tmp_path, cut):
    write(tmp_path, 100, 200, value=1.25)
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text()[:-cut])
    write(tmp_path, 300, value=2.0)
    assert [(row["env_steps"], row["x"]) for row in rows(tmp_path)] == [(100, 1.25), (300, 2.0)]


def test_not_a_number_stays_visible(tmp_path):
    write(tmp_path, 1, value=float("nan"))
    assert str(rows(tmp_path)[0]["x"]) == "nan"
