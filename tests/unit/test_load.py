"""Laws of loading demonstrations: in order, or with the reason why not."""

import numpy as np
import pytest

from demos.load import load_demos
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition

SPEC = EnvSpec("counting", {"state/x": ArraySpec((1,))}, ActionSpec(("x",)), control_dt=0.1, max_steps=9)


def write(folder, *firsts):
    writer = EpisodeWriter(folder, SPEC)
    for first in firsts:
        writer.begin_episode(EpisodeInfo("counting", "demo"))
        obs, next_obs = ({"state/x": np.array([x], np.float32)} for x in (first, first + 1))
        writer.add(Transition(obs, np.zeros(1, np.float32), 0.0, next_obs, True, False))
    return folder


def firsts(episodes):
    return [int(episode.obs["state/x"][0, 0]) for episode in episodes]


def test_one_folder_or_several(tmp_path):
    a, b = write(tmp_path / "a", 1, 2), write(tmp_path / "b", 3)
    assert firsts(load_demos(a, SPEC)) == firsts(load_demos(str(a), SPEC)) == [1, 2]
    assert firsts(load_demos([b, a], SPEC)) == [3, 1, 2]


def test_missing_and_empty_folders_say_so(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        load_demos(tmp_path / "nowhere", SPEC)
    with pytest.raises(ConfigError, match="no readable demonstration"):
        load_demos(tmp_path, SPEC)


def test_one_damaged_episode_does_not_cost_the_others_and_only_damaged_ones_do(tmp_path):
    folder = write(tmp_path / "a", 1, 2)
    paths = sorted(folder.iterdir())
    (paths[0] / "action" / "c.0.0").unlink()
    assert firsts(load_demos(folder, SPEC)) == [2]
    (paths[1] / "zarr.json").write_text("")
    with pytest.raises(ConfigError, match="no readable demonstration"):
        load_demos(folder, SPEC)


def test_demonstrations_of_another_action_are_refused(tmp_path):
    wanted = EnvSpec("counting", SPEC.obs, ActionSpec(("x", "y")), 0.1, 9)
    with pytest.raises(SpecMismatch, match=r"action: .*'x',.* instead of .*'y'"):
        load_demos(write(tmp_path / "a", 1), wanted)
