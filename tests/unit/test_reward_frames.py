"""Laws of labels: what they belong to, which frames are kept from learning, and how episodes are dealt."""

import numpy as np
import pytest
from toy_frames import episode, labelled, recordings, write

from robot_rl.data.frame_faults import find_faults
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.rewards.frames import check_classes, content_hash, deal_folds, label_episode, load_labelled
from robot_rl.rewards.verdicts import add_verdicts

CAMERAS = ("front", "wrist")


def test_a_steps_success_labels_what_was_seen_after_it():
    item = label_episode("e", episode([0.0, 0.2, 0.8, 0.9]), CAMERAS)
    assert item.labels.tolist() == [False, False, True, True]
    started = label_episode("e", episode([0.9, 0.2]), CAMERAS, starts_with_success=True)
    assert started.labels.tolist() == [True, False]


def test_verdicts_beat_the_flags_of_the_episodes_they_name(tmp_path):
    names = write(tmp_path, [episode([0.0, 0.8, 0.9]), episode([0.0, 0.8, 0.9]), episode([0.0, 0.1, 0.9])])
    add_verdicts(tmp_path, {names[0]: np.array([False, False])})
    add_verdicts(tmp_path, {names[2]: np.array([True, False])})
    assert [item.labels.tolist() for item in load_labelled(tmp_path)] == [
        [False, False, False],
        [False, True, True],
        [False, True, False],
    ]
    (tmp_path / "verdicts.json").write_text(f'{{"{names[0]}": [2]}}')
    with pytest.raises(DatasetError, match="names step 2; it has steps 0 to 1"):
        load_labelled(tmp_path)
    (tmp_path / "verdicts.json").write_text("[]")
    with pytest.raises(DatasetError, match="must map episode names"):
        load_labelled(tmp_path)


def test_a_black_frame_is_reported_and_left_out():
    damaged = episode([0.0, 0.1, 0.2, 0.8, 0.9])
    damaged.obs["image/wrist"][1:3] = 3
    item = label_episode("e7", damaged, CAMERAS)
    assert [str(fault) for fault in item.faults] == ["episode e7, camera 'wrist': blank in steps 1 to 2"]
    assert item.is_usable.tolist() == [True, False, False, True, True]


@pytest.mark.parametrize(("length", "is_found"), [(3, False), (4, True)])
def test_a_camera_is_frozen_when_it_repeats_more_than_is_borne_while_the_robot_moves(length, is_found):
    heights = np.linspace(0.0, 0.9, 12)
    frozen = episode(heights)
    frozen.obs["image/front"][4 : 4 + length] = frozen.obs["image/front"][3]
    faults = find_faults("e", frozen.obs, CAMERAS, max_identical=3)
    assert [(fault.camera, fault.kind, fault.first, fault.last) for fault in faults] == (
        [("front", "frozen", 4, 3 + length)] if is_found else []
    )


def test_a_scene_at_rest_is_no_fault_but_a_robot_that_moves_unseen_is():
    heights = np.full(12, 0.3)
    resting = episode(heights, grip=heights)
    for camera in CAMERAS:
        resting.obs[f"image/{camera}"][:] = resting.obs[f"image/{camera}"][0]
    assert find_faults("e", resting.obs, CAMERAS, 5) == []
    resting.obs["state/grip"][:, 0] = np.linspace(0.0, 1.0, 12)
    assert {(fault.camera, fault.first, fault.last) for fault in find_faults("e", resting.obs, CAMERAS, 5)} == {
        ("front", 1, 11),
        ("wrist", 1, 11),
    }


def failure(seed=0):
    return episode([0.0, 0.1, 0.2], seed)


def success(seed=0):
    return episode([0.0, 0.8, 0.9], seed)


def always(seed=0):
    return episode([0.8, 0.8, 0.9], seed)


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ([success()], "1 episode is too few"),
        ([failure(), failure()], "only 0 of 2 episodes shows a success.*--no-end-at-success"),
        ([failure(), success()], "only 1 of 2 episodes shows a success"),
        ([always(), always(), always()], "only 0 of 3 episodes shows a failure after its first frame.*--keep all"),
    ],
)
def test_a_missing_class_says_how_to_record_it(episodes, message):
    with pytest.raises(ConfigError, match=message):
        check_classes(labelled(episodes))


def test_folders_without_cameras_or_episodes_say_so(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        load_labelled(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="no readable episode"):
        load_labelled(tmp_path)
    write(tmp_path, [success()])
    with pytest.raises(ConfigError, match="without camera 'side'; its cameras: front, wrist"):
        load_labelled(tmp_path, ("side",))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("folds", [2, 3, 5])
def test_all_but_one_part_always_shows_both_classes(folds, seed):
    episodes = [label_episode(f"a{i}", always(i), CAMERAS, starts_with_success=True) for i in range(6)]
    episodes += labelled([success(), failure(), failure(1)])
    fold = deal_folds(episodes, folds, seed)
    assert set(fold) == set(range(folds))
    assert np.ptp(np.bincount(fold)) <= 1
    for part in range(folds):
        rest = [item for item, index in zip(episodes, fold, strict=True) if index != part]
        assert any(item.has_success for item in rest)
        assert any(item.has_failure for item in rest)


def test_the_content_hash_changes_with_frames_and_labels_and_not_with_order():
    episodes = labelled(recordings(3))
    keys = ("image/front", "image/wrist")
    before = content_hash(episodes, keys)
    assert content_hash(episodes[::-1], keys) == before
    episodes[0].labels[3] ^= True
    relabelled = content_hash(episodes, keys)
    episodes[1].obs["image/front"][2, 0, 0, 0] ^= 1
    assert len({before, relabelled, content_hash(episodes, keys)}) == 3
