"""Small agents of every kind, the same on every device, and batches that fit them."""

from dataclasses import replace

import numpy as np
import torch

from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.batch import Batch
from robot_rl.nn.backbone import BackboneConfig, load_backbone
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

STATE = {"state/arm/position": ArraySpec((3,)), "state/gripper/opening": ArraySpec((1,))}
SPEC = EnvSpec("toy", STATE, ActionSpec(("x", "y", "gripper"), discrete=(2,)), control_dt=0.1, max_steps=20)
SEEING = replace(SPEC, obs=STATE | {"image/front": ArraySpec((32, 32, 3), "uint8")})
VISION = VisionConfig(
    backbone=BackboneConfig(num_blocks=1, pretrained=False, precision="float32"), components=4, bottleneck=8, pool="embedding"
)
CONFIG = SACConfig(
    batch_size=16, hidden_dims=(16, 16), num_critics=3, num_min_critics=2, utd_ratio=2.0, bc_weight=1.0, fine_scale=3.0,
    precision="float32", vision=VISION,
)  # fmt: skip
KINDS = {
    "state": (SPEC, replace(CONFIG, bc_q_filter=True, backup_entropy=True, target_clip=(0.0, 1.0))),
    "frozen": (SEEING, CONFIG),
    "cnn": (SEEING, replace(CONFIG, vision=replace(VISION, encoder="cnn"))),
}


def toy_agent(kind: str, device: str = "cpu", **settings) -> SAC:
    """Return an agent that is ready for batches; its weights are drawn on the CPU, alike for every device."""
    spec, config = KINDS[kind]
    load_backbone.cache_clear()  # agents of one process share a backbone, and each takes it to its device
    try:
        agent = SAC(spec, replace(config, **settings), device=device)
    finally:
        load_backbone.cache_clear()
    rng = np.random.default_rng(0)
    if device != "meta":
        agent.set_normalizer({key: rng.normal(size=(32, *STATE[key].shape)).astype(np.float32) for key in STATE})
    return agent


def toy_batch(agent: SAC, seed: int = 0) -> Batch:
    """Return a random batch, on the CPU."""
    generator, size = torch.Generator().manual_seed(seed), agent.config.batch_size

    def noise(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    obs = {key: noise(2, size, *entry.shape) for key, entry in agent.replay_spec.obs.items()}
    for key, entry in agent.replay_spec.obs.items():
        obs[key] = (obs[key] * (255 if entry.dtype == "uint8" else 1)).to(getattr(torch, entry.dtype))
    reward, terminated = ((noise(1, size) < 0.2).float() for _ in range(2))
    discount = torch.full((1, size), agent.config.discount)
    action = noise(1, size, agent.spec.action.dim) * 2 - 1
    return Batch(obs, action, reward, terminated, discount, (noise(size) < 0.5).float())
