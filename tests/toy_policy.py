"""Small policies with random weights, saved as a run saves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.modem_networks import ModemNetworks
from robot_rl.agents.modem_policy import ModemPolicy, Stage
from robot_rl.agents.sac_config import SACConfig
from robot_rl.agents.sac_policy import ActingNetworks, SACPolicy
from robot_rl.agents.sight import Sight
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.nn.encoders import StateEncoder
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
    networks = ActingNetworks(spec, settings, torch.Generator().manual_seed(seed))
    _make_see(networks.sight, networks.encoder, spec, np.random.default_rng(seed))
    return SACPolicy(spec, settings, networks.requires_grad_(False), torch.Generator().manual_seed(seed), version=7)


def toy_modem_policy(
    spec: EnvSpec = SPEC, vision: VisionConfig | None = None, seed: int = 0, *, is_clone: bool = False, **config
) -> ModemPolicy:
    """Return a policy of the world-model agent with random weights; as a clone, with another actor beside it."""
    settings = ModemConfig(
        latent_dim=16,
        encoder_dims=(8,),
        hidden_dims=(8, 8),
        vision=vision or VisionConfig(),
        **{"eval_action": "policy"} | config,
    )
    generator = torch.Generator().manual_seed(seed)
    networks = ModemNetworks(spec, settings, generator)
    _make_see(networks.sight, networks.state, spec, np.random.default_rng(seed))
    with torch.no_grad():  # so that latents tell observations apart, and grippers move
        networks.encoder.mlp[-1].weight.mul_(20.0)  # pyright: ignore[reportArgumentType, reportCallIssue]
        torch.nn.init.normal_(networks.model.actor.head_weight, std=1.5, generator=generator)
    if is_clone:
        networks.keep_clone()
        torch.nn.init.normal_(networks.model.actor.head_weight, generator=generator)
    stage = Stage(is_seeding=is_clone)
    return ModemPolicy(spec, settings, networks.requires_grad_(False), generator, version=7, stage=stage)


def _make_see(sight: Sight, state: StateEncoder | None, spec: EnvSpec, rng: np.random.Generator) -> None:
    images = {key: rng.integers(0, 255, (6, *entry.shape), np.uint8) for key, entry in spec.obs.items() if key in CAMERA}
    sight.fit_projections(images)
    if sight.goals is not None:
        sight.goals.scale.fill_(0.1)
    if state is not None:
        state.normalizer.mean.copy_(torch.from_numpy(rng.normal(size=state.normalizer.mean.shape)))


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
