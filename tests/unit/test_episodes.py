"""Laws of the episode store: what was complete stays, a crash costs a second, damage is named and the rest loads."""

import errno
import json
import logging

import numpy as np
import pytest
import zarr

from robot_rl.data import episode_writer, zarr_array
from robot_rl.data.episode_writer import DISCARDED_PREFIX, EpisodeWriter
from robot_rl.data.episodes import list_discarded, list_episodes, list_open, load_dataset, read_episode, recover
from robot_rl.data.replay import ReplayBuffer
from robot_rl.errors import DatasetError, SpecMismatch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition

OBS = {"state/arm/tcp": ArraySpec((3,)), "image/front": ArraySpec((8, 8, 3), "uint8")}
SPEC = EnvSpec("counting", OBS, ActionSpec(("x", "gripper"), (1,)), control_dt=0.25, max_steps=50, extra={"a": "b"})
INFO = EpisodeInfo("counting", "demo", 7, {"operator": "ana", "trial": 3})


class FakeTime:
    """Seconds that pass when told."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def observe(x):
    return {
        "state/arm/tcp": np.array([x, -x, 0.5], np.float32),
        "image/front": np.full((8, 8, 3), x % 256, np.uint8),
    }


def step(x, *, terminated=False, truncated=False):
    return Transition(
        observe(x), np.array([x / 1000, 1.0], np.float32), float(x), observe(x + 1), terminated, truncated,
        success=terminated, policy_action=np.array([-x / 1000, 0.0], np.float32), is_intervention=x % 2 == 0,
        clamped=x % 3 == 0, policy_version=x, stamp=1e9 + 0.25 * x,
    )  # fmt: skip


def write(folder, first, length, **ends):
    writer = EpisodeWriter(folder, SPEC)
    writer.begin_episode(INFO)
    for t in range(length):
        writer.add(step(first + t, **(ends if t == length - 1 else {})))
    writer.end_episode()
    return writer.last_path


def first_states(episodes):
    return [int(episode.obs["state/arm/tcp"][0, 0]) for episode in episodes]


@pytest.mark.parametrize("length", [1, 3, 4, 5, 50, 120])  # around chunks of one second, and longer than max_steps
def test_an_episode_comes_back_as_it_was(tmp_path, length):
    episode = read_episode(write(tmp_path, 100, length, terminated=True))
    assert episode.spec == SPEC
    assert episode.info == INFO
    assert episode.length == length
    assert episode.success
    for t, found in enumerate(episode.transitions()):
        wanted = step(100 + t, terminated=t == length - 1)
        for key in OBS:
            np.testing.assert_array_equal(found.obs[key], wanted.obs[key])
            np.testing.assert_array_equal(found.next_obs[key], wanted.next_obs[key])
        np.testing.assert_array_equal(found.action, wanted.action)
        np.testing.assert_array_equal(found.policy_action, wanted.policy_action)


@pytest.mark.parametrize("length", [3, 50, 51, 120])
def test_an_episode_that_did_not_end_is_closed_as_truncated(tmp_path, length):
    episode = read_episode(write(tmp_path, 0, length))
    assert episode.truncated.tolist() == [False] * (length - 1) + [True]
    assert not episode.terminated.any()


def test_beginning_anew_closes_the_open_episode(tmp_path):
    writer = EpisodeWriter(tmp_path, SPEC)
    for first in (100, 200):
        writer.begin_episode(INFO)
        writer.add(step(first))
    writer.end_episode()
    writer.end_episode()
    assert first_states(load_dataset(tmp_path)) == [100, 200]


def test_the_zarr_library_reads_it(tmp_path):
    group = zarr.open_group(write(tmp_path, 0, 6, truncated=True), mode="r")
    np.testing.assert_array_equal(group["obs/state/arm/tcp"][:, 0], np.arange(7))
    np.testing.assert_array_equal(group["obs/image/front"][:, 0, 0, 0], np.arange(7))
    np.testing.assert_array_equal(group["truncated"][:], [0, 0, 0, 0, 0, 1])
    assert group["stamp"].dtype == np.float64
    assert sorted(group["obs"].group_keys()) == ["image", "state"]
    assert group.attrs["num_steps"] == 6


def test_edits_made_with_the_zarr_library_are_read(tmp_path):
    path = write(tmp_path, 0, 6, truncated=True)
    group = zarr.open_group(path, mode="r+")
    group["reward"][:] = np.arange(6) * 10.0  # in our files
    group.create_array("action", data=np.full((6, 2), 0.25, np.float32), overwrite=True)  # with its own codecs
    episode = read_episode(path)
    np.testing.assert_array_equal(episode.reward, np.arange(6) * 10.0)
    np.testing.assert_array_equal(episode.action, np.full((6, 2), 0.25))


def test_names_sort_in_order_of_time_even_if_the_clock_is_set_back(tmp_path, monkeypatch):
    nanoseconds = iter([5_000, 3_000, 3_000, 9_000])
    monkeypatch.setattr(episode_writer.time, "time_ns", lambda: next(nanoseconds))
    writer = EpisodeWriter(tmp_path, SPEC)
    for first in range(4):
        writer.begin_episode(INFO)
        writer.add(step(first))
    writer.end_episode()
    assert first_states(load_dataset(tmp_path)) == [0, 1, 2, 3]


def test_nothing_is_on_disk_before_a_step_and_no_episode_is_visible_before_its_end(tmp_path):
    now = FakeTime()
    writer = EpisodeWriter(tmp_path / "data", SPEC, now=now)
    writer.begin_episode(INFO)
    assert not (tmp_path / "data").exists()
    for t in range(20):
        now.seconds += 0.25
        writer.add(step(t))
        assert list_episodes(tmp_path / "data") == []
    writer.end_episode()
    assert list_episodes(tmp_path / "data") == [writer.last_path]
    assert list_open(tmp_path / "data") == []


@pytest.mark.parametrize("length", [1, 6, 60])
def test_a_discarded_episode_is_in_no_dataset_but_can_be_brought_back(tmp_path, length):
    now = FakeTime()
    writer = EpisodeWriter(tmp_path, SPEC, now=now)
    kept = write(tmp_path, 100, 3)
    writer.begin_episode(INFO)
    for t in range(length):
        writer.add(step(200 + t))
        now.seconds += 0.25
    writer.discard_episode()
    assert list_episodes(tmp_path) == [kept]
    assert first_states(load_dataset(tmp_path)) == [100]
    assert writer.last_path is None
    assert recover(tmp_path) == []  # nor does recovery bring it back
    (discarded,) = list_discarded(tmp_path)
    back = discarded.rename(tmp_path / discarded.name.removeprefix(DISCARDED_PREFIX))
    assert read_episode(back).length == length
    assert first_states(load_dataset(tmp_path)) == [100, 200]


@pytest.mark.parametrize("ends", [{}, {"truncated": True}, {"terminated": True}])
def test_an_episode_that_has_just_ended_can_be_discarded_too_and_only_that(tmp_path, ends):
    write(tmp_path, 100, 3)
    writer = EpisodeWriter(tmp_path, SPEC)
    writer.begin_episode(INFO)
    writer.add(step(200, **ends))
    writer.end_episode()
    for _ in range(2):
        writer.discard_episode()
        assert (first_states(load_dataset(tmp_path)), len(list_discarded(tmp_path))) == ([100], 1)


def test_discarding_without_a_step_does_nothing(tmp_path):
    writer = EpisodeWriter(tmp_path, SPEC)
    writer.discard_episode()
    writer.begin_episode(INFO)
    writer.add(step(100))
    writer.begin_episode(INFO)
    writer.discard_episode()
    assert (first_states(load_dataset(tmp_path)), list_discarded(tmp_path)) == ([100], [])


def test_a_writer_goes_on_after_a_discarded_episode(tmp_path):
    writer = EpisodeWriter(tmp_path, SPEC)
    for first in (100, 200, 300):
        writer.begin_episode(INFO)
        writer.add(step(first))
        writer.end_episode() if first != 200 else writer.discard_episode()
    assert first_states(load_dataset(tmp_path)) == [100, 300]
    assert len(list_discarded(tmp_path)) == 1


@pytest.mark.parametrize("length", [2, 7, 8, 60])
def test_a_crash_costs_one_second_at_most(tmp_path, length):
    now = FakeTime()
    writer = EpisodeWriter(tmp_path, SPEC, now=now)
    writer.begin_episode(INFO)
    for t in range(length):
        writer.add(step(t))
        now.seconds += 0.25
    del writer  # as a killed process would: nothing is closed
    assert recover(tmp_path) == list_episodes(tmp_path)
    assert list_open(tmp_path) == []
    episodes = load_dataset(tmp_path, SPEC)
    kept = episodes[0].length if episodes else 0
    assert length - kept <= 4
    if kept:
        np.testing.assert_array_equal(episodes[0].obs["state/arm/tcp"][:, 0], np.arange(kept + 1))
        np.testing.assert_array_equal(episodes[0].obs["image/front"][:, 0, 0, 0], np.arange(kept + 1))
        assert episodes[0].truncated.tolist() == [False] * (kept - 1) + [True]


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_crash_anywhere_in_a_flush_leaves_the_flush_before(tmp_path, monkeypatch):
    replace = zarr_array.replace
    for deadline in range(1, 40, 3):  # the number of files written before the end
        folder, written = tmp_path / str(deadline), []

        def dying_replace(path, data, written=written, deadline=deadline):
            if len(written) >= deadline:
                raise Killed
            written.append(path)
            replace(path, data)

        now = FakeTime()
        writer = EpisodeWriter(folder, SPEC, now=now)
        writer.begin_episode(INFO)
        writer.add(step(0))
        now.seconds = 1.0
        writer.add(step(1))  # flushes two steps
        with monkeypatch.context() as patched:
            patched.setattr(zarr_array, "replace", dying_replace)
            try:
                for t in range(2, 7):
                    now.seconds += 0.25
                    writer.add(step(t))
            except Killed:
                pass
        recover(folder)
        (episode,) = load_dataset(folder, SPEC)
        assert episode.length in (2, 6)
        np.testing.assert_array_equal(episode.obs["image/front"][:, 0, 0, 0], np.arange(episode.length + 1))
        np.testing.assert_array_equal(episode.reward, np.arange(episode.length))
        assert episode.truncated.tolist() == [False] * (episode.length - 1) + [True]


def test_an_open_episode_without_a_step_is_removed_and_said_so(tmp_path, caplog):
    (tmp_path / ".open-20260101" / "action").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        assert recover(tmp_path) == []
    assert ".open-20260101" in caplog.text
    assert list(tmp_path.iterdir()) == []


def flip_a_byte(path):
    file = path / "obs" / "image" / "front" / "c.0.0.0.0"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut_a_file(path):
    file = path / "action" / "c.0.0"
    file.write_bytes(file.read_bytes()[:-7])


def remove_a_file(path):
    (path / "reward" / "c.0").unlink()


def remove_an_array(path):
    (path / "stamp" / "zarr.json").unlink()


def spoil_the_attributes(path):
    (path / "zarr.json").write_text('{"zarr_format": 3, "attr')


def future_version(path):
    data = json.loads((path / "zarr.json").read_text())
    data["attributes"]["format_version"] = 99
    (path / "zarr.json").write_text(json.dumps(data))


DAMAGES = {
    flip_a_byte: "checksum",
    cut_a_file: "checksum",
    remove_a_file: "No such file",
    remove_an_array: "No such file",
    spoil_the_attributes: "not JSON",
    future_version: "version is 99; this release reads 1",
}


@pytest.mark.parametrize(("damage", "cause"), DAMAGES.items())
def test_a_damaged_episode_is_skipped_with_its_name_and_cause_and_the_rest_loads(tmp_path, caplog, damage, cause):
    paths = [write(tmp_path, first, 4, truncated=True) for first in (0, 100, 200)]
    damage(paths[1])
    with caplog.at_level(logging.WARNING):
        episodes = load_dataset(tmp_path, SPEC)
    assert first_states(episodes) == [0, 200]
    assert paths[1].name in caplog.text
    assert cause in caplog.text


def test_a_half_written_episode_is_skipped_and_named(tmp_path):
    write(tmp_path, 0, 4, truncated=True)
    now = FakeTime()
    writer = EpisodeWriter(tmp_path, SPEC, now=now)
    writer.begin_episode(INFO)
    for t in range(8):
        now.seconds += 0.25
        writer.add(step(t))
    damaged = []
    assert len(load_dataset(tmp_path, SPEC, on_damage=lambda path, error: damaged.append((path.name, str(error))))) == 1
    ((name, message),) = damaged
    assert name.startswith(".open-")
    assert "half-written" in message


def test_another_spec_is_refused_showing_both(tmp_path):
    write(tmp_path, 0, 4, truncated=True)
    wanted = EnvSpec("other", {**OBS, "state/arm/tcp": ArraySpec((6,))}, SPEC.action, 0.25, 50)
    with pytest.raises(SpecMismatch, match=r"'state/arm/tcp': float32 \[3\] instead of float32 \[6\]"):
        load_dataset(tmp_path, wanted)
    with pytest.raises(SpecMismatch, match=r"control_dt: 0.25 s instead of 0.1 s"):
        load_dataset(tmp_path, EnvSpec("counting", OBS, SPEC.action, 0.1, 50))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": float("nan")}, "reward is nan"),
        ({"action": np.array([np.inf, 0.0], np.float32)}, "action is not finite"),
        ({"action": np.zeros(3, np.float32)}, r"action has shape \[3\]"),
        ({"next_obs": {"state/arm/tcp": np.zeros(3, np.float32)}}, r"missing \['image/front'\]"),
        (
            {"next_obs": {**observe(0), "image/front": np.zeros((8, 8, 3), np.float32)}},
            "is float32; its spec says uint8",
        ),
    ],
)
def test_a_bad_step_is_refused_and_leaves_the_episode_whole(tmp_path, change, message):
    writer = EpisodeWriter(tmp_path, SPEC)
    writer.begin_episode(INFO)
    writer.add(step(0))
    good = {name: getattr(step(1), name) for name in ("obs", "action", "reward", "next_obs", "terminated", "truncated")}
    with pytest.raises(DatasetError, match=message):
        writer.add(Transition(**{**good, **change}))
    writer.add(step(1, terminated=True))
    (episode,) = load_dataset(tmp_path, SPEC)
    np.testing.assert_array_equal(episode.obs["state/arm/tcp"][:, 0], [0, 1, 2])
    with pytest.raises(DatasetError, match="outside an episode"):
        writer.add(step(2))


def test_a_bad_first_observation_is_refused(tmp_path):
    writer = EpisodeWriter(tmp_path, SPEC)
    writer.begin_episode(INFO)
    bad_obs = {**observe(0), "state/arm/tcp": np.array([0, np.nan, 0], np.float32)}
    with pytest.raises(DatasetError, match="obs 'state/arm/tcp' is not finite"):
        writer.add(Transition(bad_obs, np.zeros(2, np.float32), 0.0, observe(1), False, False))
    writer.end_episode()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_complete_episodes_stay(tmp_path, monkeypatch):
    write(tmp_path, 0, 4, truncated=True)

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(zarr_array, "replace", full)
        writer = EpisodeWriter(tmp_path, SPEC)
        writer.begin_episode(INFO)
        writer.add(step(100))
        with pytest.raises(DatasetError, match="No space left on device; complete episodes are intact"):
            writer.end_episode()
        writer.end_episode()  # as a `finally` would
    assert first_states(load_dataset(tmp_path, SPEC, on_damage=lambda path, error: None)) == [0]
    writer.begin_episode(INFO)
    writer.add(step(200))
    writer.end_episode()
    assert first_states(load_dataset(tmp_path, SPEC, on_damage=lambda path, error: None)) == [0, 200]


def test_replay_takes_a_loaded_episode(tmp_path):
    buffer = ReplayBuffer(SPEC, 50, seed=0)
    buffer.add_episode(read_episode(write(tmp_path, 0, 6, terminated=True)))
    assert len(buffer) == buffer.num_starts(1) == 6
    assert buffer.num_starts(6) == 1
