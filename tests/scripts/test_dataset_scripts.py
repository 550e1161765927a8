"""`inspect_demos`, `replay_episode` and `relabel_demos` as people run them, on what `record_demos` wrote."""

import json

import numpy as np
import pytest
from toy_frames import episode, recordings, write
from toy_script import call_script, run_script

from robot_rl.data.episodes import list_episodes, load_dataset


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with three scripted demonstrations of reaching, seen by a camera."""
    folder = tmp_path_factory.mktemp("work")
    options = ("--env", "reach", "--cameras", "front", "--image-size", "32", "--note", "operator=ana")
    done = run_script("record_demos", *options, "--episodes", "3", "--out", "data", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_dataset_is_shown_with_its_notes_and_drawn(work):
    done = run_script("inspect_demos", "data", "--filmstrip", "strip.png", "--moments", "4", cwd=work)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "no defects found" in done.stdout
    assert "operator=ana: 0, 1, 2" in done.stdout
    assert "cameras: front" in done.stdout
    assert (work / "strip.png").read_bytes().startswith(b"\x89PNG")
    answer = json.loads(call_script("inspect_demos", "data", "--json", "--only", "-1", cwd=work).stdout)
    (shown,) = answer["episodes"]
    assert (shown["number"], shown["name"], shown["success"]) == (2, list_episodes(work / "data")[2].name, True)
    assert answer["leftovers"] == {"half_written": [], "discarded": []}


def test_defects_are_listed_and_make_the_status_1(tmp_path):
    still = episode([0.5] * 40)
    write(tmp_path / "data", [episode(np.linspace(0.0, 1.0, 40)), still])
    done = call_script("inspect_demos", "data", cwd=tmp_path)
    assert done.returncode == 1
    assert "static" in done.stdout
    assert "nothing moves in 3.9 s" in done.stdout
    assert call_script("inspect_demos", "data", "--no-defects", cwd=tmp_path).returncode == 0


def test_a_demonstration_plays_again_to_the_bit_in_simulation(work):
    done = run_script("replay_episode", "data", "1", "--json", cwd=work)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["played"] == report["steps"] == load_dataset(work / "data")[1].length
    assert report["was_success"]
    assert report["is_success"]
    assert max(deviation["largest"] for deviation in report["deviations"]) < 1e-6
    table = call_script("replay_episode", "data", "-1", cwd=work)
    assert table.returncode == 0, table.stderr
    assert "success then, success now" in " ".join(table.stdout.split())


def test_labels_by_hand_go_into_a_copy(work, tmp_path):
    out = tmp_path / "again"
    done = run_script("relabel_demos", "data", str(out), "--success", "0=", "1=3-4", "--by", "ana", cwd=work)
    assert done.returncode == 0, done.stderr
    first, second, third = load_dataset(out)
    assert not first.success
    assert (second.length, second.successes.tolist()) == (4, [False] * 3 + [True])
    assert third.success
    assert second.info.extra == {"operator": "ana", "relabelled_by": "ana"}
    assert all(item.success for item in load_dataset(work / "data"))
    refused = call_script("relabel_demos", "data", str(out), "--success", "0=", cwd=work)
    assert refused.returncode == 2
    assert "holds episodes already" in refused.stderr


def test_a_classifier_labels_a_copy(tmp_path):
    write(tmp_path / "data", recordings(9))
    small = (
        "--backbone.num-blocks", "1", "--backbone.no-pretrained", "--backbone.precision", "float32", "--steps", "60",
        "--batch-size", "32", "--folds", "3", "--crop-pad-px", "1", "--max-false-positive-rate", "0.02",
    )  # fmt: skip
    assert call_script("train_reward", "data", "--out", "rising", *small, cwd=tmp_path).returncode == 0
    done = call_script("relabel_demos", "data", "new", "--classifier", "rising", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    episodes = load_dataset(tmp_path / "new")
    assert len(episodes) == 9
    assert all("reward_classifier" in item.info.extra for item in episodes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inspect_demos", "nowhere"), "no episodes at nowhere: there is no such folder"),
        (("inspect_demos", "data", "--only", "9"), "no episode of the 3 in data is called '9'"),
        (("replay_episode", "data", "9"), "no episode of the 3 in data is called '9'"),
        (("replay_episode", "data", "0", "--env", "peg_insert"), "takes"),
        (("replay_episode", "data", "0", "--seed", "5"), "the start is not the recorded one"),
        (("replay_episode", "data", "0", "--teleop", "simulated"), "would correct the replay"),
        (("relabel_demos", "data", "x"), "give one of --success, --labels and --classifier"),
        (("relabel_demos", "data", "x", "--success", "0"), "is not EPISODE=STEPS"),
        (("relabel_demos", "data", "x", "--success", "0=", "0=3"), "named twice"),
        (("relabel_demos", "nowhere", "x", "--success", "0="), "no episode of the 0 in nowhere"),
        (("relabel_demos", "data", "x", "--labels", "nothing.json"), "must map episode names"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(words, message, work):
    done = call_script(*words, cwd=work)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not (work / "x").exists()
