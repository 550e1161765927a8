"""Random shifts: an image moves as a whole, by its own offset, and its border is repeated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robot_rl.nn.random_shift import random_shift, shift


def images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def padded_crop(image: np.ndarray, pad: int, down: int, right: int) -> np.ndarray:
    """DrQ in its own words: replicate `pad` px around, crop back at (pad + down, pad + right)."""
    big = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    return big[pad + down : pad + down + image.shape[0], pad + right : pad + right + image.shape[1]]


@pytest.mark.parametrize("channels", [1, 3, 9])
def test_a_shift_is_a_crop_of_the_padded_image(channels):
    x = images(4, 7, 10, channels)
    offsets = torch.tensor([[0, -3, 2, 3], [0, 3, -1, -3]])
    out = shift(x, offsets)
    for index in range(4):
        expected = padded_crop(x[index].numpy(), 3, *offsets[:, index].tolist())
        assert np.array_equal(out[index].numpy(), expected)


def test_every_offset_occurs_and_no_other():
    ramp = torch.arange(15)
    image = (16 * ramp[:, None] + ramp).to(torch.uint8)[:, :, None]  # the value at the centre tells the offset
    out = random_shift(image.expand(2000, -1, -1, -1), 2, torch.Generator().manual_seed(0))
    seen = set((out[:, 7, 7, 0].int() - (16 * 7 + 7)).tolist())
    assert seen == {16 * down + right for down in range(-2, 3) for right in range(-2, 3)}


def test_leading_dimensions_type_and_generator_are_respected():
    x = images(2, 3, 8, 9, 3)
    out = random_shift(x, 4, torch.Generator().manual_seed(1))
    assert out.shape == x.shape
    assert out.dtype == torch.uint8
    assert torch.equal(out, random_shift(x, 4, torch.Generator().manual_seed(1)))
    assert not torch.equal(out, random_shift(x, 4, torch.Generator().manual_seed(2)))
    assert torch.equal(random_shift(x, 0, torch.Generator()), x)
