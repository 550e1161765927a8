import shutil
import signal

import pytest
from toy_script import call_script, run_script, train

from robot_rl.data.episodes import list_episodes, load_dataset
from robot_rl.runs import RunFolder

# Environment 0 acts, environment 1 demonstrates (about 4 steps an episode) and is measured.


def check_complete(folder, env_steps=60):
    """Assert that nothing of a finished run is missing or there twice."""
    run = RunFolder.open(folder / "run")
    episodes = load_dataset(run.episodes)
    assert sum(episode.length for episode in episodes) == env_steps
    assert run.summary is not None
    assert run.summary["env_steps"] == env_steps
    assert run.summary["updates"] == 5 + env_steps - 20
    assert [row["env_steps"] for row in run.evaluations()] == list(range(0, env_steps + 1, 30))
    for kind in (episodes, load_dataset(run.path / "demos")):
        seeds = [episode.info.seed for episode in kind]
        assert len(set(seeds)) == len(seeds)
    assert len(list_episodes(run.path / "demos")) == 3
    assert not list(run.path.glob("*/.open-*"))


@pytest.mark.parametrize("step", [13, 47])
def test_a_killed_run_goes_on_from_its_disk(tmp_path, step):
    done = train(tmp_path, run=run_script, signal=f"SIGKILL 0 {step}")
    assert done.returncode == -signal.SIGKILL
    kept = load_dataset(tmp_path / "run" / "episodes", on_damage=lambda *_: None)
    assert sum(episode.length for episode in kept) < step
    done = train(tmp_path, "--resume", "run")
    assert done.returncode == 0, done.stderr
    check_complete(tmp_path)
    again = load_dataset(tmp_path / "run" / "episodes")[: len(kept)]
    assert [episode.info.seed for episode in again] == [episode.info.seed for episode in kept]


@pytest.mark.parametrize("step", [7, 25], ids=["demonstrating", "measuring the clone"])
def test_a_run_that_was_killed_before_it_learnt_anything_starts_over(tmp_path, step):
    done = train(tmp_path, run=run_script, signal=f"SIGKILL 1 {step}")
    assert done.returncode == -signal.SIGKILL
    assert not list((tmp_path / "run" / "checkpoints").iterdir())
    (tmp_path / "run" / "demos" / ".open-dead").mkdir()
    done = train(tmp_path, "--resume", "run")
    assert done.returncode == 0, done.stderr
    check_complete(tmp_path)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_leaves_a_run_that_goes_on(tmp_path, name):
    done = train(tmp_path, signal=f"{name} 0 33")
    assert done.returncode == 130, done.stderr
    assert "stopped at 33 steps; go on with: python " in done.stdout
    assert "--resume run" in done.stdout
    assert "Traceback" not in done.stderr
    done = train(tmp_path, "--resume", "run")
    assert done.returncode == 0, done.stderr
    check_complete(tmp_path)


def test_ctrl_c_outside_of_training_is_no_traceback_either(tmp_path):
    done = train(tmp_path, signal="SIGINT 1 7")
    assert done.returncode == 130
    assert "everything so far is kept; go on with: python " in done.stdout
    assert "Traceback" not in done.stderr
    assert train(tmp_path, "--resume", "run").returncode == 0
    check_complete(tmp_path)


def test_a_finished_run_can_be_given_more_steps(tmp_path):
    assert train(tmp_path).returncode == 0
    done = train(tmp_path, "--resume", "run", "--env-steps", "90")
    assert done.returncode == 0, done.stderr
    check_complete(tmp_path, 90)
    assert RunFolder.open(tmp_path / "run").config["env_steps"] == 90


def test_what_does_not_fit_is_refused_by_name(tmp_path):
    assert train(tmp_path, "--env-steps", "1").returncode == 0
    run = tmp_path / "run"

    def refusal(*arguments):
        done = train(tmp_path, "--resume", *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        return done.stderr

    message = refusal("run", "--seed", "3", "--sac.discount", "0.5")
    assert "run is another run" in message
    assert "seed is 0 in the run, 3 was asked for" in message
    assert "sac.discount is 0.9 in the run, 0.5 was asked for" in message

    with RunFolder.resume(run):
        assert "run is in use by process" in refusal("run")

    again = train(tmp_path)
    assert again.returncode == 2
    assert "already holds a run; continue it with --resume run" in again.stderr

    for checkpoint in run.joinpath("checkpoints").iterdir():
        checkpoint.write_bytes(b"")
    assert "none of the 2 checkpoints in run/checkpoints can be read" in refusal("run")
    shutil.rmtree(run / "checkpoints")  # as that message says
    assert train(tmp_path, "--resume", "run").returncode == 0
    (run / "config.json").write_text('{"task":')
    assert "config.json is damaged" in refusal("run")
    (run / "config.json").write_text('{"lab": "ours"}')
    assert "config.json does not fit this version: task: Field required" in refusal("run")


def test_a_run_of_another_preset_is_refused(tmp_path):
    assert train(tmp_path, "--env-steps", "1").returncode == 0
    done = call_script("train", "pick_lift", "--resume", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "task is 'toy_env:make' in the run, 'pick_lift' was asked for" in done.stderr
