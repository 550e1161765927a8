"""What an agent expects of the state that it is in, for people who watch it."""

from __future__ import annotations

import numpy as np
import torch

from robot_rl.agents.modem import Modem
from robot_rl.agents.sac import SAC
from robot_rl.types import Observation


@torch.inference_mode()
def state_value(agent: SAC | Modem, obs: Observation, action: np.ndarray) -> float:
    """Return the mean of the critics' values of `action` [A] in `obs`. Costs about as much as acting without a plan."""
    if isinstance(agent, Modem):
        return agent.state_value(obs, action)
    networks, device = agent.networks, agent.log_alpha.device
    inputs = networks.inputs({key: value.to(device)[None] for key, value in networks.sight.look(obs).items()})
    motion = torch.as_tensor(action[list(agent.spec.action.continuous)], device=device)[None]
    return float(agent.critic(agent.critic.see(inputs), motion).mean())
