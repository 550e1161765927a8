"""The agents that a run can be of."""

from __future__ import annotations

from robot_rl.agents.modem import Modem
from robot_rl.agents.sac import SAC
from robot_rl.specs import EnvSpec
from robot_rl.training.config import TrainConfig

Learner = SAC | Modem
"""What the training loop can drive: cloned, settled, updated once an environment step, and saved whole."""


def build_agent(config: TrainConfig, spec: EnvSpec, device: str) -> Learner:
    """Return the agent that the run's settings ask for, knowing nothing yet."""
    mirrored = "y" in config.mirror
    if config.agent == "modem":
        return Modem(spec, config.modem, seed=config.seed, device=device, mirrored=mirrored)
    return SAC(spec, config.sac, seed=config.seed, device=device, mirrored=mirrored)
