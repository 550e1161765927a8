"""Deploying by the scripts: a policy is exported, checked against a station, run, counted, and compared blindly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from toy_policy import saved_run, toy_policy
from toy_script import LAUNCH, call_script

from robot_rl.data.episodes import load_dataset
from robot_rl.envs.factory import make_env

FILE = """
[robot]
driver = "fake"

[task]
name = "touch"
max_steps = 6

[task.action]
frame = "base"
axes = ["x", "y"]

[task.observation]
arm_quantities = ["position"]
relative = false

[task.reward]
driver = "pose"
options = { part = "arm", position_m = [0.5, 0.0, 0.3], position_tolerance_m = 0.08 }

[task.reset]
driver = "driven"
options = { position_m = [0.4, 0.0, 0.3] }
"""
TRAINING = (
    "robot_rl.training", "robot_rl.agents.sac", "robot_rl.agents.bc", "robot_rl.data.replay", "robot_rl.data.mixture",
    "robot_rl.nn.goal_fitting", "robot_rl.nn.optimizer", "robot_rl.rewards.training", "tensorboard", "matplotlib",
)  # fmt: skip
TELLS_MODULES = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, {launch!r})
{before}
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("MODULES", *sorted(sys.modules))
"""
NO_TORCH = """
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "mujoco", "onnxscript"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoTorch())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "torch" else found(name, package)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a station, two runs, episodes of the first, and a bundle of it."""
    folder = tmp_path_factory.mktemp("deploy")
    (folder / "lab.toml").write_text(FILE)
    spec = make_env(f"station:{folder / 'lab.toml'}").env_spec
    saved_run(folder / "first", toy_policy(spec, seed=0))
    saved_run(folder / "second", toy_policy(spec, seed=1))
    done = deploy(folder, "first", "--episodes", 3, "--out", "seen")
    assert not done.returncode, done.stderr
    done = call_script("export", "first", "--out", "bundle", "--observations", "seen/episodes", cwd=folder)
    assert not done.returncode, done.stderr
    return folder


def deploy(folder, bundle, *words):
    return call_script("deploy", bundle, "--station", "lab.toml", *words, cwd=folder)


