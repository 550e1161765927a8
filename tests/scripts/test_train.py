import json
import shutil

import pytest
from toy_script import call_script, run_script, train

from robot_rl.data.episodes import list_episodes
from robot_rl.runs import RunFolder

NO_OPENGL = {"DISPLAY": None, "MUJOCO_GL": None, "MUJOCO_EGL_DEVICE_ID": "999"}


def refused(done, *messages):
    """Assert that a script said what is wrong, and nothing more."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for message in messages:
        assert message in done.stdout + done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run, and what the script said."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, train(folder, "--evaluation.videos", "2", run=run_script)


def test_a_run_folder_is_complete(finished):
    folder, done = finished
    assert done.returncode == 0, done.stderr
    run = RunFolder.open(folder / "run")
    files = {"config.json", "environment.json", "metrics.csv", "evaluations.csv", "summary.json", "curve.png", "comparison.png"}
    folders = {"checkpoints", "episodes", "demos", "videos", "events", "policy", "clone"}
    assert {path.name for path in run.path.iterdir()} == {".lock", *files, *folders}
    assert (run.videos / "final.mp4").stat().st_size > 500
    assert run.summary is not None
    assert (run.summary["env_steps"], run.summary["demos"], run.summary["updates"]) == (60, 3, 45)
    assert [row["env_steps"] for row in run.evaluations()] == [0, 30, 60]
    assert len(list_episodes(run.path / "demos")) == 3
    for word in ("demonstrator", "clone", "agent", "3/3", "run/summary.json"):
        assert word in done.stdout


def test_a_finished_run_says_so_and_reports_again(finished):
    folder, _ = finished
    before = RunFolder.open(folder / "run").summary
    (folder / "run" / "summary.json").unlink()
    done = train(folder, "--resume", "run", run=run_script)
    assert done.returncode == 0, done.stderr
    assert "run is finished; give a larger env_steps" in done.stdout
    assert RunFolder.open(folder / "run").summary == before


def test_the_same_seed_gives_the_same_results(finished, tmp_path):
    folder, _ = finished
    assert train(tmp_path).returncode == 0
    one, two = (RunFolder.open(path / "run").evaluations() for path in (folder, tmp_path))
    assert [{**row, "wall_s": 0} for row in one] == [{**row, "wall_s": 0} for row in two]


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (("nosuch",), ("unknown preset 'nosuch'", "peg_insert", "gymnasium")),
        ((), ("reach", "pick_lift", "peg_insert", "gymnasium", "dmc")),
        (("reach", "--nosuch", "1"), ("--nosuch",)),
        (("reach", "--env-steps", "0"), ("env_steps 0 is below 1",)),
        (("reach", "--env.reward", "big"), ("sparse", "dense")),
        (("metaworld", "--env.reward", "dense"), ("sac target_clip (0.0, 1.0)", "--sac.target-clip None")),
        (("reach", "--task", "nosuch"), ("unknown environment 'nosuch'", "reach", "dmc:<id>", "package.module")),
        (("reach", "--task", "nosuch:make"), ("cannot import 'nosuch'",)),
        (("reach", "--task", "toy_env:nosuch"), ("has no 'nosuch'",)),
        (("reach", "--device", "gpu"), ("unknown device 'gpu'; known: auto, cpu",)),
        (("peg_insert", "--demos.policy", "nosuch"), ("unknown policy 'nosuch'", "scripted")),
        (("peg_insert", "--task", "toy_env:make"), ("'toy_env:make' has no scripted demonstrator",)),
        (("--resume", "nosuch"), ("nosuch does not exist",)),
        (("--resume", "."), ("is not a run: it has no config.json",)),
        (("reach", "--resume"), ("--resume", "expected one argument")),
        (("reach", "--resume", "a", "--run-dir", "b"), ("leave --run-dir out",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and value and value[0] in ("reach", "--resume") else None,
)
def test_what_does_not_exist_is_refused_with_what_does_and_leaves_nothing(tmp_path, arguments, messages):
    refused(call_script("train", *arguments, cwd=tmp_path), *messages)
    assert not list(tmp_path.iterdir())


def test_demonstrations_from_a_folder_or_a_clear_word(finished, tmp_path):
    demos = finished[0] / "run" / "demos"
    for arguments, message in (
        (("--demos.folder", "nosuch"), "no demonstrations at nosuch"),
        (("--demos.folder", demos, "--demos.episodes", "4"), "holds 3 readable demonstrations; --demos.episodes asks for 4"),
        (("--demos.folder", demos, "--task", "toy_env:make_wider"), "float32 [2] instead of float32 [3]"),
    ):
        refused(train(tmp_path, *arguments), message)
        assert not (tmp_path / "run").exists()
    done = train(tmp_path, "--demos.folder", demos)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["demos"], summary["demonstrator_success"]) == (3, None)


def test_demonstrations_of_another_task_are_told(finished, tmp_path):
    demos = tmp_path / "demos"
    shutil.copytree(finished[0] / "run" / "demos", demos)
    for path in list_episodes(demos):
        attributes = path / "zarr.json"
        values = json.loads(attributes.read_text())
        values["attributes"]["spec"]["name"] = "lab:other"
        attributes.write_text(json.dumps(values))
    done = train(tmp_path, "--demos.folder", demos, "--env-steps", "5", run=run_script)
    assert done.returncode == 0, done.stderr
    assert "demonstrations of lab:other are used for toy" in done.stdout + done.stderr


def test_a_demonstrator_that_never_succeeds_is_named(tmp_path):
    refused(train(tmp_path, "--demos.policy", "toy_env:lost"), "'toy_env:lost' succeeded in 0 of 30 attempts")


@pytest.mark.parametrize(
    ("task", "environment", "cause"),
    [
        (("--task", "toy_env:make_blind"), {}, "pygame is not installed"),
        (("--task", "reach", "--demos.policy", "scripted"), NO_OPENGL, "reach cannot be drawn"),
    ],
    ids=["package", "opengl"],
)
def test_a_run_that_cannot_be_filmed_finishes_without_its_film(tmp_path, task, environment, cause):
    done = train(tmp_path, *task, "--evaluation.videos", "1", "--env-steps", "5", run=run_script, **environment)
    assert done.returncode == 0, done.stderr
    assert "no video was made" in done.stdout
    assert cause in done.stdout
    assert RunFolder.open(tmp_path / "run").summary is not None
    assert not list((tmp_path / "run" / "videos").iterdir())


def test_a_lab_finds_its_own_modules_in_the_folder_it_works_in(tmp_path):
    (tmp_path / "lab.py").write_text("from toy_env import make as rig, scripted as expert\n")
    done = train(tmp_path, "--task", "lab:rig", "--demos.policy", "lab:expert", "--env-steps", "5", run=run_script)
    assert done.returncode == 0, done.stderr
