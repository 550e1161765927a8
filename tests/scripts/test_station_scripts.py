"""Recording, replaying, training and evaluating at a station, by the scripts: the same environment, one robot."""

from __future__ import annotations

import numpy as np
import pytest
from toy_script import SMALL, SMALL_SAC, call_script

from robot_rl.data.episodes import load_dataset
from robot_rl.runs import RunFolder

FILE = """
[robot]
driver = "fake"

[task]
name = "touch"
max_steps = 20

[task.action]
frame = "base"
axes = ["x"]
position_scale_m = 0.05

[task.observation]
arm_quantities = ["position"]
relative = false
gripper = false

[task.reward]
driver = "pose"
options = { part = "arm", position_m = [0.5, 0.0, 0.3] }

[task.reset]
driver = "driven"
options = { position_m = [0.4, 0.0, 0.3], position_noise_m = [0.02, 0.0, 0.0] }
"""
EXPERT = """
import numpy as np

class Expert:
    version = 0
    def begin_episode(self):
        pass
    def act(self, obs, *, explore):
        return np.clip((0.5 - obs["state/arm/position"][:1]) / 0.05, -1, 1).astype(np.float32)

def make(env, seed):
    return Expert()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a station, an expert, and three demonstrations by it."""
    folder = tmp_path_factory.mktemp("station")
    (folder / "lab.toml").write_text(FILE)
    (folder / "station_expert.py").write_text(EXPERT)
    words = ("--env", "station:lab.toml", "--policy", "station_expert:make", "--episodes", "3", "--out", "demos")
    done = call_script("record_demos", *words, cwd=folder)
    assert not done.returncode, done.stderr
    return folder


def test_demonstrations_are_recorded_at_a_station(place):
    episodes = load_dataset(place / "demos")
    assert [episode.success for episode in episodes] == [True] * 3
    assert episodes[0].spec.extra["action/position_scale_m"] == "0.05"


def test_an_episode_is_replayed_at_a_station(place):
    done = call_script("replay_episode", "demos", "0", "--env", "station:lab.toml", "--json", cwd=place)
    assert not done.returncode, done.stderr
    assert '"is_success": true' in done.stdout


def test_a_policy_is_trained_and_evaluated_at_a_station_on_one_robot(place):
    words = [word for word in (*SMALL, *SMALL_SAC) if word not in ("--demos.policy", "toy_env:scripted")]
    words[words.index("--task") + 1] = "station:lab.toml"
    done = call_script("train", *words, "--env.reward", "sparse", "--demos.folder", "demos", "--run-dir", "run", cwd=place)
    assert not done.returncode, done.stderr
    run = RunFolder.open(place / "run")
    assert run.station is not None
    assert run.station.read_text() == FILE
    assert run.summary is not None
    evaluated = call_script("evaluate", "run", "--episodes", "2", "--json", cwd=place)
    assert not evaluated.returncode, evaluated.stderr
    cut = [not episode.success and episode.length < 20 for episode in load_dataset(place / "run" / "episodes")]
    assert np.sum(cut) <= 4  # an evaluation cuts the episode in which it begins, and nothing else does


def test_a_stations_own_device_records(place):
    text = FILE.replace("[task]\n", '[teleop]\ndriver = "scripted"\n\n[task]\n', 1)
    (place / "led.toml").write_text(text)
    words = ("--env", "station:led.toml", "--episodes", "1", "--countdown-s", "0", "--out", "none", "--note", "x")
    assert "note x is not name=value" in call_script("record_demos", *words, cwd=place).stderr
    (place / "gone.toml").write_text(text.replace('"scripted"', '"gamepad:/dev/input/none"'))
    done = call_script("record_demos", "--env", "station:gone.toml", "--out", "none", cwd=place)
    assert done.returncode == 2
    assert "/dev/input/none" in done.stderr
