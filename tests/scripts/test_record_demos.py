from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robot_rl.data.episodes import load_dataset

ROOT = Path(__file__).parents[2]

LAB = """
import gymnasium as gym, numpy as np

class Push:
    version = 0
    def __init__(self, env, seed): self.dim = env.env_spec.action.dim
    def begin_episode(self): pass
    def act(self, obs, *, explore): return np.full(self.dim, 0.5, np.float32)
"""


def record(*arguments, folder):
    """Run the script with a lab's own module importable."""
    return subprocess.run(
        [sys.executable, ROOT / "launch/record_demos.py", *map(str, arguments), "--out", folder],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder.parent}", "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lab.py").write_text(LAB)
    return tmp_path / "demos"


def test_scripted_demonstrations_are_added_without_repeating_any_and_never_mixed(folder):
    for _ in range(2):
        done = record("--env", "reach", "--episodes", "2", folder=folder)
        assert done.returncode == 0, done.stderr
    assert "2 of 2 wanted" in done.stderr
    assert "4 episodes" in done.stderr
    episodes = load_dataset(folder)
    assert len({episode.info.seed for episode in episodes}) == 4
    assert all(episode.success for episode in episodes)

    refused = record("--env", "peg_insert", "--episodes", "1", folder=folder)
    assert refused.returncode == 2
    assert "does not fit 'peg_insert'" in refused.stderr
    assert len(load_dataset(folder)) == 4


def test_a_labs_own_policy_demonstrates_in_a_foreign_environment(folder):
    pendulum = ("--env", "gymnasium:Pendulum-v1", "--policy", "lab:Push", "--max-steps", "7", "--reward", "dense")
    done = record(*pendulum, "--episodes", "2", "--keep", "all", folder=folder)
    assert done.returncode == 0, done.stderr
    episodes = load_dataset(folder)
    assert [len(episode.action) for episode in episodes] == [7, 7]
    assert (episodes[0].action == 0.5).all()

    other = record(*pendulum[:-1], "sparse", "--success-rule", "reward>=0", "--episodes", "1", folder=folder)
    assert other.returncode == 2
    assert "holds demonstrations with options" in other.stderr


def test_a_demonstrator_that_never_succeeds_is_reported_and_nothing_kept(folder):
    options = ("--max-steps", "5", "--success-rule", "reward>=1", "--policy", "lab:Push", "--max-attempts", "3")
    done = record("--env", "gymnasium:Pendulum-v1", *options, "--episodes", "2", folder=folder)
    assert done.returncode == 2
    assert "lab:Push succeeded in 0 of 3 attempts" in done.stderr
    assert load_dataset(folder) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--env", "reech"),
            "unknown environment 'reech' (did you mean 'reach'?); known: bin_pick, peg_insert, pick_lift, push_planar, reach",
        ),
        (("--env", "reach", "--policy", "scriptd"), "unknown policy 'scriptd'"),
        (("--env", "reach", "--episodes", "0"), "episodes 0 is below 1"),
        (("--env", "reach", "--episodes", "-3"), "episodes -3 is below 1"),
        (("--env", "reach", "--past-success", "-1"), "past_success -1 is negative"),
        (("--env", "gymnasium:Pendulum-v1", "--reward", "dense", "--policy", "lab:Push", "--clumsy"), "not a simulated task"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_recorded(arguments, message, folder):
    done = record(*arguments, folder=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_recorded(below, tmp_path):
    (tmp_path / "file").touch()
    done = record("--env", "reach", "--episodes", "1", folder=tmp_path / "file" / below)
    assert done.returncode == 2
    assert f"--out {tmp_path / 'file' / below} cannot be written: Not a directory" in " ".join(done.stderr.split())
    assert "recording" not in done.stderr


def test_episodes_for_a_classifier_go_on_past_success_or_mostly_fail(tmp_path):
    done = record("--env", "reach", "--episodes", "2", "--past-success", "4", folder=tmp_path / "successes")
    assert done.returncode == 0, done.stderr
    for episode in load_dataset(tmp_path / "successes"):
        assert episode.successes[-5]
        assert not episode.successes[:-5].any()
    clumsy = ("--clumsy", "--keep", "all", "--no-end-at-success")
    done = record("--env", "reach", "--episodes", "3", *clumsy, folder=tmp_path / "failures")
    assert done.returncode == 0, done.stderr
    failures = load_dataset(tmp_path / "failures")
    assert {episode.length for episode in failures} == {100}
    assert sum(episode.successes.mean() for episode in failures) < 1.5
