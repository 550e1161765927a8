"""Laws of the standardisation, and of the vector that the state becomes."""

import pytest
import torch

from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.encoders import StateEncoder
from robot_rl.nn.normalizer import CLIP, MIN_STD, Normalizer
from robot_rl.specs import ArraySpec

SPECS = {"state/b": ArraySpec((2,)), "image/front": ArraySpec((8, 8, 3), "uint8"), "state/a": ArraySpec((1,))}


def test_it_is_the_identity_until_fitted():
    x = torch.randn(5, 3)
    torch.testing.assert_close(Normalizer(3)(x), x)


def test_fitted_data_has_mean_zero_and_deviation_one():
    x = torch.randn(1000, 2) * torch.tensor([0.05, 30.0]) + torch.tensor([0.4, -7.0])
    normalizer = Normalizer(2)
    normalizer.fit(x)
    out = normalizer(x)
    torch.testing.assert_close(out.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std(0, unbiased=False), torch.ones(2), atol=1e-4, rtol=0)


def test_an_entry_that_never_varied_is_not_blown_up():
    normalizer = Normalizer(1)
    normalizer.fit(torch.full((100, 1), 0.3))
    assert normalizer(torch.tensor([0.3 + MIN_STD])).item() == pytest.approx(1.0, rel=1e-4)


def test_a_faulty_reading_is_cut():
    normalizer = Normalizer(1)
    normalizer.fit(torch.randn(100, 1))
    assert normalizer(torch.tensor([1e9])).item() == CLIP


def test_the_vector_is_the_state_in_sorted_order():
    encoder = StateEncoder(SPECS)
    obs = {"state/b": torch.tensor([[2.0, 3.0]]), "state/a": torch.tensor([[1.0]]), "image/front": torch.zeros(1)}
    assert encoder.dim == 3
    assert encoder(obs).tolist() == [[1.0, 2.0, 3.0]]


def test_fitting_uses_the_same_order():
    encoder = StateEncoder(SPECS)
    encoder.fit({"state/a": torch.randn(500, 1) + 5.0, "state/b": torch.randn(500, 2) - 5.0})
    out = encoder({"state/a": torch.full((1, 1), 5.0), "state/b": torch.full((1, 2), -5.0)})
    assert out.abs().max() < 0.5


def test_a_missing_entry_is_named():
    with pytest.raises(SpecMismatch, match="state/b"):
        StateEncoder(SPECS)({"state/a": torch.zeros(1, 1)})


def test_images_alone_are_refused_by_name():
    with pytest.raises(ConfigError, match="image/front"):
        StateEncoder({"image/front": SPECS["image/front"]})
