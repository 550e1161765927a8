"""Laws of rewards in whole episodes: hacking, hard negatives, new labels, stages."""

import numpy as np
import pytest
from toy_frames import CONFIG, SPEC, episode, labelled, recordings, write

from robot_rl.data.episodes import load_dataset
from robot_rl.errors import ConfigError
from robot_rl.rewards.classifier import SuccessClassifier, with_cameras
from robot_rl.rewards.judging import count_hacked, hard_negatives, reward_hacking
from robot_rl.rewards.relabelling import relabel
from robot_rl.rewards.stages import StagedReward, load_reward, save_stages
from robot_rl.rewards.training import train_classifier


class Oracle:
    """A classifier that sees a square above 0.3 as a success: it is paid too early."""

    threshold, consecutive, version = 0.5, 1, "oracle"
    entries = SPEC.obs

    def probabilities(self, obs):
        return (obs["state/grip"][:, 0] > 0.3).astype(float)

    def check(self, spec):
        pass


def test_paid_before_a_true_success_is_hacked_and_a_later_one_does_not_count():
    honest, early, fooled, quiet = [0.0, 0.1, 0.9], [0.0, 0.4, 0.9], [0.0, 0.4, 0.4], [0.0, 0.1, 0.2]
    report = reward_hacking(Oracle(), labelled([episode(heights) for heights in (honest, early, fooled, quiet)]))
    assert (report.episodes, report.called, report.hacked) == (4, 3, 2)
    assert report.rate == pytest.approx(2 / 3)
    assert count_hacked([], 0.5, 1).rate is None


def test_hacking_is_judged_by_the_rule_of_consecutive_frames():
    flicker = (np.array([0.9, 0.1, 0.9, 0.9]), np.array([False, False, False, True]))
    assert count_hacked([flicker], 0.5, 1).hacked == 1
    assert count_hacked([flicker], 0.5, 2).hacked == 0


def test_hard_negatives_are_what_fools_the_classifier():
    items = labelled([episode([0.0, 0.4, 0.9])])
    assert [flags.tolist() for flags in hard_negatives(Oracle(), items)] == [[False, True, False]]
    items[0].is_usable[1] = False
    assert not hard_negatives(Oracle(), items)[0].any()


def test_learning_from_what_fooled_it_a_classifier_is_fooled_less():
    # Recordings show squares at the bottom and at the top; the agent stops in the middle, which is no success.
    data = labelled([episode([0.0, 0.0, 0.05, *[top] * 4], seed) for seed in range(4) for top in (1.0, 0.1)])
    agent = labelled([episode([0.0, 0.3, 0.6, 0.7, 0.7, 0.7, 0.7], 50 + seed, success=[False] * 6) for seed in range(4)])
    agent += labelled(
        [episode([0.0, 0.3, 0.1, 0.9, 1.0, 1.0], 60 + seed, success=[False, False, False, True, True]) for seed in range(4)]
    )
    trained = train_classifier(data, CONFIG, policy_episodes=agent)
    assert trained.policy.before.hacked >= 3
    assert trained.policy.hard_negatives >= 3
    assert trained.policy.after.hacked < trained.policy.before.hacked
    assert len(trained.labels) == sum(len(item.labels) for item in (*data, *agent))


def test_relabelled_copies_end_at_the_first_call_and_originals_stay(tmp_path):
    names = write(tmp_path / "old", [episode([0.0, 0.1, 0.4, 0.9]), episode([0.0, 0.1, 0.2])])
    relabel(tmp_path / "old", Oracle(), tmp_path / "new")
    first, second = load_dataset(tmp_path / "new")
    assert first.successes.tolist() == [False, True]
    assert first.reward.tolist() == [0.0, 1.0]
    assert first.terminated.tolist() == [False, True]
    assert not first.truncated.any()
    assert len(first.obs["image/front"]) == 3
    assert first.info.extra["reward_classifier"] == "oracle"
    assert not second.successes.any()
    assert second.truncated.tolist() == [False, True]
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == names
    assert [item.length for item in load_dataset(tmp_path / "old")] == [3, 2]
    with pytest.raises(ConfigError, match="holds episodes already"):
        relabel(tmp_path / "old", Oracle(), tmp_path / "old")


class Above:
    """A stage: the height in `obs` is above a limit."""

    def __init__(self, limit):
        self.limit, self.begun, self.asked = limit, 0, 0

    def begin_episode(self):
        self.begun += 1

    def __call__(self, obs):
        self.asked += 1
        return float(obs > self.limit), obs > self.limit


def test_stages_are_paid_once_in_order_and_the_last_is_the_success():
    stages = [Above(1), Above(2), Above(3)]
    reward = StagedReward(stages, [0.2, 0.3, 0.5])
    reward.begin_episode()
    paid = [reward(height) for height in (0, 1.5, 1.5, 0, 2.5, 3.5, 3.5, 0)]
    assert [value for value, _ in paid] == [0.0, 0.2, 0.0, 0.0, 0.3, 0.5, 0.0, 0.0]
    assert [success for _, success in paid] == [False] * 5 + [True, True, False]
    reward.begin_episode()
    assert reward(3.5) == (1.0, True)
    assert [stage.begun for stage in stages] == [2, 2, 2]
    assert sum(value for value, _ in (StagedReward([Above(1)] * 3)(2),)) == pytest.approx(1.0)
    for bad in ([], [Above(1)]):
        with pytest.raises(ConfigError):
            StagedReward(bad, [0.5, 0.5])


def test_a_folder_holds_a_classifier_or_stages_of_them(tmp_path):
    for name in ("reach", "lift"):
        SuccessClassifier(SPEC, with_cameras(CONFIG, SPEC), seed=len(name)).save(tmp_path / name)
    save_stages(tmp_path / "task", ["../reach", "../lift"])
    reward = load_reward(tmp_path / "task", SPEC)
    assert [stage.classifier.version for stage in reward.stages] == [
        load_reward(tmp_path / name, SPEC).classifier.version for name in ("reach", "lift")
    ]
    (tmp_path / "task" / "stages.json").write_text("{}")
    with pytest.raises(ConfigError, match="damaged"):
        load_reward(tmp_path / "task", SPEC)
    with pytest.raises(ConfigError, match="holds no readable classifier"):
        load_reward(tmp_path / "nothing", SPEC)


def test_recordings_of_the_toy_are_what_the_tests_take_them_for():
    shows = [item.has_success for item in labelled(recordings(6))]
    assert shows == [True, True, False] * 2
