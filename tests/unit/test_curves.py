import numpy as np
import pytest
from PIL import Image

from robot_rl.errors import RunError
from robot_rl.runs import RunFolder
from robot_rl.training.curves import Curve, plot_success, pooled, read_curve


def curve(successes, steps=(0, 500, 1000), episodes=20, rate=0.0):
    n = len(steps)
    return Curve(np.array(steps), np.arange(n) * 60.0, np.array(successes), np.full(n, episodes), np.full(n, rate))


def test_a_curve_is_what_the_run_measured(tmp_path):
    with RunFolder.create(tmp_path / "run", {"task": "reach"}) as run:
        for step, successes in [(0, 3), (500, 18)]:
            run.append_evaluation({"env_steps": step, "wall_s": step / 10, "successes": successes, "episodes": 20})
    found = read_curve(tmp_path / "run")
    assert found.env_steps.tolist() == [0, 500]
    assert found.wall_s.tolist() == [0, 50]
    assert found.rate.tolist() == [0.15, 0.9]
    assert found.intervention_rate.tolist() == [0.0, 0.0]  # a table from before there were interventions


def test_a_curve_tells_how_much_a_person_helped(tmp_path):
    with RunFolder.create(tmp_path / "run", {"task": "reach"}) as run:
        for step, rate in [(0, 0.0), (500, 0.25)]:
            row = {"env_steps": step, "wall_s": step / 10, "successes": 1, "episodes": 20, "intervention_rate": rate}
            run.append_evaluation(row)
    assert read_curve(tmp_path / "run").intervention_rate.tolist() == [0.0, 0.25]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no evaluation yet"),
        ("env_steps,wall_s\n1,2\n", "damaged"),
        ("env_steps,wall_s,successes,episodes\nx,1,1,1\n", "damaged"),
    ],
)
def test_a_table_without_a_curve_says_why(tmp_path, text, message):
    if text is not None:
        (tmp_path / "evaluations.csv").write_text(text)
    with pytest.raises(RunError, match=message):
        read_curve(tmp_path)


def test_pooling_adds_episodes_not_rates():
    together = pooled([curve([0, 10, 20]), curve([30, 60, 90], episodes=100)])
    assert together is not None
    assert together.successes.tolist() == [30, 70, 110]
    assert together.episodes.tolist() == [120, 120, 120]


def test_pooled_intervention_rates_are_the_mean_of_runs():
    together = pooled([curve([0, 10, 20], rate=0.5), curve([0, 10, 20], rate=0.1)])
    assert together is not None
    assert together.intervention_rate.tolist() == pytest.approx([0.3] * 3)


def test_runs_measured_at_different_steps_are_not_pooled():
    assert pooled([curve([0, 1, 2]), curve([0, 1], steps=(0, 500))]) is None


@pytest.mark.parametrize(
    "curves",
    [
        {"one": [curve([0, 10, 20])]},
        {"seeds": [curve([0, 10, 20]), curve([5, 10, 20])], "other": [curve([1, 2], steps=(0, 400))]},
        {"ragged": [curve([0, 1, 2]), curve([0, 1], steps=(0, 500))]},
        {"single point": [curve([3], steps=(0,))]},
        {"alone": [curve([0, 10, 20])], "helped": [curve([0, 10, 20], rate=0.3), curve([0, 10, 20])]},
    ],
)
def test_any_set_of_runs_becomes_a_picture(tmp_path, curves):
    path = tmp_path / "plots" / "success.png"
    plot_success(curves, path, title="peg_insert", references={"clone": 0.4, "demonstrator": 0.9})
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert len(set(image.convert("RGB").resize((90, 36)).tobytes())) > 10  # not blank
