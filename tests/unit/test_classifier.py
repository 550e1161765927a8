"""Laws of success classifiers: what learns, what is kept, what is refused, and that one that is shown the truth finds it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_frames import CONFIG, SPEC, episode, labelled, recordings

from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.rewards.calibration import Calibration
from robot_rl.rewards.classifier import SuccessClassifier, with_cameras
from robot_rl.rewards.encoding import choose_frames, encode
from robot_rl.rewards.fitting import cross_validate, draw_balanced, fit_head, head_scores
from robot_rl.rewards.frames import deal_folds
from robot_rl.rewards.judging import measure
from robot_rl.rewards.reward import ClassifierReward
from robot_rl.rewards.training import train_classifier
from robot_rl.specs import ArraySpec

BOTH = with_cameras(CONFIG, SPEC)


@pytest.fixture(scope="module")
def trained():
    return train_classifier(labelled(recordings()), CONFIG)


def encoded(classifier, episodes, seed=0):
    return encode(classifier, episodes, choose_frames(episodes, None, 0), torch.Generator().manual_seed(seed))


def test_it_learns_what_success_looks_like_and_keeps_its_false_positives_low(trained):
    assert trained.scores.auc > 0.99
    fresh = measure(trained.classifier, labelled(recordings(9, seed=100)))
    assert fresh.auc > 0.99
    assert fresh.recall > 0.6
    assert fresh.false_positive_rate <= 0.05


def test_the_same_seed_gives_the_same_classifier(trained, tmp_path):
    again = train_classifier(labelled(recordings()), CONFIG)
    assert again.classifier.save(tmp_path) == trained.classifier.save(tmp_path)


def test_every_layer_of_the_head_learns_and_the_backbone_does_not():
    classifier = SuccessClassifier(SPEC, replace(BOTH, state=("state/grip",)))
    frames = encoded(classifier, labelled(recordings(3)))
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    fit_head(classifier.head, frames, seed=0)
    after = classifier.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    frozen = {name for name in before if name.startswith("backbone.")}
    assert changed == before.keys() - frozen


def test_no_frame_is_judged_by_a_head_that_saw_its_episode(monkeypatch):
    episodes = labelled(recordings(6))
    classifier = SuccessClassifier(SPEC, BOTH)
    frames, fold = encoded(classifier, episodes), deal_folds(episodes, 3, seed=0)
    seen = []

    def remember(head, chosen, *_):
        seen.append(set(fold[chosen.origin[:, 0]]))

    def judge(head, chosen):
        assert set(fold[chosen.origin[:, 0]]).isdisjoint(seen[-1])
        return torch.from_numpy(chosen.origin[:, 0] * 100.0 + chosen.origin[:, 1])

    monkeypatch.setattr("robot_rl.rewards.fitting.fit_head", remember)
    monkeypatch.setattr("robot_rl.rewards.fitting.head_scores", judge)
    scores = cross_validate(classifier, frames, fold, seed=0)
    assert scores.tolist() == (frames.origin @ [100.0, 1.0]).tolist()
    assert seen == [{1, 2}, {0, 2}, {0, 1}]


def test_cached_features_score_as_the_images_do(trained):
    classifier, episodes = trained.classifier, labelled(recordings(2))
    from_features = head_scores(classifier.head, encoded(classifier, episodes)).numpy()
    from_images = np.concatenate([classifier.scores(item.obs) for item in episodes])
    np.testing.assert_allclose(from_features, from_images, atol=0.02)  # features are kept in float16


def test_batches_are_half_successes_and_hard_failures_have_their_share():
    classifier = SuccessClassifier(SPEC, BOTH)
    frames = encoded(classifier, labelled([episode(np.linspace(0.0, 0.6, 30))]))
    generator = torch.Generator().manual_seed(0)
    assert frames.labels[draw_balanced(frames, 64, 0.25, generator)].sum() == 32
    hard = torch.zeros(30, dtype=torch.bool)
    hard[7] = True
    drawn = draw_balanced(replace(frames, is_hard=hard), 64, 0.25, generator)
    assert frames.labels[drawn].sum() == 32
    assert (drawn == 7).sum() >= 8


def test_of_too_many_frames_the_scarce_class_stays_and_faulty_frames_never_come():
    episodes = labelled([episode(np.linspace(0.0, 0.6, 50), seed) for seed in range(3)])
    episodes[0].is_usable[:20] = False
    chosen = choose_frames(episodes, 60, seed=0)
    labels = np.array([episodes[i].labels[t] for i, t in chosen])
    assert len(chosen) == 60
    assert labels.sum() == sum(item.labels.sum() for item in episodes)
    assert not any(i == 0 and t < 20 for i, t in chosen)
    assert len(choose_frames(episodes, None, seed=0)) == 130


def test_saved_and_loaded_it_says_the_same_to_the_bit(trained, tmp_path):
    classifier = trained.classifier
    classifier.about = {"data": [{"folder": "a", "episodes": 3}]}
    version = classifier.save(tmp_path / "rewards" / "rising")
    loaded = SuccessClassifier.load(tmp_path / "rewards" / "rising")
    obs = episode(np.linspace(0.0, 1.0, 10)).obs
    assert np.array_equal(loaded.probabilities(obs), classifier.probabilities(obs))
    assert (loaded.version, loaded.about, loaded.config) == (version, classifier.about, classifier.config)
    assert loaded.save(tmp_path / "copy") == version


def test_the_version_changes_with_weights_and_with_the_threshold(tmp_path):
    classifier = SuccessClassifier(SPEC, BOTH)
    versions = [classifier.save(tmp_path)]
    classifier.calibration = Calibration(threshold=0.9)
    versions.append(classifier.save(tmp_path))
    with torch.no_grad():
        next(classifier.head.parameters()).add_(1e-3)
    versions.append(classifier.save(tmp_path))
    assert len(set(versions)) == 3


def test_what_is_no_classifier_or_damaged_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no readable classifier"):
        SuccessClassifier.load(tmp_path)
    SuccessClassifier(SPEC, BOTH).save(tmp_path)
    file = tmp_path / "classifier.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ConfigError, match="damaged"):
        SuccessClassifier.load(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"image/wrist": ArraySpec((20, 20, 3), "uint8")},
            r"wrist uint8 \[16, 16, 3\].*environment.*wrist uint8 \[20, 20, 3\]",
        ),
        (
            {"image/wrist": None},
            r"trained on .*image/wrist.*the environment observes image/front uint8 \[24, 32, 3\], state/grip float32 \[1\]$",
        ),
        ({"state/grip": None}, r"trained on .*state/grip float32 \[1\]"),
    ],
)
def test_other_cameras_or_sizes_are_refused_with_both_specs(changed, message):
    classifier = SuccessClassifier(SPEC, replace(BOTH, state=("state/grip",)))
    classifier.check(replace(SPEC, name="elsewhere", obs={**SPEC.obs, "state/more": ArraySpec((7,))}))
    obs = {key: entry for key, entry in {**SPEC.obs, **changed}.items() if entry is not None}
    with pytest.raises(SpecMismatch, match=message):
        classifier.check(replace(SPEC, obs=obs))


def test_other_crops_are_refused_also_after_loading(tmp_path):
    SuccessClassifier(replace(SPEC, extra={"crop/front": "0 0 40 40"}), BOTH).save(tmp_path)
    loaded = SuccessClassifier.load(tmp_path)
    loaded.check(replace(SPEC, extra={"crop/front": "0 0 40 40", "crop/side": "1 1 2 2"}))
    with pytest.raises(SpecMismatch, match=r"front uint8 .* cropped to 0 0 40 40.*front uint8 .* cropped to 8 0 40 40"):
        loaded.check(replace(SPEC, extra={"crop/front": "8 0 40 40"}))


def test_an_observation_without_a_camera_is_refused_by_name(trained):
    obs = {key: rows[0] for key, rows in episode([0.0, 0.1]).obs.items() if key != "image/wrist"}
    with pytest.raises(SpecMismatch, match="looks at 'image/wrist'"):
        trained.classifier.probability(obs)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(BOTH, cameras=("side",)), "does not observe 'image/side'"),
        (replace(BOTH, state=("state/arm",)), "does not observe 'state/arm'"),
        (CONFIG, "needs a camera"),
    ],
)
def test_entries_that_are_not_observed_are_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        SuccessClassifier(SPEC, config)


class Said:
    """Says the probabilities that it is given."""

    threshold, consecutive = 0.5, 2

    def __init__(self, *probabilities):
        self.probabilities = iter(probabilities)

    def probability(self, obs):
        return next(self.probabilities)


def test_a_success_is_so_many_frames_in_a_row_and_no_row_crosses_episodes():
    reward = ClassifierReward(Said(0.5, 0.4, 0.9, 0.9, 0.9, 0.9, 0.9))
    reward.begin_episode()
    assert [reward({}) for _ in range(5)] == [(0.0, False)] * 3 + [(1.0, True)] * 2
    reward.begin_episode()
    assert [reward({}) for _ in range(2)] == [(0.0, False), (1.0, True)]
    with pytest.raises(ConfigError, match="consecutive 0"):
        ClassifierReward(Said(), consecutive=0)
