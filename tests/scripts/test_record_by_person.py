"""Recording by a person, as the script does it: a lab's own device drives, labels and answers, in real time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from robot_rl.data.episodes import list_discarded, list_open, load_dataset

ROOT = Path(__file__).parents[2]

LAB = '''
import os
import gymnasium as gym, numpy as np
from robot_rl.errors import DeviceError
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import DeviceInput

class Plane(gym.Env):
    """A point that is pushed about, seen by a camera, 50 times a second."""
    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    observation_space = gym.spaces.Dict({})
    ends_at_success = False
    def __init__(self, options):
        size = options.image_size
        obs = {"state/position": ArraySpec((2,)), "image/top": ArraySpec((size, size, 3), "uint8")}
        self.env_spec = EnvSpec("plane", obs, ActionSpec(("x", "y")), 0.02, options.max_steps or 8)
    def reset(self, *, seed=None, options=None):
        self.rng, self.t, self.x = np.random.default_rng(seed), 0, np.zeros(2, np.float32)
        return self.obs(), {"stamp": 0.0}
    def obs(self):
        shape = self.env_spec.obs["image/top"].shape
        return {"state/position": self.x.copy(), "image/top": self.rng.integers(0, 256, shape, dtype=np.uint8)}
    def step(self, action):
        self.t, self.x = self.t + 1, self.x + 0.1 * action
        info = dict(action=action, policy_action=action, is_intervention=False, clamped=False, success=False,
                    true_success=False, stamp=0.02 * self.t, fault="")
        return self.obs(), 0.0, False, self.t == self.env_spec.max_steps, info
    def stop(self): print("held", flush=True)
    def close(self): print("closed", flush=True)
    def render(self): return self.obs()["image/top"]

def make(options): return Plane(options)

class Hand:
    """Pushes right; says what HAND says, one word each SLOW reads (s success, f failure, d discard, q stop, u unplugged)."""
    name = "hand"
    def __init__(self): self.words, self.n = os.environ.get("HAND", ""), 0
    def connect(self): pass
    def close(self): pass
    def read(self):
        self.n += 1
        word = ""
        if self.n % 3 == 0 and self.words:
            word, self.words = self.words[0], self.words[1:]
        if word == "u": raise DeviceError("hand is unplugged")
        events = {"s": "success", "f": "failure", "d": "discard", "q": "stop"}
        said = {events[word]: True} if word in events else {}
        return DeviceInput({"x": 0.5}, is_touched=True, **said)
'''


def command(*arguments, folder):
    return [sys.executable, ROOT / "launch/record_demos.py", "--env", "lab:make", "--teleop", "lab:Hand",
            "--no-end-at-success", "--countdown-s", "0.1", "--out", folder, *map(str, arguments)]  # fmt: skip


def environment(folder, hand):
    path = f"{ROOT}{os.pathsep}{folder.parent}"
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "HAND": hand}


def record(*arguments, folder, hand, **options):
    return subprocess.run(
        command(*arguments, folder=folder), env=environment(folder, hand),
        capture_output=True, text=True, timeout=120, check=False, **options,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lab.py").write_text(LAB)
    return tmp_path / "demos"


def test_a_person_records_successes_and_failures_in_one_sitting_and_another_goes_on(folder):
    # Words come at every third read: during countdowns, episodes and questions alike.
    done = record(
        "--episodes", 2, "--failures", 1, "--note", "operator=ana", "light=evening", folder=folder, hand="  ss  ss  ff"
    )
    assert done.returncode == 0, done.stderr
    episodes, failures = load_dataset(folder), load_dataset(folder.with_name("demos_failures"))
    assert (len(episodes), len(failures)) == (2, 1)
    assert all(episode.success for episode in episodes)
    assert not failures[0].success
    assert {item.info.extra["operator"] for item in (*episodes, *failures)} == {"ana"}
    assert episodes[0].info.extra["teleop"] == "lab:Hand"
    assert episodes[0].is_intervention.any()
    np.testing.assert_allclose(episodes[0].action[episodes[0].is_intervention][:, 0], 0.49, atol=0.03)
    assert "successes" in done.stderr
    assert "2 of 2 wanted" in done.stderr

    done = record("--episodes", 3, "--resume", folder=folder, hand="  ss")
    assert done.returncode == 0, done.stderr
    assert len(load_dataset(folder)) == 3
    assert len({episode.info.seed for episode in load_dataset(folder)}) == 3
    again = record("--episodes", 3, "--resume", folder=folder, hand="")
    assert again.returncode == 0, again.stderr
    assert len(load_dataset(folder)) == 3


def test_an_episode_goes_on_past_the_word_and_the_disk_says_so(folder):
    options = ("--episodes", 1, "--past-success", 3, "--max-steps", 40)
    done = record(*options, folder=folder, hand="  s   s s s s s")
    assert done.returncode == 0, done.stderr
    (episode,) = load_dataset(folder)
    assert episode.successes[-4:].all()
    assert episode.successes.sum() in (3, 4)
    assert not episode.terminated.any()


def test_a_stop_ends_it_and_says_how_to_go_on(folder):
    done = record("--episodes", 5, folder=folder, hand="  ss  q")
    assert done.returncode == 0, done.stderr
    assert "not finished; go on with" in done.stderr
    assert len(load_dataset(folder)) == 1
    assert "held" in done.stdout
    assert done.stdout.rstrip().endswith("closed")


def test_a_device_that_is_unplugged_ends_it_with_a_sentence(folder):
    done = record("--episodes", 5, folder=folder, hand="  ss  u")
    assert done.returncode == 2
    assert "hand is unplugged" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(load_dataset(folder)) == 1


def test_a_full_disk_is_told_the_robot_holds_and_what_was_complete_is_there(folder):
    # 40 steps of 300x300 noise as they are take 11 MB; a file may have 3 MB, so the third second's chunk is refused.
    options = ("--episodes", 5, "--max-steps", 400, "--image-size", 300, "--images", "lossless")
    limit = 3_000_000
    assert record("--episodes", 1, "--max-steps", 5, *options[4:], folder=folder, hand="  ss").returncode == 0
    script = f"ulimit -f {limit // 1024}; trap '' XFSZ; exec \"$@\""
    words = ["bash", "-c", script, "bash", *map(str, command(*options, folder=folder))]
    done = subprocess.run(words, env=environment(folder, ""), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot write episode" in done.stderr
    assert "complete episodes are intact" in done.stderr
    assert "Traceback" not in done.stderr
    assert "held" in done.stdout
    assert len(load_dataset(folder, on_damage=lambda *_: None)) == 1


def test_ctrl_c_and_a_kill_lose_nothing_that_was_complete(folder):
    def is_recording_the_next(before):
        is_open = any((path / "zarr.json").exists() for path in list_open(folder))
        return is_open and len(load_dataset(folder, on_damage=lambda *_: None)) > before

    def run_until_recording(signal_number):
        words = command("--episodes", 5, "--max-steps", 2000, folder=folder)
        process = subprocess.Popen(words, env=environment(folder, "  ss"), stdout=-1, stderr=-1, text=True)
        limit = time.monotonic() + 60
        before = len(load_dataset(folder, on_damage=lambda *_: None))
        while time.monotonic() < limit and not is_recording_the_next(before):
            time.sleep(0.05)
        process.send_signal(signal_number)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    status, out, err = run_until_recording(signal.SIGINT)
    assert status == 0, err
    assert "interrupted; what was complete is kept" in err
    assert "held" in out
    assert len(load_dataset(folder)) == 1
    assert len(list_discarded(folder)) == 1

    run_until_recording(signal.SIGKILL)
    assert len(list_open(folder)) == 1
    done = record("--episodes", 2, "--resume", folder=folder, hand="")
    assert done.returncode == 0, done.stderr
    assert "put 1 without aside" in done.stderr
    assert len(load_dataset(folder)) == 2
    assert len(list_discarded(folder)) == 2


def test_big_pictures_become_jpeg_and_it_is_said(folder):
    options = ("--episodes", 1, "--image-size", 300)
    done = record(*options, folder=folder, hand="  ss")
    assert done.returncode == 0, done.stderr
    assert "pictures of top are stored as JPEG of quality 90" in done.stderr
    small = record("--episodes", 1, folder=folder.with_name("small"), hand="  ss")
    assert "JPEG" not in small.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--note", "ana"), "note ana is not name=value"),
        (("--countdown-s", "-1"), "countdown_s -1 is not in 0..60 s"),
        (("--failures", "-1"), "failures -1"),
        (("--jpeg-quality", "99"), "jpeg_quality 99 is not in 1..95"),
        (("--teleop", "joystik"), "unknown input device 'joystik'"),
        (("--teleop", "scripted", "--failures", "3"), "failures 3 are what a person records"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_recorded(arguments, message, folder):
    done = record(*arguments, folder=folder, hand="")
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not folder.exists()
