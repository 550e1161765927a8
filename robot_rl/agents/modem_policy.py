"""What acting with the world-model agent needs, and nothing of learning."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from robot_rl.agents.budget import fit_budget
from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.modem_networks import ModemNetworks, Snap
from robot_rl.agents.planner import Planner
from robot_rl.agents.policy_file import POLICY_FILE, read_policy_file
from robot_rl.atomic_file import replacing
from robot_rl.data.spec_json import spec_from_json, spec_to_json
from robot_rl.errors import ConfigError
from robot_rl.nn.actor_critic import Inputs
from robot_rl.nn.backbone import build_backbone
from robot_rl.nn.blocks import set_product_dtype
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation

KIND = "modem"


@dataclass(slots=True)
class Stage:
    """How far the agent has come, as far as acting depends on it."""

    is_seeding: bool = True
    """nothing has been learned from acting yet: where there is a clone, it acts"""
    planner_share: float = 1.0
    """probability that what was learned acts while exploring (`explore_action`), instead of the clone"""
    prior_weight: float = 1.0
    """of the policy in what plans are drawn around"""


class ModemPolicy:
    """Plans, reacts, or acts by the clone; their owner says whether the networks still learn."""

    def __init__(
        self,
        spec: EnvSpec,
        config: ModemConfig,
        networks: ModemNetworks,
        generator: torch.Generator,
        version: int = 0,
        stage: Stage | None = None,
    ) -> None:
        self.spec, self.config, self.networks = spec, config, networks
        self.generator, self.version = generator, version
        self.stage = stage or Stage()
        self._device = generator.device
        self.snap = Snap(spec, self._device)
        self.planner = Planner(config.planner, config.discount, spec.action.dim, self._device, self.snap)
        self._learned_drives: bool | None = None

    def begin_episode(self) -> None:
        """Forget the last plan, and who acted."""
        self.planner.begin_episode()
        self._learned_drives = None

    @torch.inference_mode()
    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [A] in [-1, 1].

        Exploring, the clone acts or whom `explore_action` names, as the stage says; measured or deployed, whom `eval_action`
        names. Before anything was learned from acting it is the clone in any case, if there is one.
        """
        networks = self.networks
        looked = {key: value.to(self._device)[None] for key, value in networks.sight.look(obs).items()}
        inputs = networks.inputs(looked)
        is_clones_turn = self.stage.is_seeding or (explore and not self._is_learned_turn())
        if networks.clone is not None and is_clones_turn:
            mean, log_std = networks.clone(inputs)
            return self._sampled(mean, log_std, explore).cpu().numpy()
        return self._learned(inputs, explore).cpu().numpy()

    def _learned(self, inputs: Inputs, explore: bool) -> Tensor:
        """Return the action [A] of planner or policy, whoever acts."""
        config, networks = self.config, self.networks
        who, draws = (config.explore_action, True) if explore else (config.eval_action, config.eval_sampled)
        if who == "policy":
            return self._sampled(*networks.react(inputs), draws)
        z = networks.encoder(inputs)[0]
        plan = self.planner.plan(networks.model, z, self.stage.prior_weight, self.generator, explore=draws)
        if who == "unanimous":
            mean, log_std = networks.react(inputs)
            if not self.planner.all_prefer(networks.model, z, plan.actions, self._sampled(mean, log_std, explore=False)):
                return self._sampled(mean, log_std, draws)
        return plan.action

    def _sampled(self, mean: Tensor, log_std: Tensor, explore: bool) -> Tensor:
        """Return an action [A] of a policy that says [1, A] each."""
        if explore:
            mean = mean + log_std.exp() * torch.randn(mean.shape, generator=self.generator, device=self._device)
        return self.snap(torch.tanh(mean))[0]

    def _is_learned_turn(self) -> bool:
        """Draw who acts now, or find who was drawn at the episode's first step."""
        share = self.stage.planner_share
        if share >= 1.0 or self.networks.clone is None:
            return True
        if self._learned_drives is None or self.config.handover.by == "step":
            self._learned_drives = bool(torch.rand((), generator=self.generator, device=self._device) < share)
        return self._learned_drives

    def meet_deadline(self) -> float:
        """Plan no more than is ready within `planner.within_s` on this device; return the s that one takes (`fit_budget`).

        Nothing is measured, and 0 returned, where no plan is made.

        Raises:
            ConfigError: If that cannot be.
        """
        who = {self.config.explore_action, self.config.eval_action}
        if who == {"policy"}:
            return 0.0
        return fit_budget(self.planner, self.networks.model, compares="unanimous" in who)

    def frozen_copy(self, seed: int) -> ModemPolicy:
        """Return a policy with its own weights and its own randomness, computing in float32."""
        networks = copy.deepcopy(self.networks).requires_grad_(False)
        set_product_dtype(networks, torch.float32)
        generator = torch.Generator(self._device).manual_seed(seed)
        policy = ModemPolicy(self.spec, self.config, networks, generator, self.version, copy.copy(self.stage))
        policy.planner.config = self.planner.config  # as far as the deadline allows
        return policy

    def save(self, folder: Path) -> None:
        """Write `policy.safetensors`, whose metadata says what it is, into `folder`, which is created; whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.networks.state_dict().items()}
        about = {
            "kind": KIND,
            "version": self.version,
            "spec": spec_to_json(self.spec),
            "config": asdict(self.config),
            "stage": asdict(self.stage),
        }
        with replacing(folder / POLICY_FILE) as temporary:
            save_file(weights, temporary, {"policy": json.dumps(about)})

    @classmethod
    def load(cls, folder: Path, *, seed: int = 0, device: str = "cpu") -> ModemPolicy:
        """Read what `save` wrote.

        Raises:
            ConfigError: If the folder holds no policy of this kind, or its plans are late on this device (`meet_deadline`).
        """
        about, weights = read_policy_file(folder, device)
        if about.get("kind") != KIND:
            raise ConfigError(f"{folder} holds a policy of kind {about.get('kind')!r}, not {KIND!r}")
        spec, config = spec_from_json(about["spec"]), ModemConfig.from_json(about["config"])
        networks = ModemNetworks(spec, config, torch.Generator(), backbone=build_backbone(config.vision.backbone))
        if any(name.startswith("clone.") for name in weights):
            networks.keep_clone()
        networks.to(device).load_state_dict(weights)
        generator = torch.Generator(device).manual_seed(seed)
        policy = cls(spec, config, networks.requires_grad_(False), generator, about["version"], Stage(**about["stage"]))
        policy.meet_deadline()
        return policy
