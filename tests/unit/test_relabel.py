"""Laws of labels that are given by hand: they hit the steps that are meant, and nothing is written if one is wrong."""

import json

import numpy as np
import pytest
from toy_frames import episode, write

from demos.relabel import parse_label, read_labels, relabel_by_hand
from robot_rl.data.episodes import load_dataset
from robot_rl.errors import ConfigError


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data", write(tmp_path / "data", [episode(np.linspace(0.0, top, 9)) for top in (0.2, 1.0, 1.0)])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("3=57-60,62", ("3", [(57, 60), (62, 62)])),
        ("-1=57-", ("-1", [(57, None)])),
        ("ecf6a0=", ("ecf6a0", [])),
        ("0= 4 , 6 ", ("0", [(4, 4), (6, 6)])),
    ],
)
def test_labels_are_read_as_people_write_them(text, label):
    assert parse_label(text) == label


@pytest.mark.parametrize("text", ["3", "=4", "3=x", "3=4-5-6", "3=-"])
def test_what_is_no_label_is_told(text):
    with pytest.raises(ConfigError, match="is not EPISODE=STEPS"):
        parse_label(text)


def test_named_episodes_change_and_the_others_are_copied(data, tmp_path):
    folder, names = data
    relabel_by_hand(folder, tmp_path / "new", {"0": [(3, 4)], names[1][-6:]: []}, end_at_success=False, by="ana")
    first, second, third = load_dataset(tmp_path / "new")
    assert np.flatnonzero(first.successes).tolist() == [3, 4]
    assert not second.successes.any()
    assert first.reward.tolist() == first.successes.astype(float).tolist()
    assert first.info.extra["relabelled_by"] == second.info.extra["relabelled_by"] == "ana"
    np.testing.assert_array_equal(third.successes, load_dataset(folder)[2].successes)
    assert third.info.extra == {}


def test_an_episode_ends_at_the_success_that_was_given(data, tmp_path):
    relabel_by_hand(data[0], tmp_path / "new", {"0": [(3, None)]}, end_at_success=True)
    first, second, _ = load_dataset(tmp_path / "new")
    assert (first.length, first.terminated.tolist()) == (4, [False, False, False, True])
    assert second.length == 8


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"0": [(3, 8)]}, "steps 3 to 8 are not in episode .*; it has steps 0 to 7"),
        ({"0": [(5, 4)]}, "steps 5 to 4 are not in"),
        ({"7": []}, "no episode of the 3"),
        ({"0": [], "-3": []}, "is labelled twice"),
        ({}, "nothing to change"),
    ],
)
def test_nothing_is_written_if_one_label_is_wrong(data, tmp_path, labels, message):
    with pytest.raises(ConfigError, match=message):
        relabel_by_hand(data[0], tmp_path / "new", {"1": [], **labels} if labels else {}, end_at_success=True)
    assert not (tmp_path / "new").exists()


def test_a_dataset_is_never_relabelled_in_place(data):
    with pytest.raises(ConfigError, match="holds episodes already"):
        relabel_by_hand(data[0], data[0], {"0": []}, end_at_success=True)


def test_a_file_of_verdicts_will_do(tmp_path):
    (tmp_path / "verdicts.json").write_text(json.dumps({"a": [3, 4], "b": []}))
    assert read_labels(tmp_path / "verdicts.json") == {"a": [(3, 3), (4, 4)], "b": []}
    for wrong in ("[1]", '{"a": 3}', "{"):
        (tmp_path / "verdicts.json").write_text(wrong)
        with pytest.raises(ConfigError, match="must map episode names"):
            read_labels(tmp_path / "verdicts.json")
