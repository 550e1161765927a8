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
        env={**os.environ, "PYTHONPATH": str(folder.parent), "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
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
            "unknown environment 'reech' (did you mean 'reach'?); known: peg_insert, pick_lift, reach",
        ),
        (("--env", "reach", "--policy", "scriptd"), "unknown policy 'scriptd'"),
    ],
)
def test_unknown_names_list_what_exists_without_a_traceback(arguments, message, folder):
    done = record(*arguments, folder=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()
