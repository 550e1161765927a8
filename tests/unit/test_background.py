"""Laws of writing in the background: nothing is lost or mixed up, nobody waits, and errors come back."""

import errno
import threading

import numpy as np
import pytest

from robot_rl.data import zarr_array
from robot_rl.data.background import BackgroundWriter
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import list_discarded, list_open, load_dataset, recover
from robot_rl.errors import DatasetError
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition

OBS = {"state/x": ArraySpec((1,)), "image/front": ArraySpec((8, 8, 3), "uint8")}
SPEC = EnvSpec("counting", OBS, ActionSpec(("x",)), control_dt=0.25, max_steps=50)
INFO = EpisodeInfo("counting", "demo")


def observe(x):
    return {"state/x": np.array([x], np.float32), "image/front": np.full((8, 8, 3), x % 256, np.uint8)}


def run(writer, first, length, ends=True):
    obs = observe(first)
    writer.begin_episode(INFO)
    for t in range(length):
        next_obs = observe(first + t + 1)
        writer.add(Transition(obs, np.zeros(1, np.float32), float(first + t), next_obs, False, ends and t == length - 1))
        obs = next_obs
    if not ends:
        writer.end_episode()


@pytest.fixture
def background(tmp_path):
    writer = BackgroundWriter(EpisodeWriter(tmp_path, SPEC))
    yield writer
    writer.close()


def test_everything_arrives_in_order(background, tmp_path):
    for first, ends in ((0, True), (100, False), (200, True)):
        run(background, first, 30, ends)
    background.end_episode()
    episodes = load_dataset(tmp_path, SPEC)
    assert background.last_path is not None
    for first, episode in zip((0, 100, 200), episodes, strict=True):
        np.testing.assert_array_equal(episode.obs["state/x"][:, 0], np.arange(first, first + 31))
        np.testing.assert_array_equal(episode.obs["image/front"][:, 0, 0, 0], np.arange(first, first + 31) % 256)
        assert episode.truncated.tolist() == [False] * 29 + [True]


class Gate:
    """Holds a writer's thread up until told."""

    def __init__(self, monkeypatch):
        self.is_open = threading.Event()
        add = EpisodeWriter.add

        def slow_add(writer, transition):
            assert self.is_open.wait(20)
            add(writer, transition)

        monkeypatch.setattr(EpisodeWriter, "add", slow_add)


def test_who_acts_does_not_wait_and_may_use_its_buffers_again(tmp_path, monkeypatch):
    gate = Gate(monkeypatch)
    writer = BackgroundWriter(EpisodeWriter(tmp_path, SPEC))
    obs = observe(0)  # one buffer for all, as drivers have it
    writer.begin_episode(INFO)
    for t in range(20):
        before = {key: value.copy() for key, value in obs.items()}
        obs["state/x"][:] = t + 1
        obs["image/front"][:] = t + 1
        writer.add(Transition(before, np.zeros(1, np.float32), 0.0, dict(obs), False, t == 19))
    assert writer.most_waiting >= 19
    assert load_dataset(tmp_path) == []
    gate.is_open.set()
    writer.close()
    (episode,) = load_dataset(tmp_path, SPEC)
    np.testing.assert_array_equal(episode.obs["image/front"][:, 0, 0, 0], np.arange(21))


def test_memory_is_bounded_by_making_who_acts_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("robot_rl.data.background.MAX_WAITING_STEPS", 4)
    gate = Gate(monkeypatch)
    writer = BackgroundWriter(EpisodeWriter(tmp_path, SPEC))
    actor = threading.Thread(target=run, args=(writer, 0, 20))
    actor.start()
    actor.join(0.2)
    assert actor.is_alive()
    gate.is_open.set()
    actor.join(20)
    writer.close()
    assert writer.most_waiting <= 4
    assert load_dataset(tmp_path, SPEC)[0].length == 20


def test_a_full_disk_comes_out_of_the_next_call_and_complete_episodes_stay(background, tmp_path, monkeypatch):
    run(background, 0, 5)
    background.end_episode()

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(zarr_array, "replace", full)
        with pytest.raises(DatasetError, match="No space left on device; complete episodes are intact"):
            run(background, 100, 200, ends=False)
        background.end_episode()  # as a `finally` would; it is told once
    assert [episode.length for episode in load_dataset(tmp_path, SPEC, on_damage=lambda *_: None)] == [5]
    run(background, 200, 5)
    background.end_episode()
    assert [episode.reward[0] for episode in load_dataset(tmp_path, SPEC, on_damage=lambda *_: None)] == [0, 200]


def test_a_discarded_episode_is_put_aside(background, tmp_path):
    run(background, 0, 5)
    run(background, 100, 5)
    background.discard_episode()
    assert [episode.reward[0] for episode in load_dataset(tmp_path, SPEC)] == [0]
    assert list_discarded(tmp_path) == [background.last_discarded]
    assert background.last_path is None


def test_closing_ends_what_is_open_and_can_be_repeated(tmp_path):
    writer = BackgroundWriter(EpisodeWriter(tmp_path, SPEC))
    writer.begin_episode(INFO)
    writer.add(Transition(observe(0), np.zeros(1, np.float32), 0.0, observe(1), False, False))
    writer.close()
    writer.close()
    assert load_dataset(tmp_path, SPEC)[0].truncated.tolist() == [True]
    assert list_open(tmp_path) == recover(tmp_path) == []
