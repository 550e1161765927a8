import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from robot_rl.errors import RunError
from robot_rl.runs import RunFolder, default_run_dir


@dataclass(frozen=True)
class Agent:
    num_critics: int = 2
    hidden: tuple[int, ...] = (256, 256)


@dataclass(frozen=True)
class Config:
    task: str = "peg_insert"
    env_steps: int = 5000
    agent: Agent = field(default_factory=Agent)


HOLDER = """
import sys, time
from robot_rl.runs import RunFolder
run = RunFolder.create(sys.argv[1], {"task": "peg_insert"})
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def holder(folder):
    """Another process that is making a run in `folder`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_a_new_run_holds_all_that_repeats_it(folder, tmp_path):
    station = tmp_path / "lab.toml"
    station.write_text("# as it was\n[robot]\n")
    with RunFolder.create(folder, Config(), station) as run:
        assert run.checkpoints.is_dir()
        assert run.episodes.is_dir()
        assert run.videos.is_dir()
    assert json.loads((folder / "config.json").read_text())["agent"] == {"num_critics": 2, "hidden": [256, 256]}
    assert (folder / "station.toml").read_text() == station.read_text()
    [session] = json.loads((folder / "environment.json").read_text())["sessions"]
    assert {"torch", "mujoco", "numpy"} <= session["packages"].keys()
    assert os.uname().nodename not in json.dumps(session["platform"])


def test_two_runs_in_one_process_on_one_folder_are_refused(folder):
    with RunFolder.create(folder, Config()), pytest.raises(RunError, match=f"in use by process {os.getpid()}"):
        RunFolder.resume(folder)


def test_a_folder_that_another_process_uses_is_refused_with_its_pid(folder, holder):
    for attempt in (lambda: RunFolder.create(folder, Config()), lambda: RunFolder.resume(folder)):
        with pytest.raises(RunError, match=f"in use by process {holder.pid};"):
            attempt()


def test_a_killed_run_leaves_no_lock(folder, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    RunFolder.resume(folder, {"task": "peg_insert"}).close()


def test_reading_needs_no_lock(folder, holder):
    assert RunFolder.open(folder).config["task"] == "peg_insert"


def test_create_never_overwrites(folder):
    RunFolder.create(folder, Config()).close()
    with pytest.raises(RunError, match="already holds a run; continue it with --resume"):
        RunFolder.create(folder, Config())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"run cannot be made .*choose another run folder"):
        RunFolder.create(tmp_path / "file" / "run", Config())
    with pytest.raises(RunError, match="file is not a folder; runs lie under"):
        RunFolder.open(tmp_path / "file")


def test_a_table_that_is_no_text_is_named(folder):
    with RunFolder.create(folder, Config()) as run:
        (folder / "evaluations.csv").write_bytes(b"\xff\xfe")
        with pytest.raises(RunError, match=r"evaluations\.csv is damaged"):
            run.evaluations()


def test_create_refuses_somebody_elses_folder(folder):
    folder.mkdir()
    (folder / "thesis.tex").write_text("")
    with pytest.raises(RunError, match=r"not empty \(it holds thesis.tex\)"):
        RunFolder.create(folder, Config())
    assert not (folder / "config.json").exists()


@pytest.mark.parametrize("missing", [["config.json"], ["config.json", "videos", "episodes", "checkpoints"]])
def test_a_run_that_died_while_it_was_made_can_be_made_again(folder, missing):
    RunFolder.create(folder, Config()).close()
    for name in missing:
        path = folder / name
        path.rmdir() if path.is_dir() else path.unlink()
    RunFolder.create(folder, Config()).close()
    assert RunFolder.open(folder).config["task"] == "peg_insert"


def test_a_refused_folder_is_free_again(folder):
    RunFolder.create(folder, Config()).close()
    with pytest.raises(RunError):
        RunFolder.create(folder, Config())
    RunFolder.resume(folder).close()


def test_resume_names_every_setting_that_differs(folder):
    RunFolder.create(folder, Config(task="pick_lift")).close()
    with pytest.raises(RunError) as caught:
        RunFolder.resume(folder, Config(agent=Agent(num_critics=10)))
    message = str(caught.value)
    assert "task is 'pick_lift' in the run, 'peg_insert' was asked for" in message
    assert "agent.num_critics is 2 in the run, 10 was asked for" in message
    assert "env_steps" not in message
    assert "hidden" not in message


