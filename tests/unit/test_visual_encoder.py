"""The trainable part of seeing: many cameras, both encoders, gradients everywhere."""

from __future__ import annotations

import pytest
import torch

from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.small_cnn import SmallCNN
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.nn.visual_encoder import VisualEncoder
from robot_rl.specs import ArraySpec

FEATURES = {
    "feature/wrist": ArraySpec((6, 4, 4), "float16"),
    "feature/front": ArraySpec((5, 3, 8), "float16"),
    "state/arm/position": ArraySpec((3,)),
}
IMAGES = {
    "image/wrist": ArraySpec((32, 32, 9), "uint8"),  # a stack of three frames
    "image/front": ArraySpec((48, 64, 4), "uint8"),  # colour and depth
    "state/arm/position": ArraySpec((3,)),
}


def build(obs, seed: int = 0, **settings) -> VisualEncoder:
    return VisualEncoder(obs, VisionConfig(bottleneck=7, **settings), torch.Generator().manual_seed(seed))


def observe(obs, *leading: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    views = {key: entry for key, entry in obs.items() if not key.startswith("state/")}
    return {
        key: torch.randint(0, 256, (*leading, *entry.shape), generator=generator).to(torch.uint8)
        if entry.dtype == "uint8"
        else torch.randn(*leading, *entry.shape, generator=generator).half()
        for key, entry in views.items()
    }


@pytest.mark.parametrize("leading", [(), (5,), (2, 5)])
@pytest.mark.parametrize(("obs", "encoder"), [(FEATURES, "frozen"), (IMAGES, "cnn")])
def test_cameras_of_different_sizes_become_one_vector(obs, encoder, leading):
    eyes = build(obs, encoder=encoder)
    out = eyes(observe(obs, *leading))
    assert eyes.dim == 14
    assert out.shape == (*leading, 14)
    assert out.dtype == torch.float32
    assert out.abs().max() <= 1.0


@pytest.mark.parametrize("pool", ["embedding", "softmax", "flat"])
@pytest.mark.parametrize(("obs", "encoder"), [(FEATURES, "frozen"), (IMAGES, "cnn")])
def test_every_parameter_receives_a_gradient(obs, encoder, pool):
    eyes = build(obs, encoder=encoder, pool=pool)
    weights = torch.randn(eyes.dim, generator=torch.Generator().manual_seed(1))
    (eyes(observe(obs, 8)) * weights).sum().backward()
    idle = [name for name, value in eyes.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert idle == []


def test_each_camera_fills_its_own_part_in_sorted_order():
    eyes = build(FEATURES)
    assert eyes.keys == ("feature/front", "feature/wrist")
    obs = observe(FEATURES, 3)
    changed = eyes({**obs, "feature/wrist": obs["feature/wrist"] + 1.0}) - eyes(obs)
    assert torch.equal(changed[:, :7], torch.zeros(3, 7))
    assert changed[:, 7:].abs().sum() > 0


def test_windows_are_seen_step_by_step():
    eyes = build(FEATURES)
    obs = observe(FEATURES, 2, 5)
    torch.testing.assert_close(eyes(obs)[1], eyes({key: value[1] for key, value in obs.items()}))


def test_weights_come_from_the_generator_alone():
    obs = observe(IMAGES, 2)
    first, second, other = (build(IMAGES, seed, encoder="cnn")(obs) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_frames_are_shifted_only_while_training_and_features_never():
    generator = torch.Generator().manual_seed(0)
    for obs, encoder, is_shifted in ((IMAGES, "cnn", True), (FEATURES, "frozen", False)):
        eyes, views = build(obs, encoder=encoder), observe(obs, 4)
        assert torch.equal(eyes(views), eyes(views))
        assert torch.equal(eyes(views, generator), eyes(views)) is not is_shifted


@pytest.mark.parametrize("size", [(16, 16), (32, 40), (84, 84), (128, 128), (120, 160), (256, 256), (480, 640)])
def test_the_cnn_leaves_eight_to_fifteen_locations(size):
    cnn = SmallCNN((*size, 3), torch.Generator().manual_seed(0))
    out = cnn(torch.zeros(1, *size, 3, dtype=torch.uint8))
    assert tuple(out.shape[1:]) == cnn.out_shape
    assert 8 <= min(cnn.out_shape[1:]) <= 15


def test_what_cannot_be_looked_at_is_refused():
    with pytest.raises(ConfigError, match="encoder 'cnn' looks at image/<camera>, and there is only feature/front"):
        build(FEATURES, encoder="cnn")
    with pytest.raises(SpecMismatch, match="'feature/front' has shape"):
        build({"feature/front": ArraySpec((12,))})
    with pytest.raises(ConfigError, match="8x64 px are too small"):
        build({"image/front": ArraySpec((8, 64, 3), "uint8")}, encoder="cnn")
    with pytest.raises(SpecMismatch, match="lacks 'feature/wrist'"):
        build(FEATURES)({"feature/front": torch.zeros(5, 3, 8)})
    with pytest.raises(ConfigError, match="bottleneck is 0"):
        VisionConfig(bottleneck=0)
