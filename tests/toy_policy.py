"""Small policies with random weights, saved as a run saves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from robot_rl.agents.sac_config import SACConfig
from robot_rl.agents.sac_policy import ActingNetworks, SACPolicy
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import Observation

STATE = {"state/arm/position": ArraySpec((3,)), "state/gripper/opening": ArraySpec((1,)), "pose/arm": ArraySpec((7,))}
CAMERA = {"image/front": ArraySpec((32, 32, 3), "uint8")}
SPEC = EnvSpec("toy", STATE, ActionSpec(("arm/x", "gripper", "arm/y"), (1,)), 0.1, 20)
SEES = EnvSpec("toy", STATE | CAMERA, SPEC.action, 0.1, 20)
BACKBONE = BackboneConfig(stage=8, pretrained=False)
VISIONS = {
    "cnn": VisionConfig(encoder="cnn", pool="softmax", bottleneck=4),
    "features": VisionConfig(num_crops=1, components=4, bottleneck=4, backbone=BACKBONE),
    "goal": VisionConfig(num_crops=1, components=4, bottleneck=4, backbone=BACKBONE, policy_sees="goal"),
}


def toy_policy(spec: EnvSpec = SPEC, vision: VisionConfig | None = None, seed: int = 0, **config) -> SACPolicy:
    """Return a policy with random weights."""
    settings = SACConfig(hidden_dims=(8, 8), fine_scale=10.0, vision=vision or VisionConfig(), **config)
    rng = np.random.default_rng(seed)
    networks = ActingNetworks(spec, settings, torch.Generator().manual_seed(seed))
    images = {key: rng.integers(0, 255, (6, *entry.shape), np.uint8) for key, entry in spec.obs.items() if key in CAMERA}
    networks.sight.fit_projections(images)
    if networks.sight.goals is not None:
        networks.sight.goals.scale.fill_(0.1)
    if networks.encoder is not None:
        networks.encoder.normalizer.mean.copy_(torch.from_numpy(rng.normal(size=networks.encoder.normalizer.mean.shape)))
    return SACPolicy(spec, settings, networks.requires_grad_(False), torch.Generator().manual_seed(seed), version=7)


def random_observation(spec: EnvSpec, rng: np.random.Generator) -> Observation:
    return {
        key: rng.integers(0, 255, entry.shape, np.uint8)
        if entry.dtype == "uint8"
        else rng.normal(size=entry.shape).astype(np.float32)
        for key, entry in spec.obs.items()
    }


def saved_run(folder: Path, policy: SACPolicy) -> Path:
    """Write the policy as the newest one of a run, and return the run's folder."""
    policy.save(folder / "policy")
    return folder