def test_resume_with_the_same_settings_keeps_the_run_and_notes_the_session(folder):
    RunFolder.create(folder, Config()).close()
    with RunFolder.resume(folder, Config()) as run:
        assert run.config == RunFolder.open(folder).config
    assert len(json.loads((folder / "environment.json").read_text())["sessions"]) == 2


def test_settings_that_may_differ_are_taken_over(folder):
    RunFolder.create(folder, Config()).close()
    longer = replace(Config(), env_steps=9000)
    with pytest.raises(RunError, match="env_steps is 5000 in the run, 9000 was asked for"):
        RunFolder.resume(folder, longer)
    RunFolder.resume(folder, longer, may_differ=["env_steps"]).close()
    assert RunFolder.open(folder).config["env_steps"] == 9000


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").write_text('{"task": "pe'), "config.json is damaged"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "damaged: it holds a list"),
        (lambda folder: (folder / "config.json").unlink(), "is not a run: it has no config.json"),
    ],
)
def test_resume_of_a_damaged_folder_says_what_is_wrong(folder, damage, message):
    RunFolder.create(folder, Config()).close()
    damage(folder)
    with pytest.raises(RunError, match=message):
        RunFolder.resume(folder)


@pytest.mark.parametrize("text", [None, "", '{"sessions": [', "[1]", "{}", '{"sessions": 3}'])
def test_a_damaged_provenance_is_written_anew_and_said_so(folder, text, caplog):
    RunFolder.create(folder, Config()).close()
    path = folder / "environment.json"
    path.unlink() if text is None else path.write_text(text)
    RunFolder.resume(folder).close()
    [session] = json.loads(path.read_text())["sessions"]
    assert "started_at" in session
    assert f"{path} is written anew, without the run's earlier sessions" in caplog.text


def test_a_path_that_does_not_exist_is_not_made_by_opening(folder):
    for attempt in (RunFolder.open, RunFolder.resume):
        with pytest.raises(RunError, match="does not exist"):
            attempt(folder)
    assert not folder.exists()


def test_evaluations_rise_and_a_later_life_replaces_the_lost_one(folder):
    with RunFolder.create(folder, Config()) as run:
        for env_steps, successes in [(0, 3), (500, 9), (1000, 12), (500, 11)]:
            run.append_evaluation({"env_steps": env_steps, "wall_s": 1.5, "successes": successes})
        assert [(row["env_steps"], row["successes"]) for row in run.evaluations()] == [(0, 3), (500, 11)]


def test_evaluations_may_gain_columns(folder):
    with RunFolder.create(folder, Config()) as run:
        run.append_evaluation({"env_steps": 0, "successes": 3})
        run.append_evaluation({"env_steps": 500, "successes": 4, "mean_return": 0.5})
        assert [row["mean_return"] for row in run.evaluations()] == [None, 0.5]
    assert (folder / "evaluations.csv").read_text().splitlines()[0] == "env_steps,successes,mean_return"


def test_summary_round_trips(folder):
    with RunFolder.create(folder, Config()) as run:
        assert run.summary is None
        run.write_summary({"success": {"k": 49, "n": 50}, "steps_to_95": None})
    assert RunFolder.open(folder).summary == {"success": {"k": 49, "n": 50}, "steps_to_95": None}


def test_default_run_dirs_are_new_and_keep_to_one_level(tmp_path):
    first = default_run_dir("dmc:cartpole-swingup", 3, tmp_path)
    first.mkdir(parents=True)
    second = default_run_dir("dmc:cartpole-swingup", 3, tmp_path)
    assert first != second
    assert first.parent == second.parent == tmp_path / "dmc-cartpole-swingup"
    assert first.name.endswith("-seed3")


def test_a_failed_write_leaves_the_old_file(folder):
    with RunFolder.create(folder, Config()) as run:
        run.write_summary({"task": "peg_insert"})
        with pytest.raises(TypeError, match="cannot write object"):
            run.write_summary({"task": object()})
        assert run.summary == {"task": "peg_insert"}
    assert not [path for path in Path(folder).iterdir() if path.name.endswith(".tmp")]
