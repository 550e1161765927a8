from dataclasses import replace

import numpy as np
import pytest

from demos.formats.assemble import episodes
from demos.formats.options import ImportOptions
from demos.formats.recording import Recording
from robot_rl.errors import ConfigError, DatasetError, SpecMismatch

SAID = ImportOptions(
    control_dt=0.1, final_obs="repeat", ends="terminated", success="last", reward="success", action_scale=(1.0,)
)


class Source:
    """A dataset of recordings that are there already."""

    def __init__(self, *recordings):
        self.recordings = recordings
        self.num_episodes = len(recordings)
        self.longest = max(recording.length for recording in recordings)

    def __iter__(self):
        return iter(self.recordings)


def recording(length=4, final=False, **more):
    obs = {"pose": np.arange((length + final) * 2, dtype=np.float64).reshape(-1, 2)}
    return Recording("there", **{"obs": obs, "action": np.linspace(-0.5, 0.5, length * 2).reshape(length, 2), **more})


def one(item, options=SAID):
    return next(iter(episodes(Source(item), options, "test:there")))


def said(**more):
    return replace(SAID, **more)


def test_everything_that_is_not_said_is_asked_for_at_once():
    with pytest.raises(ConfigError) as error:
        one(recording(), ImportOptions())
    for option in ("--control-dt", "--final-obs", "--ends", "--success", "--reward", "--action-low"):
        assert option in str(error.value)
    assert str(error.value).startswith("there does not say")


def test_only_what_is_not_said_is_asked_for():
    flags = np.zeros(4, bool)
    steps = {"reward": flags * 1.0, "terminated": flags, "truncated": flags, "success": flags}
    known = recording(final=True, steps=steps, control_dt=0.2, action_range=(np.array(-1.0), np.array(1.0)))
    episode = one(known, ImportOptions())
    assert episode.spec.control_dt == 0.2
    assert episode.truncated.tolist() == [False, False, False, True]  # it just stops
    assert not episode.terminated.any()
    del steps["reward"]
    with pytest.raises(ConfigError, match=r"^there does not say rewards: --reward success\|zero$"):
        one(known, ImportOptions())


def test_the_last_observation_is_repeated_or_the_last_action_dropped():
    reward = np.array([1.0, 2.0, 4.0, 8.0])
    item = recording(steps={"reward": reward, "success": np.array([False, False, False, True])})
    repeated = one(item, said(final_obs="repeat", success=None, reward=None))
    assert repeated.obs["state/pose"][:, 0].tolist() == [0, 2, 4, 6, 6]
    dropped = one(item, said(final_obs="drop", success=None, reward=None))
    assert dropped.obs["state/pose"][:, 0].tolist() == [0, 2, 4, 6]
    np.testing.assert_array_equal(dropped.action, repeated.action[:3])
    assert dropped.reward.tolist() == [1, 2, 12]
    assert dropped.successes.tolist() == [False, False, True]
    with pytest.raises(DatasetError, match="nothing is left"):
        one(recording(length=1), said(final_obs="drop"))


@pytest.mark.parametrize(
    ("ends", "success", "terminated"),
    [("terminated", "never", True), ("truncated", "last", False), ("success", "last", True), ("success", "never", False)],
)
def test_an_end_is_either_terminated_or_truncated(ends, success, terminated):
    episode = one(recording(), said(ends=ends, success=success))
    assert episode.terminated.tolist() == [False, False, False, terminated]
    assert episode.truncated.tolist() == [False, False, False, not terminated]


def test_a_recording_that_stops_midway_is_truncated_however_whole_ones_end():
    episode = one(recording(is_cut=True), said(ends="terminated"))
    assert (episode.terminated[-1], episode.truncated[-1]) == (False, True)


def test_done_with_a_truncation_flag_says_both():
    done, truncated = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1])
    for cut, terminated in ((truncated, False), (truncated * 0, True)):
        episode = one(recording(steps={"done": done, "truncated": cut}), said(ends=None))
        assert (episode.terminated[-1], episode.truncated[-1]) == (terminated, not terminated)


def test_success_may_be_read_off_rewards_and_rewards_off_success():
    reward = np.array([0.0, -1.0, 0.5, 1.0])
    episode = one(recording(steps={"reward": reward}), said(success="reward", reward=None))
    assert episode.successes.tolist() == [False, False, True, True]
    np.testing.assert_array_equal(episode.reward, reward.astype(np.float32))
    assert one(recording(), said(success="last", reward="success")).reward.tolist() == [0, 0, 0, 1]
    assert one(recording(), said(success="last", reward="zero")).reward.tolist() == [0, 0, 0, 0]
    with pytest.raises(ConfigError, match="has no rewards"):
        one(recording(), said(success="reward"))


