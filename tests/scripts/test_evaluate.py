import json

import pytest
from toy_script import call_script, run_script, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run in it."""
    folder = tmp_path_factory.mktemp("evaluate")
    done = train(folder, "--env-steps", "5")
    assert done.returncode == 0, done.stderr
    return folder


def measured(folder, *arguments, run=call_script):
    done = run("evaluate", "run", "--json", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_json_object_on_fresh_starts_that_repeat_by_seed(folder):
    first = measured(folder, "--episodes", "6", "--seed", "7", run=run_script)
    assert (first["task"], first["policy"], first["seed"], first["sampled"]) == ("toy_env:make", "agent", 7, False)
    assert first["success"]["n"] == 6
    assert first["success_rate"] == first["success"]["k"] / 6
    assert measured(folder, "--episodes", "6", "--seed", "7") == first
    sampled = measured(folder, "--episodes", "6", "--seed", "7", "--sample")
    assert sampled["sampled"]
    assert sampled["mean_return"] != first["mean_return"] or sampled["mean_length"] != first["mean_length"]


def test_a_table_and_a_film_of_the_clone(folder):
    done = call_script("evaluate", "run", "--policy", "clone", "--episodes", "2", "--video", "clone.mp4", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "/2" in done.stdout
    assert (folder / "clone.mp4").stat().st_size > 500


def test_a_film_changes_no_result(tmp_path):
    assert train(tmp_path, "--env-steps", "5", "--sac.eval-action", "sample").returncode == 0  # random even when evaluated
    plain = measured(tmp_path, "--episodes", "4")
    assert measured(tmp_path, "--episodes", "4", "--video", "new/folder/film.mp4") == plain
    assert (tmp_path / "new" / "folder" / "film.mp4").stat().st_size > 500


def test_what_cannot_be_filmed_is_told_before_anything_is_measured(folder):
    task = folder / "run" / "config.json"
    text = task.read_text()
    task.write_text(text.replace("toy_env:make", "toy_env:make_blind"))
    try:
        done = call_script("evaluate", "run", "--video", "film.mp4", cwd=folder)
    finally:
        task.write_text(text)
    assert done.returncode == 2
    assert "pygame is not installed" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--video", "run"), "run is a folder"),
        (("run", "--video", "run/config.json/film.mp4"), "run/config.json/film.mp4 cannot be written"),
        (("run", "--device", "gpu"), "unknown device 'gpu'; known: auto, cpu"),
        (("nosuch",), "nosuch does not exist"),
        ((".",), "is not a run"),
        (("run", "--episodes", "0"), "episodes 0 is below 1"),
        (("run", "--seed", "-1"), "seed -1 is negative"),
        (("run", "--policy", "nosuch"), "clone"),
    ],
)
def test_what_cannot_be_measured_is_refused(folder, arguments, message):
    done = call_script("evaluate", *arguments, cwd=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert message in done.stderr
    assert done.stdout == ""


def test_a_policy_of_another_environment_is_refused(folder):
    config = folder / "run" / "config.json"
    text = config.read_text()
    config.write_text(text.replace("toy_env:make", "toy_env:make_wider"))
    try:
        done = call_script("evaluate", "run", cwd=folder)
    finally:
        config.write_text(text)
    assert done.returncode == 2
    assert "float32 [2] instead of float32 [3]" in done.stderr
