"""Pooling: what it computes, and that it still knows where things are."""

from __future__ import annotations

import pytest
import torch

from robot_rl.nn.pooling import Flat, Keypoints, SpatialEmbedding, SpatialSoftmax, build_pooling

SHAPE = (3, 4, 6)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def peak(row: int, column: int) -> torch.Tensor:
    """A map that is zero but for a strong channel 1 at one place."""
    x = torch.zeros(1, *SHAPE)
    x[0, 1, row, column] = 50.0
    return x


def test_an_embedding_sums_each_channel_over_the_map_with_its_own_weights():
    pooling = SpatialEmbedding(SHAPE, 5, generator())
    x = torch.randn(7, *SHAPE, generator=generator(1))
    expected = torch.einsum("bchw,chwe->bce", x, pooling.kernel.view(3, 4, 6, 5)).flatten(1)
    assert pooling.dim == 15
    torch.testing.assert_close(pooling(x), expected)


def test_an_embedding_starts_with_outputs_as_large_as_its_inputs():
    x = torch.randn(200, 16, 8, 8, generator=generator(1))
    assert 0.8 < SpatialEmbedding((16, 8, 8), 8, generator())(x).std() < 1.2


def test_an_embedding_is_drawn_from_the_generator_alone():
    first, second, other = (SpatialEmbedding(SHAPE, 5, generator(seed)).kernel for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("row", "column", "x", "y"), [(0, 0, -5 / 6, -3 / 4), (3, 5, 5 / 6, 3 / 4), (0, 5, 5 / 6, -3 / 4), (2, 3, 1 / 6, 1 / 4)]
)
def test_a_softmax_says_right_and_down_of_the_strongest_location(row, column, x, y):
    out = SpatialSoftmax(SHAPE)(peak(row, column)).view(3, 2)
    torch.testing.assert_close(out[1], torch.tensor([x, y]))
    torch.testing.assert_close(out[0], torch.zeros(2), atol=1e-6, rtol=0)  # a channel that sees nothing points at the middle


def test_a_lower_temperature_points_more_sharply():
    pooling = SpatialSoftmax(SHAPE)
    x = 0.02 * peak(0, 0)
    blunt = pooling(x)[0, 2]
    with torch.no_grad():
        pooling.log_temperature.fill_(-2.0)
    assert pooling(x)[0, 2] < blunt < 0


def test_a_keypoint_moves_with_what_it_is_of():
    """The same layers at every place: a thing that is learned of in one place is found in all others."""
    pooling = Keypoints(SHAPE, 1, 4, generator())
    with torch.no_grad():
        pooling.first.weight.zero_()
        pooling.first.weight[0, 1] = 1.0
        pooling.second.weight.zero_()
        pooling.second.weight[0, 0] = 1.0
    for row, column in ((0, 0), (2, 3), (3, 5)):
        x, y, sureness = pooling(peak(row, column))[0]
        torch.testing.assert_close(torch.stack([x, y]), torch.tensor([(2 * column - 5) / 6, (2 * row - 3) / 4]))
        assert sureness > 0.99
    assert pooling(torch.zeros(1, *SHAPE))[0, 2].abs() < 1e-6  # nothing there: in no place, and not sure


def test_flat_keeps_every_number():
    x = torch.randn(2, *SHAPE)
    assert torch.equal(Flat(SHAPE)(x).view(2, *SHAPE), x)


@pytest.mark.parametrize("pool", ["embedding", "softmax", "keypoints", "flat"])
def test_every_pooling_knows_where_things_are_and_learns(pool):
    pooling = build_pooling(pool, SHAPE, embeddings=4, keypoints=6, generator=generator())
    here, there = pooling(peak(1, 1)), pooling(peak(1, 2))
    assert here.shape == (1, pooling.dim)
    assert (here - there).abs().max() > 0.1
    x = torch.randn(5, *SHAPE, generator=generator(1))
    pooling(x).square().sum().backward() if list(pooling.parameters()) else None
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in pooling.parameters())
