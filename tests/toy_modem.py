"""Small world-model agents, batches for them, and a run of one."""

from dataclasses import replace

import numpy as np
import torch
from toy_agents import SEEING, STATE, VISION
from toy_agents import SPEC as HYBRID
from toy_run import CONFIG

from robot_rl.agents.modem import Modem
from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.planner_config import PlannerConfig
from robot_rl.data.batch import Batch
from robot_rl.nn.backbone import load_backbone
from robot_rl.specs import ActionSpec

SPEC = replace(HYBRID, action=ActionSpec(("x", "y", "gripper")))
PLANNER = PlannerConfig(num_samples=16, num_elites=4, num_pi_trajs=4, num_iterations=2)
SMALL = ModemConfig(
    batch_size=8, latent_dim=12, simnorm_dim=4, encoder_dims=(16,), hidden_dims=(16,), num_critics=4, num_bins=21,
    bin_limit=3.0, lr=1e-3, precision="float32", vision=VISION, planner=PLANNER,
)  # fmt: skip
RUN = replace(CONFIG, agent="modem", modem=SMALL)
SPECS = {
    "state": SPEC,
    "hybrid": HYBRID,
    "frozen": SEEING,
    "cnn": replace(SEEING, action=SPEC.action),
    "two_cameras": replace(SEEING, obs=SEEING.obs | {"image/wrist": SEEING.obs["image/front"]}),
    "cameras_alone": replace(SEEING, obs={"image/front": SEEING.obs["image/front"]}),
}
KEEP_STATE = ("hybrid", "two_cameras", "cameras_alone")


def toy_modem(kind="state", *, device="cpu", seed=0, **settings):
    """Return an agent that is ready for batches; its weights are drawn on the CPU, alike for every device."""
    settings = {"keep_state": kind in KEEP_STATE} | settings
    vision = replace(VISION, encoder="frozen" if kind == "frozen" else "cnn")
    load_backbone.cache_clear()  # agents of one process share a backbone, and each takes it to its device
    agent = Modem(SPECS[kind], replace(SMALL, vision=vision, **settings), seed=seed, device=device)
    if device == "meta":
        return agent
    rng = np.random.default_rng(0)
    agent.set_normalizer({key: rng.normal(size=(32, *STATE[key].shape)).astype(np.float32) for key in STATE})
    images = {key: rng.integers(0, 255, (8, 32, 32, 3)).astype(np.uint8) for key in agent.spec.obs if "image/" in key}
    agent.networks.sight.fit_projections(images)
    return agent


def toy_windows(agent, seed=0, *, demo=None):
    """Return a random batch of windows, some of which reach beyond the end of their episode."""
    generator, size, horizon = torch.Generator().manual_seed(seed), agent.config.batch_size, agent.config.horizon

    def noise(*shape):
        return torch.rand(*shape, generator=generator)

    obs = {key: noise(horizon + 1, size, *entry.shape) for key, entry in agent.replay_spec.obs.items()}
    for key, entry in agent.replay_spec.obs.items():
        obs[key] = (obs[key] * (255 if entry.dtype == "uint8" else 1)).to(getattr(torch, entry.dtype))
    inside = torch.ones(horizon, size)
    inside[1:, ::4] = 0.0
    terminated = torch.zeros(horizon, size)
    terminated[0, ::4] = 1.0
    action = noise(horizon, size, agent.spec.action.dim) * 2.0 - 1.0
    is_demo = (noise(size) < 0.5).float() if demo is None else torch.full((size,), float(demo))
    return Batch(obs, action, terminated.clone(), terminated, torch.ones(horizon, size), is_demo, inside)


def toy_obs(agent, seed=0):
    """Return one observation of the agent's environment."""
    rng = np.random.default_rng(seed)
    return {
        key: rng.integers(0, 255, entry.shape).astype(np.uint8)
        if entry.dtype == "uint8"
        else rng.normal(size=entry.shape).astype(np.float32)
        for key, entry in agent.spec.obs.items()
    }
