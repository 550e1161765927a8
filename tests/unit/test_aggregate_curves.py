import numpy as np
import pytest
from PIL import Image

from robot_rl.training.aggregate_curves import aggregate, plot_aggregate
from robot_rl.training.curves import Curve
from robot_rl.training.statistics import interquartile_mean


def curve(rates, steps=(0, 250, 500), minute=60.0):
    n = len(rates)
    return Curve(np.array(steps[:n]), np.arange(n) * minute, np.array(rates) * 20, np.full(n, 20), np.zeros(n))


def test_a_point_is_the_middle_half_of_all_tasks_runs():
    easy = [curve([0.5, 1.0, 1.0]), curve([0.4, 0.9, 1.0]), curve([0.6, 1.0, 1.0])]
    hard = [curve([0.0, 0.0, 0.1]), curve([0.1, 0.0, 0.9]), curve([0.0, 0.2, 0.2])]
    found = aggregate([easy, hard])
    assert found.env_steps.tolist() == [0, 250, 500]
    for point in range(3):
        values = [run.rate[point] for run in easy + hard]
        assert found.rate[point] == pytest.approx(interquartile_mean(values))
        assert found.low[point] <= found.rate[point] <= found.high[point]
    assert found.low[2] < found.high[2]  # the seeds of the hard task disagree


def test_seeds_that_agree_leave_no_band_however_much_tasks_differ():
    found = aggregate([[curve([0.9, 1.0])] * 3, [curve([0.0, 0.1])] * 3])
    np.testing.assert_allclose(found.low, found.high)


def test_only_steps_that_all_runs_measured_are_compared():
    found = aggregate([[curve([0.0, 0.5, 1.0]), curve([0.2, 1.0], steps=(0, 500), minute=180.0)]])
    assert found.env_steps.tolist() == [0, 500]
    assert found.minutes.tolist() == [0.0, 2.5]  # the mean of 2 and 3
    assert found.rate.tolist() == pytest.approx([0.1, 1.0])


def test_a_task_without_runs_is_no_comparison():
    with pytest.raises(ValueError, match="a run of each task"):
        aggregate([[curve([0.0])], []])


def test_methods_become_a_picture(tmp_path):
    path = tmp_path / "plots" / "all.png"
    plot_aggregate({"one": aggregate([[curve([0.0, 0.5])]]), "two": aggregate([[curve([0.2, 0.9])]])}, path, title="study")
    with Image.open(path) as image:
        assert len(set(image.convert("RGB").resize((90, 36)).tobytes())) > 10  # not blank
