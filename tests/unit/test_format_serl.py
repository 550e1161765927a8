import collections
import copy
import os
import subprocess
import tracemalloc
from pickle import dumps

import numpy as np
import pytest

from demos.formats.convert import import_dataset
from demos.formats.options import ImportOptions
from demos.formats.safe_pickle import load, plain
from robot_rl.data.episodes import load_dataset
from robot_rl.errors import ConfigError, DatasetError

SAID = ImportOptions(control_dt=0.1, ends="success", success="reward")


def observe(step, stack=True):
    """Observation `step` as SERL's wrappers make it, with an axis of stacked frames in front."""
    obs = {"state": np.array([step, 0.5], np.float64), "wrist": np.full((16, 16, 3), step % 256, np.uint8)}
    return {name: value[None] for name, value in obs.items()} if stack else obs


def transitions(start, length, success=True, **more):
    """An episode whose observations count up from `start`."""
    return [
        copy.deepcopy(
            {
                "observations": observe(start + t),
                "actions": np.array([t / 100, -0.5, 1.0], np.float32),
                "next_observations": observe(start + t + 1),
                "rewards": np.float64(success and t == length - 1),
                "masks": 1.0 - (t == length - 1),
                "dones": bool(t == length - 1),
                **more,
            }
        )
        for t in range(length)
    ]


def write(path, value, protocol=4):
    path.write_bytes(dumps(value, protocol=protocol))
    return path


def converted(source, options=SAID):
    import_dataset("serl", source, source.with_name("back"), options)
    return load_dataset(source.with_name("back"))


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_episodes_come_back_as_they_were_recorded(protocol, tmp_path):
    source = write(tmp_path / "demos.pkl", transitions(0, 5) + transitions(100, 3, success=False), protocol)
    first, second = converted(source)
    assert first.obs["state/state"][:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert first.obs["image/wrist"].shape == (6, 16, 16, 3)
    assert first.obs["image/wrist"][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(first.action, np.array([[t / 100, -0.5, 1.0] for t in range(5)], np.float32))
    assert first.reward.tolist() == [0, 0, 0, 0, 1]
    assert (first.terminated[-1], first.truncated[-1], first.success) == (True, False, True)
    # SERL calls running out of time done as well: without success that is what it was.
    assert (second.terminated[-1], second.truncated[-1], second.success) == (False, True, False)


def test_whether_done_means_the_task_or_the_time_must_be_said(tmp_path):
    with pytest.raises(ConfigError, match=r"--ends terminated\|truncated\|success; what success is"):
        converted(write(tmp_path / "demos.pkl", transitions(0, 5)), ImportOptions(control_dt=0.1))


def test_segments_that_do_not_continue_are_never_spliced(tmp_path):
    """As in SERL's intervention buffer: pieces of episodes one after the other, without a done between them."""
    pieces = transitions(0, 6)[1:4] + transitions(50, 4)[:2] + transitions(200, 3)
    found = converted(write(tmp_path / "demos.pkl", pieces))
    assert [episode.length for episode in found] == [3, 2, 3]
    for episode in found:
        assert np.all(np.diff(episode.obs["state/state"][:, 0]) == 1)
    assert [bool(episode.truncated[-1]) for episode in found] == [True, True, False]


def test_a_change_in_one_image_alone_ends_a_segment(tmp_path):
    recorded = transitions(0, 6)
    for transition in recorded[3:]:
        for name in ("observations", "next_observations"):
            transition[name]["wrist"] = transition[name]["wrist"] + 1
    assert [episode.length for episode in converted(write(tmp_path / "demos.pkl", recorded))] == [3, 3]


def test_a_folder_of_buffers_is_read_in_order_of_steps(tmp_path):
    folder = tmp_path / "buffer"
    folder.mkdir()
    for number in (10000, 2000, 9000):
        write(folder / f"transitions_{number}.pkl", transitions(number, 3))
    found = converted(folder)
    assert [episode.obs["state/state"][0, 0] for episode in found] == [2000, 9000, 10000]


def test_hil_serl_says_who_acted_and_what_succeeded(tmp_path):
    recorded = transitions(0, 4, success=False)
    for t, transition in enumerate(recorded):
        transition["infos"] = {"succeed": t == 3, "grasp_penalty": -0.02}
        if t in (1, 2):
            transition["infos"]["intervene_action"] = np.zeros(3)
    (episode,) = converted(write(tmp_path / "demos.pkl", recorded), ImportOptions(control_dt=0.1, ends="success"))
    assert episode.is_intervention.tolist() == [False, True, True, False]
    assert episode.successes.tolist() == [False, False, False, True]
    assert episode.terminated[-1]


def test_stacked_frames_are_joined_and_nested_entries_flattened(tmp_path):
    recorded = transitions(0, 3)
    for t, transition in enumerate(recorded):
        for name, step in (("observations", t), ("next_observations", t + 1)):
            images = np.stack([np.full((8, 8, 3), step), np.full((8, 8, 3), step + 1)]).astype(np.uint8)
            transition[name] = {"state": {"pose": np.array([[step], [step + 1]])}, "images": {"wrist": images}}
    (episode,) = converted(write(tmp_path / "demos.pkl", recorded))
    assert episode.obs["state/state/pose"].tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert episode.obs["image/images/wrist"].shape == (4, 8, 8, 6)
    assert episode.obs["image/images/wrist"][2, 0, 0].tolist() == [2, 2, 2, 3, 3, 3]


class Attack:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


class Plain:
    """An object of a class, as NEWOBJ makes it."""


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda path: Attack(os.system, f"touch {path}"), "posix.system"),
        (lambda path: Attack(eval, f"open({str(path)!r}, 'w')"), r"(builtins|__builtin__).eval"),
        (lambda path: Attack(subprocess.check_call, ["touch", str(path)]), "(subprocess|commands).check_call"),
        (lambda path: Attack(getattr, "text", "upper"), r"(builtins|__builtin__).getattr"),
        (lambda path: Attack(np.load, str(path)), "numpy.*load"),
        (lambda path: Attack(np.save, str(path), np.zeros(3)), "numpy.*save"),
        (lambda path: Attack(np.memmap, str(path), "uint8", "w+", 0, (4,)), "numpy.*memmap"),
        (lambda path: Plain(), r".*\.Plain"),
    ],
)
def test_code_in_a_pickle_is_named_and_not_run(call, name, protocol, tmp_path):
    recorded = transitions(0, 2)
    recorded[1]["infos"] = {"note": call(tmp_path / "pwned")}
    source = write(tmp_path / "demos.pkl", recorded, protocol)
    with pytest.raises(DatasetError, match=rf"demos\.pkl: names {name}, which is no array and no plain container"):
        converted(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demos.pkl"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x04\x82\x01.", "makes an object"),  # EXT1
        (b"\x80\x02Pname\n.", "makes an object"),  # PERSID
        (b"(cposix\nsystem\n.", "names posix.system"),
        (b"(S'touch pwned'\niposix\nsystem\n.", "makes an object"),  # INST
        (b"\x80\x04}\x94}\x94b.", "gives a dict a state"),  # BUILD of a dict
        (b"\x80\x04cnumpy\ndtype\n}b.", "gives a type a state"),
        (b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n}\x8c\x0b__globals__\x94}sb.", "gives a function a state"),
        (b"\x80\x04cnumpy\ndtype\n)\x81.", "makes an object"),  # NEWOBJ
    ],
)
def test_opcodes_that_make_objects_are_refused(data, message, tmp_path):
    (tmp_path / "demos.pkl").write_bytes(data)
    with pytest.raises(DatasetError, match=rf"demos\.pkl: {message}"):
        load(tmp_path / "demos.pkl")


