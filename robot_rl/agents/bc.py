"""Behaviour cloning, the baseline that reinforcement learning has to beat."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.flat_state import join, part
from robot_rl.agents.lazy_metrics import LazyMetrics
from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.blocks import MLP, Activation
from robot_rl.nn.encoders import StateEncoder
from robot_rl.nn.optimizer import Adam
from robot_rl.specs import EnvSpec
from robot_rl.types import Metrics, Observation


@dataclass(frozen=True, slots=True)
class BCConfig:
    """The network is SAC's actor without its standard deviation."""

    batch_size: int = 256
    """transitions an update"""
    hidden_dims: tuple[int, ...] = (256, 256)
    """widths of the hidden layers"""
    activation: Activation = "relu"
    """non-linearity after each hidden layer"""
    layer_norm: bool = True
    """normalise before each non-linearity"""
    lr: float = 3e-4
    """Adam's step size"""
    explore_std: float = 0.1
    """standard deviation of the noise on exploring actions"""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not self.hidden_dims or self.lr <= 0.0 or self.explore_std < 0.0:
            raise ConfigError(f"{self}: sizes and lr must be positive, explore_std not negative")


class BCPolicy:
    """Acts by the mean action."""

    def __init__(self, spec: EnvSpec, config: BCConfig, networks: nn.ModuleDict, generator: torch.Generator) -> None:
        self.version = 0
        self.networks = networks
        self.generator = generator
        self._config = config
        self._discrete = list(spec.action.discrete)

    def begin_episode(self) -> None:
        """Nothing is remembered between episodes."""

    @torch.inference_mode()
    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [A] in [-1, 1], with noise if `explore`. Discrete dimensions come as -1, 0 or 1."""
        device = self.generator.device
        x = self.networks["encoder"](
            {key: torch.as_tensor(value, dtype=torch.float32, device=device) for key, value in obs.items()}
        )
        action = torch.tanh(self.networks["actor"](x))
        if explore:
            noise = torch.randn(action.shape, generator=self.generator, device=device)
            action = (action + self._config.explore_std * noise).clamp(-1.0, 1.0)
        action[self._discrete] = (action[self._discrete] * 2.0).trunc().sign()
        return action.cpu().numpy()


class BC:
    """Fits the mean action to the demonstrated one by squared error, the gripper's included."""

    def __init__(self, spec: EnvSpec, config: BCConfig | None = None, *, seed: int = 0, device: str = "cpu") -> None:
        self.spec = spec
        self.config = config = config or BCConfig()
        self.seed = seed
        self.version = 0
        self.batch_spec = BatchSpec(config.batch_size)
        encoder = StateEncoder(spec.obs)
        actor = MLP(
            encoder.dim,
            config.hidden_dims,
            spec.action.dim,
            activation=config.activation,
            layer_norm=config.layer_norm,
            generator=torch.Generator().manual_seed(seed),
        )
        self._encoder = encoder
        self.networks = nn.ModuleDict({"encoder": encoder, "actor": actor}).to(device)
        self._acting = BCPolicy(spec, config, self.networks, torch.Generator(device).manual_seed(seed))
        self._optimizer = Adam(actor.parameters(), config.lr)

    def set_normalizer(self, obs: Mapping[str, np.ndarray | Tensor]) -> None:
        """Fix the standardisation of the state from demonstrated observations [T, D_key] a key."""
        self._encoder.fit({key: torch.as_tensor(value) for key, value in obs.items()})

    def begin_episode(self) -> None:
        """Nothing is remembered between episodes."""

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [A] in [-1, 1]."""
        return self._acting.act(obs, explore=explore)

    def update(self, batches: Iterator[Batch]) -> Metrics:
        """Take one batch of demonstrations and one step."""
        batch = next(batches)
        x = self.networks["encoder"]({key: value[0] for key, value in batch.obs.items()})
        loss = F.mse_loss(torch.tanh(self.networks["actor"](x)), batch.action[0])
        self._optimizer.minimize(loss)
        self.version += 1
        return LazyMetrics({"clone/mse": loss.detach()})

    def policy(self) -> BCPolicy:
        """Return a frozen copy to act with. Its randomness depends on seed and version alone."""
        networks = copy.deepcopy(self.networks).requires_grad_(False)
        generator = torch.Generator(self._acting.generator.device).manual_seed(self.seed + 1_000_003 * self.version)
        policy = BCPolicy(self.spec, self.config, networks, generator)
        policy.version = self.version
        return policy

    def state_dict(self) -> dict[str, Any]:
        """Return everything as one flat dict of tensors."""
        state = join({"networks": self.networks.state_dict(), "optimizer": self._optimizer.state_dict()})
        return state | {"generator": self._acting.generator.get_state(), "version": torch.tensor(self.version)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            SpecMismatch: If the state is of an agent with another network.
        """
        try:
            self.networks.load_state_dict(part(state, "networks"))
            self._optimizer.load_state_dict(part(state, "optimizer"))
        except (RuntimeError, KeyError) as error:
            raise SpecMismatch(f"the saved agent has another network: {error}") from error
        self._acting.generator.set_state(state["generator"].cpu())
        self.version = int(state["version"])
