"""Seeing on a GPU: the same shifts, and features close to those of the CPU."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_agents import SEEING, VISION

from robot_rl.data.features import Featurizer
from robot_rl.nn.backbone import BackboneConfig, build_backbone
from robot_rl.nn.random_shift import random_shift

pytestmark = pytest.mark.gpu


def images(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_images_are_shifted_as_on_a_cpu():
    frames = torch.from_numpy(images(12)).view(2, 6, 32, 32, 3)
    here = random_shift(frames, 4, torch.Generator().manual_seed(0))
    there = random_shift(frames.cuda(), 4, torch.Generator().manual_seed(0))
    assert there.is_cuda
    assert torch.equal(there.cpu(), here)


def test_shifts_drawn_on_the_device_reach_the_pad_and_no_further():
    rows = torch.arange(32, dtype=torch.uint8)[:, None, None].expand(400, 32, 32, 3).cuda()
    shifted = random_shift(rows, 4, torch.Generator("cuda").manual_seed(0))
    assert (shifted[:, 16].int() - 16).unique().tolist() == list(range(-4, 5))


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("auto", 0.05)])
def test_the_backbone_sees_what_it_sees_on_a_cpu(precision, tolerance):
    here = build_backbone(BackboneConfig(precision="float32"))
    there = build_backbone(BackboneConfig(precision=precision)).to("cuda")
    frames = torch.from_numpy(images(3, 128))
    expected, found = here(frames), there(frames.cuda()).cpu()
    assert (found - expected).norm() <= tolerance * expected.norm()


def test_features_are_those_of_the_cpu():
    config = replace(VISION, num_crops=2)
    here, there = (Featurizer(SEEING.obs, config, backbone=build_backbone(config.backbone)) for _ in range(2))
    here.fit({"image/front": images(16)})
    there.load_state_dict(here.state_dict())
    there.to("cuda")
    obs = {key: np.zeros(entry.shape, entry.dtype) for key, entry in SEEING.obs.items()} | {"image/front": images(1)[0]}
    np.testing.assert_allclose(there.encode(obs)["feature/front"], here.encode(obs)["feature/front"], atol=5e-3, rtol=5e-3)
    central = there.central(obs)["feature/front"]
    assert central.is_cuda
    assert torch.equal(central.cpu(), torch.from_numpy(there.encode(obs)["feature/front"][0]))
    many = there.encode_many([obs] * 3)[2]["feature/front"]
    np.testing.assert_allclose(many, here.encode(obs)["feature/front"], atol=5e-3, rtol=5e-3)


def test_a_projection_fitted_there_is_the_one_fitted_here():
    here, there = (Featurizer(SEEING.obs, VISION, backbone=build_backbone(VISION.backbone)) for _ in range(2))
    there.to("cuda")
    shares = [featurizer.fit({"image/front": images(32)}) for featurizer in (here, there)]
    assert shares[1] == pytest.approx(shares[0], rel=1e-3)
