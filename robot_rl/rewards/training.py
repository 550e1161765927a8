"""Training a success classifier: encode, cross-validate, calibrate, fit; then once more with what fooled it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from robot_rl.rewards.calibration import calibrate, false_positive_bound
from robot_rl.rewards.classifier import SuccessClassifier, with_cameras
from robot_rl.rewards.config import ClassifierConfig
from robot_rl.rewards.encoding import EncodedFrames, choose_frames, encode
from robot_rl.rewards.fitting import OnStep, cross_validate, fit_head, head_scores
from robot_rl.rewards.frames import LabelledEpisode, check_classes, deal_folds
from robot_rl.rewards.judging import HackingReport, count_hacked
from robot_rl.rewards.scores import Scores, score

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """Reward hacking in episodes of the agent, by classifiers that had not seen them."""

    hard_negatives: int
    """frames that fooled the classifier without them"""
    before: HackingReport
    """by the classifier without any of them"""
    after: HackingReport
    """by classifiers that learned from others of them"""


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """A classifier, and how the same training did on episodes that were held out of it."""

    classifier: SuccessClassifier
    scores: Scores
    episodes: tuple[LabelledEpisode, ...]
    origin: np.ndarray
    """[N, 2]: index into `episodes` and of the observation, of each frame."""
    probability: np.ndarray
    """[N], of success, by a classifier that was not trained on the frame's episode."""
    labels: np.ndarray
    """[N], bool."""
    seconds: float
    """Wall time of all of it."""
    policy: PolicyReport | None


def train_classifier(
    episodes: Sequence[LabelledEpisode],
    config: ClassifierConfig,
    *,
    policy_episodes: Sequence[LabelledEpisode] = (),
    seed: int = 0,
    device: str = "cpu",
    on_step: OnStep | None = None,
) -> TrainedClassifier:
    """Return a classifier that was trained on all episodes, and calibrated and measured on each while it was held out.

    With episodes of an agent it is trained twice: what the first classifier takes for a success in them and is none, is
    drawn more often by the second.

    Args:
        episodes: Recorded successes and failures.
        config: What to look at and how to train.
        policy_episodes: Of the agent, labelled with the truth.
        seed: Of folds, weights, augmentation and batches.
        device: Where to compute.
        on_step: Told of the progress.

    Raises:
        ConfigError: If a class or a camera is missing, or there are too few episodes.
    """
    started = time.monotonic()
    check_classes(episodes)
    spec = episodes[0].episode.spec
    classifier = SuccessClassifier(spec, with_cameras(config, spec), seed=seed, device=device)
    frames = _encode(classifier, episodes, seed)
    scores = _fit_and_calibrate(classifier, frames, episodes, seed, on_step)
    policy = None
    if policy_episodes:
        added = _encode(classifier, policy_episodes, seed + 1)
        before = classifier.calibration.probability(head_scores(classifier.head, added).numpy())
        hacking_before = _hacking(classifier, added, before)
        fooled = torch.from_numpy(before >= classifier.threshold) & ~added.labels
        frames = frames.join(replace(added, is_hard=fooled), len(episodes))
        episodes = [*episodes, *policy_episodes]
        scores = _fit_and_calibrate(classifier, frames, episodes, seed, on_step)
        after = classifier.calibration.probability(scores[-len(before) :])
        policy = PolicyReport(int(fooled.sum()), hacking_before, _hacking(classifier, added, after))
    probability, labels = classifier.calibration.probability(scores), frames.labels.numpy()
    return TrainedClassifier(
        classifier=classifier,
        scores=score(probability, labels, classifier.threshold),
        episodes=tuple(episodes),
        origin=frames.origin,
        probability=probability,
        labels=labels,
        seconds=time.monotonic() - started,
        policy=policy,
    )


def _encode(classifier: SuccessClassifier, episodes: Sequence[LabelledEpisode], seed: int) -> EncodedFrames:
    origin = choose_frames(episodes, classifier.config.max_frames, seed)
    return encode(classifier, episodes, origin, torch.Generator().manual_seed(seed))


def _fit_and_calibrate(
    classifier: SuccessClassifier,
    frames: EncodedFrames,
    episodes: Sequence[LabelledEpisode],
    seed: int,
    on_step: OnStep | None,
) -> np.ndarray:
    """Give the classifier a head that learned from all frames; return the held-out scores [N] it is calibrated with."""
    config = classifier.config
    scores = cross_validate(classifier, frames, deal_folds(episodes, config.folds, seed), seed, on_step)
    classifier.head = classifier.new_head(seed)
    fit_head(classifier.head, frames, seed, on_step)
    labels = frames.labels.numpy()
    classifier.calibration = calibrate(scores, labels, config.max_false_positive_rate)
    _warn_of_few(int((~labels).sum()), config.max_false_positive_rate)
    return scores


def _warn_of_few(failures: int, max_rate: float) -> None:
    bound = false_positive_bound(0, failures)
    if bound > max_rate:
        _logger.warning(
            "%d failure frames are too few to show a false-positive rate of %.2g%%: with none passing, it is below %.2g%% "
            "with 95%% confidence; record more failures",
            failures,
            100 * max_rate,
            100 * bound,
        )


def _hacking(classifier: SuccessClassifier, frames: EncodedFrames, probability: np.ndarray) -> HackingReport:
    """Return the reward hacking in the encoded frames' episodes; those left out count as not called."""
    judged = []
    for index in np.unique(frames.origin[:, 0]):
        chosen = (frames.origin[:, 0] == index) & (frames.origin[:, 1] > 0)  # the first observation is not rewarded
        judged.append((probability[chosen], frames.labels.numpy()[chosen]))
    return count_hacked(judged, classifier.threshold, classifier.consecutive)
