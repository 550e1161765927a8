"""`launch/train_reward.py` as people run it: its report and pictures, and what it says of data that will not do."""

import json

import numpy as np
import pytest
from toy_frames import episode, recordings, write
from toy_script import call_script, run_script

from robot_rl.rewards.classifier import SuccessClassifier

SMALL = (
    "--backbone.num-blocks", "1", "--backbone.no-pretrained", "--backbone.precision", "float32",
    "--steps", "60", "--batch-size", "32", "--folds", "3", "--crop-pad-px", "1", "--max-false-positive-rate", "0.02",
)  # fmt: skip


def test_it_trains_reports_and_never_overwrites(tmp_path):
    write(tmp_path / "data", recordings(9))
    agent = [episode(np.linspace(0.0, top, 10), 40 + index) for index, top in enumerate((1.0, 0.4, 1.0, 0.4))]
    write(tmp_path / "agent", agent)
    write(tmp_path / "fresh", recordings(3, seed=70))
    words = ("data", "--out", "rising", "--add-policy-episodes", "agent", "--test", "fresh", "--state", "state/grip", *SMALL)
    done = run_script("train_reward", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "reward hacking after" in done.stderr

    report = json.loads((tmp_path / "rising" / "report.json").read_text())
    assert report["held_out"]["frames"] == 9 * 12 + 4 * 10
    assert report["held_out"]["auc"] > 0.95
    assert report["test"]["fresh"]["frames"] == 3 * 12
    assert report["policy"]["before"]["episodes"] == 4
    assert [(entry["folder"], entry["episodes"]) for entry in report["data"]] == [("data", 9)]
    assert len(report["policy_data"][0]["content"]) == 16
    classifier = SuccessClassifier.load(tmp_path / "rising")
    assert classifier.version == report["version"]
    assert classifier.about["held_out"] == report["held_out"]
    for picture in ("reliability.png", "most_confused.png"):
        data = (tmp_path / "rising" / picture).read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) < 300_000

    again = call_script("train_reward", *words, cwd=tmp_path)
    assert again.returncode == 2
    assert "rising holds a classifier already; give another --out" in again.stderr


@pytest.mark.parametrize(
    ("episodes", "options", "message"),
    [
        ([[0.0, 0.1], [0.0, 0.2]], (), "only 0 of 2 episodes shows a success"),
        ([[0.0, 0.9]], (), "1 episode is too few"),
        ([[0.0, 0.9, 0.9], [0.0, 0.9, 0.9]], (), "only 0 of 2 episodes shows a failure"),
        ([[0.0, 0.2, 0.9]] * 2, ("--cameras", "side"), "without camera 'side'; its cameras: front, wrist"),
        ([[0.0, 0.2, 0.9]] * 2, ("--state", "state/arm"), "does not observe 'state/arm'"),
    ],
)
def test_data_that_will_not_do_is_refused_without_a_traceback(episodes, options, message, tmp_path):
    write(tmp_path / "data", [episode(heights, index) for index, heights in enumerate(episodes)])
    done = call_script("train_reward", "data", "--out", "out", *options, *SMALL, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