@pytest.mark.parametrize(
    "value",
    [
        np.array([{"a": 1}, os], dtype=object)[:1],
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array(["text"]),
        np.datetime64("2026-01-01"),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(value, tmp_path):
    recorded = transitions(0, 2)
    recorded[0]["observations"]["odd"] = value
    with pytest.raises(DatasetError, match=r"demos\.pkl"):
        converted(write(tmp_path / "demos.pkl", recorded))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_scalars_and_containers_survive_every_protocol(protocol, tmp_path):
    value = {
        "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "big_endian": np.arange(5, dtype=">i4"),
        "bool": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
        "zero_d": np.array(2.5),
        "scalar": np.float32(1.5),
        "flag": np.bool_(True),
        "nested": collections.OrderedDict(a=[(1, 2.5, None, "x", b"y")]),
        "large": np.random.default_rng(0).integers(0, 255, (300, 400), dtype=np.uint8),
    }
    found = plain(load(write(tmp_path / "value.pkl", value, protocol)))
    assert found.keys() == value.keys()
    for name in ("fortran", "big_endian", "bool", "empty", "zero_d", "large"):
        assert found[name].dtype == value[name].dtype, name
        np.testing.assert_array_equal(found[name], value[name])
    assert (found["scalar"], found["flag"]) == (1.5, True)
    assert bytes(found["nested"]["a"][0][4]) == b"y"
    assert found["nested"]["a"][0][:4] == (1, 2.5, None, "x")


def test_a_file_of_images_is_not_read_into_memory(tmp_path):
    recorded = []
    for t in range(120):
        images = [np.random.default_rng(t + n).integers(0, 255, (1, 128, 128, 3), dtype=np.uint8) for n in (0, 1)]
        steps = transitions(t, 1)[0]
        recorded.append({**steps, "observations": {"wrist": images[0]}, "next_observations": {"wrist": images[1]}})
    source = write(tmp_path / "demos.pkl", recorded)
    del recorded, images, steps
    size = source.stat().st_size
    assert size > 11e6
    tracemalloc.start()
    kept = load(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(kept) == 120
    assert peak < size / 10
    assert not plain(kept[7])["observations"]["wrist"].flags.writeable


def test_a_pickle_that_was_cut_off_is_told(tmp_path):
    source = write(tmp_path / "demos.pkl", transitions(0, 5))
    data = source.read_bytes()
    for length in (len(data) // 3, len(data) - 1, 1, 0):
        source.write_bytes(data[:length])
        with pytest.raises(DatasetError, match=r"demos\.pkl: .*(is cut off|is empty)"):
            converted(source)
    assert [path.name for path in tmp_path.iterdir()] == ["demos.pkl"]


def test_what_is_no_list_of_transitions_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="holds a dict, not a list of transitions"):
        converted(write(tmp_path / "demos.pkl", {"params": np.zeros(3)}))
    wrong = transitions(0, 2)
    del wrong[1]["dones"], wrong[1]["rewards"]
    with pytest.raises(DatasetError, match="transition 1 has no rewards, dones"):
        converted(write(tmp_path / "demos.pkl", wrong))
