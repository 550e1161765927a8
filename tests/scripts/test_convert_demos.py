import os
import subprocess
import sys
from pathlib import Path
from pickle import dumps

import pytest
from toy_formats import STATE_SPEC, dataset, differences

from robot_rl.data.episodes import load_dataset

SCRIPT = Path(__file__).parents[2] / "launch/convert_demos.py"


def convert(folder, *arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "destination", "options"),
    [
        ("lerobot", "set", ("--images", "png")),
        ("robomimic", "set.hdf5", ()),
        ("diffusion_policy", "set.zarr", ()),
        ("umi", "set.zarr.zip", ("--gripper-width-m", "0.08")),
        ("minari", "set-v0", ()),
    ],
)
def test_there_and_back_by_command_line(name, destination, options, tmp_path):
    wanted = dataset(tmp_path / "ours", count=2)
    there = convert(tmp_path, "ours", destination, "--to", name, *options)
    assert there.returncode == 0, there.stderr
    assert f"{destination}: 2 episodes, 13 steps" in there.stderr
    back = convert(tmp_path, destination, "deep/back", "--from", name)
    assert back.returncode == 0, back.stderr
    found = load_dataset(tmp_path / "deep/back")
    assert [differences(*pair) for pair in zip(found, wanted, strict=True)] == [[], []]


def test_what_is_missing_is_asked_for_and_then_taken(tmp_path):
    wanted = dataset(tmp_path / "ours", count=2, spec=STATE_SPEC)
    assert convert(tmp_path, "ours", "set.hdf5", "--to", "robomimic").returncode == 0
    asked = convert(tmp_path, "set.hdf5", "back", "--from", "robomimic", "--ignore-origin")
    assert asked.returncode == 2
    assert "demo_0 does not say whether episodes end by the task or by time" in asked.stderr
    said = ("--ends", "success", "--success", "last", "--names", "x", "y", "grip", "--drop", "state.gripper.opening")
    done = convert(tmp_path, "set.hdf5", "back", "--from", "robomimic", "--ignore-origin", *said)
    assert done.returncode == 0, done.stderr
    found = load_dataset(tmp_path / "back")
    assert found[0].spec.action.names == ("x", "y", "grip")
    assert list(found[0].obs) == ["state/state/arm/position", "state/state/arm/rotation"]
    assert [episode.length for episode in found] == [episode.length for episode in wanted]


class Attack:
    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ours", "out"), "say either --to FORMAT, of a dataset of ours, or --from FORMAT"),
        (("ours", "out", "--to", "lerobot", "--from", "lerobot"), "say either --to FORMAT"),
        (("ours", "out", "--to", "lerobot", "--ends", "success"), "go with --from, not with --to"),
        (("code.pkl", "out", "--from", "serl", "--crf", "3"), "go with --to, not with --from"),
        (("code.pkl", "out", "--from", "serl"), "names posix.system, which is no array and no plain container"),
        (("ours", "code.pkl", "--to", "robomimic"), "code.pkl exists; give another name"),
        (("code.pkl", "out", "--from", "robomimic"), "code.pkl: cannot be read"),
        (("gone", "out", "--from", "minari"), "there is nothing at gone"),
        (("gone", "out", "--to", "minari"), "there is no such folder"),
        (("ours", "code.pkl/out", "--to", "robomimic"), "code.pkl/out cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_is_told_in_a_line_and_leaves_nothing(arguments, message, tmp_path):
    dataset(tmp_path / "ours", count=1, spec=STATE_SPEC)
    (tmp_path / "code.pkl").write_bytes(dumps([{"observations": Attack()}]))
    done = convert(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"ours", "code.pkl"}