def in_process(folder, before, *words):
    """Run deploy.py in a process of its own, and return it with the modules that were imported."""
    code = TELLS_MODULES.format(launch=str(LAUNCH), before=before)
    done = subprocess.run(
        [sys.executable, "-c", code, str(LAUNCH / "deploy.py"), *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(LAUNCH.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    output, _, modules = done.stdout.partition("MODULES ")
    return done, output, modules.split()


def test_a_run_is_deployed_logged_and_counted(place):
    results = json.loads((place / "seen" / "results.json").read_text())
    (policy,) = results["policies"]
    assert policy["success"]["n"] == 3
    assert policy["success"]["low"] <= policy["success"]["k"] / 3 <= policy["success"]["high"]
    assert policy["worst_period_s"]["worst"] == pytest.approx(0.1)
    episodes = load_dataset(place / "seen" / "episodes")
    assert [episode.success for episode in episodes].count(True) == policy["success"]["k"]
    acted = toy_policy(episodes[0].spec, seed=0)
    for step in range(episodes[0].length):
        obs = {key: np.array(rows[step]) for key, rows in episodes[0].obs.items()}
        np.testing.assert_allclose(acted.act(obs, explore=False), episodes[0].action[step], atol=1e-6)


def test_a_bundle_says_how_it_was_verified_and_runs(place):
    about = json.loads((place / "bundle" / "bundle.json").read_text())
    assert max(about["largest_difference"].values()) < 1e-4
    assert set(about["files"]) == {"policy.safetensors", "policy.onnx", "policy.pt2", "check.npz"}
    done = deploy(place, "bundle", "--runtime", "onnx", "--episodes", 3, "--out", "onnx")
    assert not done.returncode, done.stderr
    results = [json.loads((place / name / "results.json").read_text())["policies"][0]["success"] for name in ("seen", "onnx")]
    assert results[0] == results[1]  # as good as the policy it was made of


def test_nothing_that_trains_is_imported(place):
    done, output, modules = in_process(place, "", "bundle", "--station", "lab.toml", "--episodes", 1, "--out", "alone")
    assert "1" in output, done.stderr
    assert "torch" in modules
    assert [name for name in modules if name.startswith(TRAINING) and name != "robot_rl.agents.sac_policy"
            and name != "robot_rl.agents.sac_config"] == []  # fmt: skip


def test_a_machine_without_torch_runs_a_bundle(place):
    words = ("bundle", "--station", "lab.toml", "--episodes", 2, "--out", "bare")
    done, _, modules = in_process(place, NO_TORCH, *words)
    assert (place / "bare" / "results.json").exists(), done.stderr
    assert json.loads((place / "bare" / "results.json").read_text())["policies"][0]["success"]["n"] == 2
    assert not {"torch", "mujoco"} & set(modules)
    assert len(load_dataset(place / "bare" / "episodes")) == 2


def test_two_are_compared_and_nobody_knows_who_acts(place):
    done = deploy(place, "bundle", "--against", "second", "--episodes", 3, "--out", "blind")
    assert not done.returncode, done.stderr
    during = done.stderr[done.stderr.index("episode 1 of 6") :]
    assert "bundle" not in during
    assert "second" not in during
    results = json.loads((place / "blind" / "results.json").read_text())
    assert sorted(results["order"]) == ["bundle"] * 3 + ["second"] * 3
    assert "p = " in done.stdout
    episodes = sorted(load_dataset(place / "blind" / "episodes"), key=lambda episode: episode.info.extra["trial"])
    assert all(set(episode.info.extra) == {"trial", "order_seed"} for episode in episodes)
    policies = {"bundle": toy_policy(episodes[0].spec, seed=0), "second": toy_policy(episodes[0].spec, seed=1)}
    for name, episode in zip(results["order"], episodes, strict=True):
        obs = {key: np.array(rows[0]) for key, rows in episode.obs.items()}
        np.testing.assert_allclose(policies[name].act(obs, explore=False), episode.action[0], atol=1e-4)
    starts = [episode.info.seed for episode in episodes]
    assert starts[0::2] == starts[1::2]


def test_two_of_the_same_name_are_told_apart(place):
    (place / "elsewhere").mkdir()
    shutil.copytree(place / "bundle", place / "elsewhere" / "bundle")
    done = deploy(place, "bundle", "--against", "elsewhere/bundle", "--episodes", 1, "--out", "same_name")
    assert not done.returncode, done.stderr
    assert sorted(json.loads((place / "same_name" / "results.json").read_text())["order"]) == ["A: bundle", "B: bundle"]
    assert "is the same policy" in deploy(place, "bundle", "--against", "bundle").stderr


def test_a_policy_that_was_measured_with_the_reflex_asks_for_it(place):
    shutil.copytree(place / "first", place / "regrasps")
    (place / "regrasps" / "config.json").write_text('{"task": "pick_lift", "evaluation": {"regrasp": true}}')
    done = deploy(place, "regrasps", "--check")
    assert done.returncode == 2
    assert "[task.action] does not say empty_opening" in done.stderr
    assert "all fits" in deploy(place, "regrasps", "--check", "--regrasp", "False").stderr
    done = deploy(place, "bundle", "--against", "regrasps", "--check")
    assert done.returncode == 2
    assert "say --regrasp True or False" in done.stderr
    grasping = FILE.replace('axes = ["x", "y"]', 'axes = ["x", "y", "z"]\ngripper = "continuous"\nempty_opening = 0.4')
    (place / "grasping.toml").write_text(grasping)
    saved_run(place / "grasps", toy_policy(make_env(f"station:{place / 'grasping.toml'}").env_spec, seed=0))
    shutil.copy(place / "regrasps" / "config.json", place / "grasps" / "config.json")
    done = call_script("deploy", "grasps", "--station", "grasping.toml", "--check", cwd=place)
    assert "opens, goes up and may try again" in done.stderr, done.stderr


def test_where_it_writes_is_looked_at_before_anything_moves(place):
    (place / "file").write_text("")
    for out in ("first", "file"):
        done = deploy(place, "bundle", "--out", out)
        assert done.returncode == 2
        assert f"--out {out} " in done.stderr
        assert "resetting" not in done.stderr
    assert not (place / "first" / "results.json").exists()


def test_an_old_calibration_is_told(place):
    (place / "old.toml").write_text(FILE + "[calibration]\ndate = 2020-01-01\n")
    done = call_script("deploy", "bundle", "--station", "old.toml", "--check", cwd=place)
    assert "days old; at most 90 days" in done.stderr


def test_what_does_not_fit_is_told_before_anything_is_connected(place):
    (place / "other.toml").write_text(FILE.replace('axes = ["x", "y"]', 'axes = ["x", "y"]\nposition_scale_m = 0.05'))
    words = ("--station", "other.toml", "--out", "none")
    done = call_script("deploy", "bundle", *words, cwd=place)
    assert done.returncode == 2
    assert "does not fit other.toml, and nothing was moved: action/position_scale_m was '0.02', here '0.05'" in done.stderr
    assert not (place / "none").exists()
    assert "all fits; nothing was connected" in deploy(place, "bundle", "--check").stderr
    assert "holds no policy" in deploy(place, "nowhere").stderr
    assert "exists already; give a new folder" in call_script("export", "first", "--out", "bundle", cwd=place).stderr
    assert "no readable episode" in call_script("export", "first", "--out", "b2", cwd=place).stderr


def test_a_camera_that_fails_is_counted_apart_and_ends_a_trial_that_cannot_begin(place):
    text = FILE.replace('driver = "fake"', 'driver = "toy_faulty:Faulty"', 1)
    (place / "faulty.toml").write_text(text)
    (place / "toy_faulty.py").write_text(
        "from hardware.fake import FakeRobot\n"
        "class Faulty(FakeRobot):\n"
        "    def command(self, command):\n"
        "        if len(self.sent) > 25:\n"
        "            self.fail_next('command', 'the cable is out')\n"
        "        return super().command(command)\n"
    )
    done = call_script("deploy", "bundle", "--station", "faulty.toml", "--episodes", 9, "--out", "cut", cwd=place)
    assert done.returncode == 2
    assert "the cable is out" in done.stderr
    results = json.loads((place / "cut" / "results.json").read_text())
    assert results["policies"][0]["success"]["faults"] >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_holds_the_robot_and_keeps_what_was_complete(place, number):
    (place / "toy_held.py").write_text(
        "from pathlib import Path\n"
        "from hardware.clock import WallClock\n"
        "from hardware.fake import FakeRobot\n"
        "class Held(FakeRobot):\n"
        "    def __init__(self):\n"
        "        super().__init__(WallClock())\n"
        "    def stop(self):\n"
        "        super().stop()\n"
        "        Path('held').write_text(f'{len(self.sent)}')\n"
    )
    (place / "held.toml").write_text(FILE.replace('driver = "fake"', 'driver = "toy_held:Held"', 1))
    words = ("bundle", "--station", "held.toml", "--episodes", "99", "--max-steps", "50", "--out", f"ended{number}")
    with subprocess.Popen(
        [sys.executable, str(LAUNCH / "deploy.py"), *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(LAUNCH.parent), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # tests under nohup ignore one, and so would the script
    ) as process:  # fmt: skip
        said = ""
        while "episode 2 of" not in said:  # one is complete
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "stopped; the robot is held, what was complete is kept" in said + rest
    (place / "held").unlink()
    assert json.loads((place / f"ended{number}" / "results.json").read_text())["policies"][0]["success"]["n"] == 1
