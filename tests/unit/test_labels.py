"""Laws of relabelling: the new opinion decides how an episode is paid and ends, and the original is not touched."""

import numpy as np
import pytest
import zarr
from toy_frames import SPEC, episode, write

from robot_rl.data import labels as labels_module
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import list_episodes, list_open, read_episode, recover
from robot_rl.data.image_array import ImageCompression
from robot_rl.data.labels import Labels, copy_relabelled
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import DatasetError


def ended(heights, *, terminated):
    old = episode(heights)
    old.terminated[-1], old.truncated[-1] = terminated, not terminated
    return Labels.of(old)


def test_a_termination_without_success_stays_and_one_with_a_rejected_success_goes():
    rejected = ended([0.0, 0.1, 0.9], terminated=True).judged(np.zeros(2, bool), end_at_success=True)
    assert (rejected.terminated.tolist(), rejected.truncated.tolist()) == ([False, False], [False, True])
    fell = ended([0.0, 0.1, 0.2], terminated=True).judged(np.zeros(2, bool), end_at_success=True)
    assert (fell.terminated.tolist(), fell.truncated.tolist()) == ([False, True], [False, False])


def test_an_episode_ends_at_its_first_success_or_goes_on():
    opinion, old = np.array([False, True, False, True]), ended([0.0, 0.1, 0.2, 0.3, 0.4], terminated=False)
    cut = old.judged(opinion, end_at_success=True)
    assert (cut.success.tolist(), cut.reward.tolist()) == ([False, True], [0.0, 1.0])
    assert (cut.terminated.tolist(), cut.truncated.tolist()) == ([False, True], [False, False])
    whole = old.judged(opinion, end_at_success=False)
    assert whole.reward.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert not whole.terminated.any()
    assert whole.truncated.tolist() == [False] * 3 + [True]
    with pytest.raises(DatasetError, match="3 labels for 4 steps"):
        old.judged(opinion[:3], end_at_success=True)


@pytest.mark.parametrize("images", [ImageCompression(), ImageCompression(jpeg_above=300)])
def test_a_copy_differs_in_its_labels_and_length_alone(tmp_path, images):
    old = episode(np.linspace(0.0, 0.4, 30))
    path = EpisodeWriter(tmp_path / "old", SPEC, images=images).write(old)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    source, opinion = StoredEpisode(path), np.arange(29) >= 12
    labels = Labels.of(source).judged(opinion, end_at_success=True)
    copied = copy_relabelled(source, tmp_path / "new", labels, {"by": "ana"})
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    assert copied == tmp_path / "new" / path.name
    original, found = read_episode(path), read_episode(copied)
    assert found.length == 13
    assert found.info.extra == {"by": "ana"}
    assert found.successes.tolist() == [False] * 12 + [True]
    np.testing.assert_array_equal(found.stamp, original.stamp[:13])
    for key, rows in found.obs.items():
        np.testing.assert_array_equal(rows, original.obs[key][:14])
    group = zarr.open_group(copied, mode="r")
    assert {array.shape[0] for name, array in group.arrays()} == {13}
    assert len(group["obs/image/front"][:]) == 14
    with pytest.raises(DatasetError, match="already"):
        copy_relabelled(source, tmp_path / "new", labels, {})


def test_a_copy_that_dies_is_no_episode(tmp_path, monkeypatch):
    (name,) = write(tmp_path / "old", [episode([0.0, 0.1, 0.9])])
    source = StoredEpisode(tmp_path / "old" / name)
    with monkeypatch.context() as patched:
        patched.setattr(labels_module, "write_steps", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(DatasetError, match=f"cannot copy episode {name} to .*: No space left"):
            copy_relabelled(source, tmp_path / "new", Labels.of(source), {})
    assert list_episodes(tmp_path / "new") == []
    copy_relabelled(source, tmp_path / "new", Labels.of(source), {})
    assert [path.name for path in list_episodes(tmp_path / "new")] == [name]


@pytest.mark.parametrize("flushed", [1, 5, 14])
def test_recovery_touches_no_picture_and_leaves_as_many_rows_as_steps(tmp_path, flushed):
    seconds = iter(range(100))
    writer = EpisodeWriter(tmp_path, SPEC, images=ImageCompression(jpeg_above=300), now=lambda: next(seconds))
    old = episode(np.linspace(0.0, 0.4, 30))
    writer.begin_episode(old.info)
    for step, transition in enumerate(old.transitions()):
        if step < flushed:
            writer.add(transition)
    (path,) = list_open(tmp_path)
    pictures = sorted(file.read_bytes() for file in (path / "obs/image/front").glob("c.*"))
    (recovered,) = recover(tmp_path)
    found = read_episode(recovered)
    assert found.length == flushed
    assert sorted(file.read_bytes() for file in (recovered / "obs/image/front").glob("c.*")) == pictures
    assert found.truncated.tolist() == [False] * (found.length - 1) + [True]
    assert {array.shape[0] for _, array in zarr.open_group(recovered, mode="r").arrays()} == {found.length}