def test_actions_are_scaled_into_range_and_refused_beyond_it():
    pixels = recording(action=np.array([[0.0, 512.0], [256.0, 128.0], [512.0, 0.0], [1.0, 2.0]]))
    scaled = one(pixels, said(action_scale=(), action_low=(0,), action_high=(512,)))
    assert scaled.action.tolist()[:3] == [[-1, 1], [0, -0.5], [1, -1]]
    np.testing.assert_array_equal(scaled.policy_action, scaled.action)
    each = one(pixels, said(action_scale=(512.0, 1024.0)))
    assert each.action.tolist()[0] == [0, 0.5]
    with pytest.raises(DatasetError, match="action 1 of step 0 is 512, outside -1 to 1; --action-low and --action-high"):
        one(pixels)
    with pytest.raises(ConfigError, match="3 bounds for actions of 2 dimensions"):
        one(pixels, said(action_scale=(1.0, 2.0, 3.0)))
    broken = pixels.action.copy()
    broken[2, 0] = np.nan
    with pytest.raises(DatasetError, match="action 0 of step 2 is nan"):
        one(recording(action=broken), said(action_scale=(512.0,)))


def test_action_names_are_the_sources_unless_said():
    assert one(recording()).spec.action.names == ("action/0", "action/1")
    assert one(recording(action_names=("a", "b"))).spec.action.names == ("a", "b")
    assert one(recording(action_names=("a", "b")), said(names=("x", "y"))).spec.action.names == ("x", "y")
    with pytest.raises(ConfigError, match="actions have 2 dimensions, and names 1: x"):
        one(recording(), said(names=("x",)))


def test_entries_are_named_dropped_and_typed():
    rows = {
        "observation.state": np.zeros((5, 3)),
        "observation.images.top": np.zeros((5, 8, 8, 3), np.uint8),
        "count": np.arange(5),
        "label": np.array(["a"] * 5),
    }
    episode = one(recording(obs=rows), said(drop=("label",), rename=("observation.state=state/arm/qpos",)))
    assert {key: (value.shape[1:], str(value.dtype)) for key, value in episode.obs.items()} == {
        "state/arm/qpos": ((3,), "float32"),
        "image/top": ((8, 8, 3), "uint8"),
        "state/count": ((1,), "float32"),
    }
    with pytest.raises(DatasetError, match="entry 'label' is of type <U1, not numbers; --drop label"):
        one(recording(obs=rows))
    with pytest.raises(ConfigError, match="no entry 'speed' to drop or rename; there are count, label, observation"):
        one(recording(obs=rows), said(drop=("speed",)))
    with pytest.raises(ConfigError, match=r"--rename count=image/count: this entry can be called state/\.\.\. or pose/"):
        one(recording(obs=rows), said(drop=("label",), rename=("count=image/count",)))
    with pytest.raises(ConfigError, match="two entries would be called 'state/count'"):
        one(recording(obs=rows), said(drop=("label",), rename=("observation.state=state/count",)))
    with pytest.raises(ConfigError, match="no observation is left"):
        one(recording(), said(drop=("pose",)))


def test_images_in_floating_point_are_taken_only_when_nothing_is_lost():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.float32)
    assert (one(recording(obs={"img": images})).obs["image/img"] == images).all()
    for wrong in (images / 255, images + 0.5, images - 10):
        with pytest.raises(DatasetError, match="looks like images of type float32 that are not whole numbers"):
            one(recording(obs={"img": wrong}))


def test_rows_must_go_with_actions():
    with pytest.raises(DatasetError, match="4 actions do not go with pose 3"):
        one(recording(obs={"pose": np.zeros((3, 2))}))
    with pytest.raises(DatasetError, match="4 actions do not go with reward 5"):
        one(recording(steps={"reward": np.zeros(5)}))


def test_an_episode_that_goes_on_after_its_end_is_refused():
    flags = np.array([False, True, False, False])
    with pytest.raises(DatasetError, match="ends at step 1 and goes on for 4 steps"):
        one(recording(steps={"terminated": flags, "truncated": flags & False}), said(ends=None))


def test_episodes_that_differ_are_no_one_dataset():
    other = recording(obs={"pose": np.zeros((4, 3))})
    with pytest.raises(SpecMismatch, match="state/pose"):
        list(episodes(Source(recording(), other), SAID, "test:there"))


def test_origin_and_task_are_kept():
    episode = one(recording(env="Lift", seed=7, extra={"masks": "train"}))
    assert (episode.spec.name, episode.info.task, episode.info.seed) == ("Lift", "Lift", 7)
    assert episode.info.source == "test:there"
    assert dict(episode.info.extra) == {"masks": "train"}
    assert episode.spec.max_steps == 4
    named = one(recording(task="lift it"), said(env="mine", max_steps=9))
    assert (named.spec.name, named.info.task, named.spec.max_steps) == ("mine", "lift it", 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"control_dt": 0.0}, "control_dt 0.0 s is not positive"),
        ({"max_steps": 0}, "max_steps 0 is below 1"),
        ({"action_low": (0.0,)}, "come together"),
        ({"action_low": (0.0,), "action_high": (1.0,), "action_scale": (1.0,)}, "stands for"),
        ({"action_scale": (-1.0,)}, "action_scale .* is not positive"),
        ({"pose_scale": (0.1, 0.0, 1.0)}, "pose_scale .* is not positive"),
        ({"rename": ("state",)}, "'state' is not of the form NAME=VALUE"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ImportOptions(**options)
