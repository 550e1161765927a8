"""The scripts with the second agent, as people run them."""

import json

import pytest
from toy_script import call_script, run_script, train

from robot_rl.data.episodes import list_episodes
from robot_rl.runs import RunFolder

MODEM = tuple(
    word
    for name, value in {
        "batch-size": 8, "latent-dim": 12, "simnorm-dim": 4, "encoder-dims": 16, "hidden-dims": 16, "num-critics": 2,
        "num-bins": 21, "planner.num-samples": 16, "planner.num-elites": 4, "planner.num-pi-trajs": 4,
        "planner.num-iterations": 1,
    }.items()
    for word in (f"--modem.{name}", str(value))
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run, and what the script said."""
    folder = tmp_path_factory.mktemp("modem")
    return folder, train(folder, "--agent", "modem", *MODEM, run=run_script)


def test_it_trains_end_to_end(finished):
    folder, done = finished
    assert done.returncode == 0, done.stderr
    run = RunFolder.open(folder / "run")
    assert run.summary is not None
    assert (run.summary["agent"], run.summary["env_steps"], run.summary["updates"]) == ("modem", 60, 45)
    assert len(list_episodes(run.path / "demos")) == 3
    for word in ("demonstrator", "clone", "agent", "run/summary.json"):
        assert word in done.stdout


def test_its_policies_are_measured_like_any_other(finished):
    folder, _ = finished
    for policy in ("agent", "clone"):
        done = call_script("evaluate", "run", "--policy", policy, "--episodes", "3", "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["success"]["n"] == 3


def test_it_is_continued(finished):
    folder, _ = finished
    done = train(folder, "--resume", "run", "--env-steps", "70")
    assert done.returncode == 0, done.stderr
    assert RunFolder.open(folder / "run").summary["env_steps"] == 70


def test_without_demonstrations_it_learns_from_random_steps(tmp_path):
    done = train(tmp_path, "--agent", "modem", *MODEM, "--demos.episodes", "0", "--random-steps", "20", "--env-steps", "30")
    assert done.returncode == 0, done.stderr
    assert RunFolder.open(tmp_path / "run").summary["bc_success"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--modem.latent-dim", "13"), "latent_dim 13 is not a multiple of simnorm_dim 4"),
        (("--modem.planner.num-elites", "99"), "num_elites 99 is above num_samples 16"),
        (("--sac.utd-ratio", "2"), "--sac.utd-ratio is an option of --agent sac, and modem learns"),
        (("--modem.planner.within-s", "1e-9"), "planner within_s is 1e-09 s; plan less"),
        (("--task", "toy_env:make_turning", "--demos.folder", "DEMOS"), "action: "),
    ],
)
def test_what_cannot_be_is_told_before_anything_moves(finished, tmp_path, arguments, message):
    demos = str(finished[0] / "run" / "demos")
    done = train(tmp_path, "--agent", "modem", *MODEM, *[demos if word == "DEMOS" else word for word in arguments])
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("run/episodes/*"))
