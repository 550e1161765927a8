"""What acting with SAC needs, and nothing of learning."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from robot_rl.agents.grasp_critic import GraspCritic
from robot_rl.agents.policy_file import POLICY_FILE, read_policy_file
from robot_rl.agents.sac_config import SACConfig
from robot_rl.agents.sight import Sight
from robot_rl.atomic_file import replacing
from robot_rl.data.spec_json import spec_from_json, spec_to_json
from robot_rl.errors import ConfigError
from robot_rl.nn.actor_critic import Actor, CriticEnsemble, Inputs, gather_inputs
from robot_rl.nn.backbone import Backbone, build_backbone
from robot_rl.nn.blocks import set_product_dtype
from robot_rl.nn.distributions import squashed_sample
from robot_rl.nn.encoders import StateEncoder
from robot_rl.nn.visual_encoder import VisualEncoder
from robot_rl.specs import ArraySpec, EnvSpec
from robot_rl.types import Observation


class ActingNetworks(nn.Module):
    """Everything from an observation to an action; critics and clone only where the config chooses among candidates."""

    def __init__(
        self,
        spec: EnvSpec,
        config: SACConfig,
        generator: torch.Generator,
        *,
        backbone: Backbone | None = None,
        mirrored: bool = False,
    ) -> None:
        """Build with random weights.

        Args:
            spec: Of the environment.
            config: Of the agent.
            generator: Draws the weights.
            backbone: Of a frozen camera encoder; None: the pretrained one that the config names.
            mirrored: The task looks the same with left and right exchanged.
        """
        super().__init__()
        if not spec.action.continuous:
            raise ConfigError(f"SAC needs a continuous action dimension; {spec.name!r} has only {spec.action.names}")
        self.sight = Sight(spec, config.vision, generator, backbone=backbone, mirrored=mirrored)
        self.replay_obs = self.sight.replay_obs
        """Observations as replay keeps them."""
        has_state, has_cameras = _has(self.replay_obs, "state/"), _has(self.replay_obs, "image/", "feature/")
        self.encoder = StateEncoder(self.replay_obs, config.fine_scale) if has_state or not has_cameras else None
        self.actor = Actor(
            self.state_dim,
            len(spec.action.continuous),
            config.hidden_dims,
            activation=config.activation,
            layer_norm=config.layer_norm,
            generator=generator,
            eyes=self.build_eyes(config, generator),
        )
        eyes = self.build_eyes(config, generator) if spec.action.discrete else None
        self.grasp = GraspCritic(spec, self.state_dim, config, generator, eyes) if spec.action.discrete else None
        self.critic: CriticEnsemble | None = None
        self.clone: Actor | None = None

    @property
    def state_dim(self) -> int:
        """D."""
        return 0 if self.encoder is None else self.encoder.dim

    def build_eyes(self, config: SACConfig, generator: torch.Generator) -> VisualEncoder | None:
        """Return new eyes for a network of this agent, or None without cameras."""
        has_cameras = _has(self.replay_obs, "image/", "feature/")
        return VisualEncoder(self.replay_obs, config.vision, generator) if has_cameras else None

    def build_critic(self, spec: EnvSpec, config: SACConfig, generator: torch.Generator) -> CriticEnsemble:
        """Return new critics of the continuous action dimensions."""
        return CriticEnsemble(
            config.num_critics,
            self.state_dim,
            len(spec.action.continuous),
            config.hidden_dims,
            activation=config.activation,
            layer_norm=config.layer_norm,
            generator=generator,
            eyes=self.build_eyes(config, generator),
        )

    def inputs(self, obs: Mapping[str, Tensor]) -> Inputs:
        """Return what the networks get of observations [..., *shape] a key, as replay keeps them."""
        keys = () if self.actor.eyes is None else self.actor.eyes.keys
        return gather_inputs(obs, self.encoder, keys)


def _has(obs: Mapping[str, ArraySpec], *prefixes: str) -> bool:
    return any(key.startswith(prefixes) for key in obs)


class SACPolicy:
    """Acts from the networks it is given; their owner says whether they still learn."""

    def __init__(
        self, spec: EnvSpec, config: SACConfig, networks: ActingNetworks, generator: torch.Generator, version: int = 0
    ) -> None:
        self.spec = spec
        self.config = config
        self.version = version
        self.networks = networks
        self.generator = generator
        self._device = generator.device
        self._continuous = list(spec.action.continuous)

    def begin_episode(self) -> None:
        """Nothing is remembered between episodes."""

    @torch.inference_mode()
    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [A] in [-1, 1]; `explore_action` and `eval_action` say how it is chosen."""
        grasp, inputs = self.networks.grasp, self._look(obs)
        continuous = self._choose(inputs, self.config.explore_action if explore else self.config.eval_action)
        if grasp is None:
            return continuous.cpu().numpy()
        action = np.empty(self.spec.action.dim, dtype=np.float32)
        action[self._continuous] = continuous.cpu().numpy()
        action[grasp.indices] = self._grip(grasp, inputs, explore).cpu().numpy()
        return action

    def _look(self, obs: Observation) -> Inputs:
        """Return the networks' inputs of one observation, as a batch of one."""
        return self.networks.inputs({key: value.to(self._device)[None] for key, value in self.networks.sight.look(obs).items()})

    def _choose(self, inputs: Inputs, how: str) -> Tensor:
        """Return continuous actions [Ac]."""
        networks = self.networks
        mean, log_std = networks.actor(networks.actor.see(inputs))
        if how == "mean":
            return torch.tanh(mean)[0]
        count = 1 if how == "sample" else self.config.num_action_candidates
        noise = torch.randn(count, mean.shape[-1], generator=self.generator, device=self._device)
        samples, _ = squashed_sample(mean, log_std, noise)
        if how == "sample" or networks.critic is None:
            return samples[0]
        candidates = [samples, torch.tanh(mean)]
        if networks.clone is not None:
            candidates.append(torch.tanh(networks.clone(networks.clone.see(inputs))[0]))
        return self._best(networks.critic, inputs, torch.cat(candidates))

    def _best(self, critic: CriticEnsemble, inputs: Inputs, actions: Tensor) -> Tensor:
        """Return the one of `actions` [C, Ac] that the critics value most."""
        q = critic(critic.see(inputs).expand(len(actions), -1), actions)  # [N, C]
        value = q.mean(0) if self.config.candidate_q == "mean" else q.amin(0)
        return actions[value.argmax()]

    def _grip(self, grasp: GraspCritic, inputs: Inputs, explore: bool) -> Tensor:
        """Return gripper actions [G]."""
        if explore and torch.rand((), generator=self.generator, device=self._device) < self.config.grasp_epsilon:
            return grasp.decode(torch.randint(grasp.num_commands, (), generator=self.generator, device=self._device))
        return grasp.decode(grasp(grasp.see(inputs))[0].argmax())

    def frozen_copy(self, seed: int) -> SACPolicy:
        """Return a policy with its own weights and its own randomness, computing in float32."""
        networks = copy.deepcopy(self.networks).requires_grad_(False)
        set_product_dtype(networks, torch.float32)
        return SACPolicy(self.spec, self.config, networks, torch.Generator(self._device).manual_seed(seed), self.version)

    def save(self, folder: Path) -> None:
        """Write `policy.safetensors`, whose metadata says what it is, into `folder`, which is created; whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.networks.state_dict().items()}
        about = {"kind": "sac", "version": self.version, "spec": spec_to_json(self.spec), "config": asdict(self.config)}
        with replacing(folder / POLICY_FILE) as temporary:
            save_file(weights, temporary, {"policy": json.dumps(about)})

    @classmethod
    def load(cls, folder: Path, *, seed: int = 0, device: str = "cpu") -> SACPolicy:
        """Read what `save` wrote.

        Raises:
            ConfigError: If the folder holds no SAC policy.
        """
        about, weights = read_policy_file(folder, device)
        if about.get("kind") != "sac":
            raise ConfigError(f"{folder} holds a policy of kind {about.get('kind')!r}, not 'sac'")
        spec, config = spec_from_json(about["spec"]), SACConfig.from_json(about["config"])
        # The backbone's weights are in the file: the package they once came from is not needed.
        networks = ActingNetworks(spec, config, torch.Generator(), backbone=build_backbone(config.vision.backbone))
        if config.chooses_best:
            networks.critic = networks.build_critic(spec, config, torch.Generator())
        if any(name.startswith("clone.") for name in weights):
            networks.clone = copy.deepcopy(networks.actor)
        networks.to(device).load_state_dict(weights)
        generator = torch.Generator(device).manual_seed(seed)
        return cls(spec, config, networks.requires_grad_(False), generator, about["version"])
