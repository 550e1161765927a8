"""Laws of probabilities and thresholds."""

import numpy as np
import pytest
import torch

from robot_rl.rewards.augmentation import augment
from robot_rl.rewards.calibration import (
    Calibration,
    allowed_false_positives,
    calibrate,
    choose_threshold,
    false_positive_bound,
    reliability,
)
from robot_rl.rewards.scores import area_under_curve, score


def overlapping(count, seed=0, scale=1.0, share=0.5):
    """Scores whose true log odds are `scale` times the score, plus the prior's."""
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < share
    return rng.normal(np.where(labels, 1.0, -1.0), 1.0) * 2.0 / scale, labels


def test_temperature_and_offset_recover_the_true_log_odds():
    scores, labels = overlapping(40_000, scale=4.0, share=0.1)
    calibration = calibrate(scores, labels, 0.005)
    assert calibration.temperature == pytest.approx(0.25, rel=0.05)
    assert calibration.offset == pytest.approx(np.log(0.1 / 0.9), abs=0.1)
    for probability, share, frames in reliability(calibration.probability(scores), labels):
        assert share == pytest.approx(probability, abs=4 * np.sqrt(0.25 / frames))


def test_perfect_separation_does_not_ask_for_infinite_confidence():
    labels = np.arange(100) >= 50
    calibration = calibrate(np.where(labels, 3.0, -3.0), labels, 0.005)
    assert calibration.probability(np.array([3.0]))[0] == pytest.approx(51 / 52, abs=0.005)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_rate", [0.001, 0.005, 0.05])
def test_the_threshold_keeps_the_upper_bound_of_the_rate_or_lets_nothing_pass(max_rate, seed):
    logits, labels = overlapping(3000, seed)
    threshold = choose_threshold(logits, labels, max_rate)
    passing, failures = int((logits[~labels] >= threshold).sum()), int((~labels).sum())
    assert passing == 0 or false_positive_bound(passing, failures) <= max_rate
    assert threshold >= 0.0
    if max_rate == 0.05:  # a looser demand is used, not wasted
        assert false_positive_bound(passing + 2, failures) > max_rate


def test_few_failures_allow_none_and_the_threshold_lies_between_the_classes():
    assert allowed_false_positives(100, 0.005) == 0
    assert allowed_false_positives(2000, 0.005) == 4
    logits, labels = np.array([-4.0, -2.0, 1.0, 4.0, 5.0]), np.array([False, False, False, True, True])
    assert choose_threshold(logits, labels, 0.005) == 2.5
    assert choose_threshold(logits - 4.0, labels, 0.005) == 0.0


def test_the_area_under_the_curve_counts_pairs_and_ties_half():
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    above = scores[labels][:, None] - scores[~labels]
    assert area_under_curve(scores, labels) == pytest.approx(float(((above > 0) + 0.5 * (above == 0)).mean()))
    assert area_under_curve(scores, np.ones(60, bool)) is None


def test_scores_are_counted_at_the_threshold():
    probability, labels = np.array([0.1, 0.6, 0.7, 0.8, 0.95]), np.array([False, False, True, False, True])
    scores = score(probability, labels, 0.7)
    assert (scores.frames, scores.positives, scores.false_positives) == (5, 2, 1)
    assert scores.accuracy == 0.8
    assert (scores.precision, scores.recall, scores.false_positive_rate) == (2 / 3, 1.0, 1 / 3)
    assert score(probability, labels, 0.99).precision is None


def test_a_calibrated_probability_is_one_half_where_score_and_offset_cancel():
    assert Calibration(2.0, -1.5).probability(np.array([3.0]))[0] == 0.5


def test_augmented_images_are_shifted_and_lit_differently_each():
    images = torch.full((40, 12, 12, 3), 100, dtype=torch.uint8)
    images[:, 6, 6] = 200
    out = augment(images, 2, 0.0, torch.Generator().manual_seed(0))
    places = {tuple(torch.nonzero(image[..., 0] == 200)[0].tolist()) for image in out}
    assert places <= {(row, column) for row in range(4, 9) for column in range(4, 9)}
    assert len(places) > 10
    lit = augment(images, 0, 0.2, torch.Generator().manual_seed(0))[:, 0, 0, 0].float()
    assert lit.min() < 90
    assert lit.max() > 110
    assert (lit >= 75).all()
    assert (lit <= 125).all()
    assert torch.equal(augment(images, 0, 0.0, torch.Generator()), images)
