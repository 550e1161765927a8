"""Holes in feature maps: how many, and that what is left keeps its size on average."""

import pytest
import torch

from robot_rl.nn.hidden_places import hide_places


def generator():
    return torch.Generator().manual_seed(0)


def test_the_share_of_places_and_of_channels_is_hidden():
    features = torch.ones(2, 200, 16, 8, 8, dtype=torch.float16)
    seen = hide_places(features, 0.25, generator()) > 0
    assert (~seen.any(2)).float().mean().item() == pytest.approx(0.25, abs=0.02)  # of places, all channels at once
    assert (~seen.flatten(-2).any(-1)).float().mean().item() == pytest.approx(0.25, abs=0.02)  # of channels, everywhere


def test_what_is_hidden_is_made_up_for():
    features = torch.rand(4000, 3, 4, 4, generator=generator()) + 1.0
    torch.testing.assert_close(hide_places(features, 0.2, generator()).mean(0), features.mean(0), rtol=0.1, atol=0.0)


def test_each_map_has_holes_of_its_own():
    seen = hide_places(torch.ones(2, 2, 4, 8, 8), 0.5, generator()) > 0
    assert len({tuple(one.flatten().tolist()) for one in seen.flatten(0, 1)}) == 4


def test_nothing_is_hidden_at_share_zero():
    features = torch.rand(3, 2, 4, 4)
    assert torch.equal(hide_places(features, 0.0, generator()), features)
