"""A world model bootstrapped from demonstrations: TD-MPC2's model and planner, started and held the way MoDem-V2 starts."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.augmented import augmented
from robot_rl.agents.flat_state import join, part
from robot_rl.agents.handover import Handover
from robot_rl.agents.lazy_metrics import LazyMetrics
from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.modem_networks import ModemNetworks
from robot_rl.agents.modem_policy import ModemPolicy
from robot_rl.agents.seeing import Seeing
from robot_rl.agents.targets import lambda_target
from robot_rl.agents.windows import Windows, at, step_weights
from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.errors import SpecMismatch
from robot_rl.nn.blocks import set_product_dtype
from robot_rl.nn.distributions import squashed_sample
from robot_rl.nn.memory import keep_freed_memory
from robot_rl.nn.optimizer import Adam, clip_norm, polyak_
from robot_rl.nn.precision import product_dtype
from robot_rl.nn.running_scale import RunningScale
from robot_rl.specs import EnvSpec
from robot_rl.types import Metrics, Observation


class Modem(Seeing[ModemNetworks]):
    """Learns from windows of consecutive steps; acts through the same `ModemPolicy` that it hands out."""

    def __init__(
        self,
        spec: EnvSpec,
        config: ModemConfig | None = None,
        *,
        seed: int = 0,
        device: str = "cpu",
        mirrored: bool = False,
    ) -> None:
        """Build the networks.

        Args:
            spec: Of the environment.
            config: Defaults if None.
            seed: Of weights, plans and draws.
            device: Where to learn.
            mirrored: The task looks the same with left and right exchanged: pictures count twice.
        """
        if device == "cpu":
            keep_freed_memory()
        self.spec = spec
        self.config = config = config or ModemConfig()
        self.seed = seed
        self.batch_spec = BatchSpec(config.batch_size, config.horizon, discount=config.discount, overhang=True)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.env_steps = 0
        """environment steps that have been learnt from"""
        self.critic_updates = 0
        """updates of the whole agent, of which its critics are a part"""
        self._owed = 0.0

        # Networks
        init = torch.Generator().manual_seed(seed)
        self.networks = ModemNetworks(spec, config, init, mirrored=mirrored).to(device)
        self._product_dtype = product_dtype(config.precision, device)
        set_product_dtype(self.networks, self._product_dtype)
        set_product_dtype(self.networks.sight, torch.float32)
        self.encoder, self.model = self.networks.encoder, self.networks.model
        self.target_critic = copy.deepcopy(self.model.critic).requires_grad_(False)
        self.scale = RunningScale(config.scale_tau, config.scale_least).to(device)
        self.handover = Handover(config.handover)
        self._acting = ModemPolicy(spec, config, self.networks, self.generator)
        self.snap = self._acting.snap

        # Optimizers
        self._encoder_params = list(self.encoder.parameters())
        self._model_params = [value for name, value in self.model.named_parameters() if not name.startswith("actor.")]
        self._encoder_optimizer = Adam(self._encoder_params, config.lr * config.encoder_lr_scale)
        self._model_optimizer = Adam(self._model_params, config.lr)
        self._actor_optimizer = Adam(self.model.actor.parameters(), config.lr)

    # Acting

    @property
    def version(self) -> int:
        """Updates so far."""
        return self.critic_updates

    def begin_episode(self) -> None:
        """Forget the last plan."""
        self._acting.begin_episode()

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [A] in [-1, 1] from the networks as they are now."""
        self._tell_stage()
        return self._acting.act(obs, explore=explore)

    def policy(self) -> ModemPolicy:
        """Return a frozen copy to act with. Its randomness depends on seed and version alone."""
        self._tell_stage()
        self._acting.version = self.version
        return self._acting.frozen_copy(seed=self.seed + 1_000_003 * self.version)

    def meet_deadline(self) -> float:
        """Plan no more than is ready in time on this device; as `ModemPolicy.meet_deadline`."""
        return self._acting.meet_deadline()

    def measured(self, success_rate: float) -> None:
        """Take note of how often `policy()` succeeded when it was measured: the gate of the handover goes by it."""
        self.handover.measured(success_rate, self.env_steps)

    @torch.inference_mode()
    def state_value(self, obs: Observation, action: np.ndarray) -> float:
        """Return the mean of the critics' values of `action` [A] in `obs`."""
        looked = {key: value.to(self.generator.device)[None] for key, value in self.networks.sight.look(obs).items()}
        z = self.encoder(self.networks.inputs(looked))
        return float(self.model.values(z, torch.as_tensor(action, device=z.device)[None]).mean())

    def _tell_stage(self) -> None:
        stage = self._acting.stage
        stage.is_seeding = self.env_steps == 0
        stage.planner_share = self.handover.share(self.env_steps)
        stage.prior_weight = self.config.planner.prior_weight(self.env_steps)

    def set_normalizer(self, obs: Mapping[str, np.ndarray | Tensor]) -> None:
        """Fix the standardisation of the state from observations [T, D_key] a key: demonstrations, or random steps."""
        state = self.networks.state
        if state is not None:
            state.fit({key: torch.as_tensor(obs[key]) for key in state.keys if key in obs})

    # Learning

    def update(self, batches: Iterator[Batch]) -> Metrics:
        """Do what one environment step owes: `utd_ratio` updates of model and policy, each on its own batch."""
        metrics: dict[str, Tensor] = {}
        self.env_steps += 1
        self._owed += self.config.utd_ratio
        bc_weight = self.config.bc_weight_at(self.env_steps)
        while self._owed > 1.0 - 1e-9:  # ten times 0.1 is one
            self._owed -= 1.0
            windows = self._prepare(next(batches))
            latents, metrics = self._update_model(windows)
            metrics |= self._update_policy(windows, latents, bc_weight)
            self.networks.follow(self.config.average_tau)
        return LazyMetrics(metrics)

    def pretrain_actor(self, batches: Iterator[Batch], steps: int) -> Metrics:
        """Clone demonstrated actions for `steps` updates, and learn the model from the same windows; then keep the clone.

        Encoder and dynamics learn from the cloning too, so that latents tell what the demonstrator went by. The target
        critics are the critics themselves afterwards.
        """
        metrics: dict[str, Tensor] = {}
        for _ in range(steps):
            windows = self._prepare(next(batches), noise=self.config.clone_noise)
            loss, latents, metrics = self._model_loss(windows, only_latents=not self.config.pretrain_model)
            cloning, mse = self._cloning_loss(windows, latents)
            self._minimize(loss + cloning, with_actor=True)
            metrics["clone/mse"] = mse
        self._follow(1.0)
        self.networks.follow(1.0)
        self.networks.keep_clone()
        return LazyMetrics(metrics)

    def pretrain_critic(self, batches: Iterator[Batch], steps: int) -> Metrics:
        """Learn the model from all windows for `steps` updates, while the policy stays with the demonstrations."""
        metrics: dict[str, Tensor] = {}
        for _ in range(steps):
            windows = self._prepare(next(batches))
            loss, latents, metrics = self._model_loss(windows)
            cloning, metrics["clone/mse"] = self._cloning_loss(windows, latents)
            self._minimize(loss + cloning, with_actor=True)
            self._follow(self.config.tau)
            self.networks.follow(self.config.average_tau)
            self.critic_updates += 1
        return LazyMetrics(metrics)

    def _prepare(self, batch: Batch, noise: float = 0.0) -> Windows:
        horizon = self.config.horizon
        if len(batch.action) != horizon:
            raise SpecMismatch(f"this agent learns from windows of {horizon} steps; got {len(batch.action)}")
        device = self.generator.device
        obs = {key: value.to(device, non_blocking=True) for key, value in batch.obs.items()}
        inputs = self.networks.inputs(augmented(obs, self.config.vision, self.generator, self._product_dtype))
        if noise > 0.0:
            inputs = replace(inputs, state=inputs.state + noise * self._noise(inputs.state.shape))
        inside = torch.ones_like(batch.reward) if batch.inside is None else batch.inside
        return Windows(
            inputs=inputs,
            action=batch.action.to(device),
            reward=batch.reward.to(device),
            terminated=batch.terminated.to(device),
            weight=step_weights(inside.to(device), self.config.rho),
            is_demo=batch.is_demo.to(device),
        )

    # Model

    def _update_model(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        loss, latents, metrics = self._model_loss(windows)
        metrics["model/grad_norm"] = self._minimize(loss)
        self._follow(self.config.tau)
        self.critic_updates += 1
        return latents.detach(), metrics

    def _model_loss(self, windows: Windows, *, only_latents: bool = False) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the loss, the latents [H, B, Z] in which the actions were taken, as the model predicts them, and metrics."""
        config, model, action = self.config, self.model, windows.action
        with torch.no_grad():
            following = self.encoder(at(windows.inputs, slice(1, None)))  # [H, B, Z], what the model should predict
        latents = [self.encoder(at(windows.inputs, 0))]
        for step_action in action:
            latents.append(model.next(latents[-1], step_action))
        before, after = torch.stack(latents[:-1]), torch.stack(latents[1:])
        if only_latents:
            return before.new_zeros(()), before, {}
        target = self._target(windows, following)

        # One weight a step, for all losses
        rows, weight = before.flatten(0, 1), windows.weight / windows.weight.shape[1]
        consistency = (model.distance(after, following) * weight).sum()
        reward_logits = model.reward_logits(rows, action.flatten(0, 1))
        reward = (model.bins.cross_entropy(reward_logits, windows.reward.flatten()) * weight.flatten()).sum()
        value_logits = model.value_logits(rows, action.flatten(0, 1))  # [N, H * B, num_bins]
        value = (model.bins.cross_entropy(value_logits, target).mean(0) * weight.flatten()).sum()
        ends = model.termination_logit(after)
        termination = (F.binary_cross_entropy_with_logits(ends, windows.terminated, reduction="none") * weight).sum()
        loss = (
            config.consistency_weight * consistency
            + config.reward_weight * reward
            + config.value_weight * value
            + config.termination_weight * termination
        )
        metrics = {
            "model/loss": loss.detach(),
            "model/consistency": consistency.detach(),
            "model/reward": reward.detach(),
            "model/termination": termination.detach(),
            "critic/loss": value.detach(),
            "critic/target": target.mean(),
        }
        return loss, before, metrics

    @torch.no_grad()
    def _target(self, windows: Windows, following: Tensor) -> Tensor:
        """Return what the critics are regressed on: [H * B], or [N, H * B] where there are several actors."""
        config, model = self.config, self.model
        z = following.flatten(0, 1)
        action, _ = model.sample(z, self._noise((config.num_actors, len(z), self.spec.action.dim)))
        members = self._draw_members()  # [num_actors * M]
        judged = action[0] if config.num_actors == 1 else action.repeat_interleave(config.num_min_critics, dim=0)
        q = model.bins.decode(self.target_critic(z, self.snap(judged), members=members))
        q = q.view(config.num_actors, config.num_min_critics, *windows.reward.shape).amin(1)  # [num_actors, H, B]
        target = lambda_target(
            windows.reward, windows.terminated, windows.weight, q, config.discount, config.td_lambda
        ).flatten(1)
        if config.target_clip is not None:
            target = target.clamp(*config.target_clip)
        return model.by_critic(target[..., None]).squeeze(-1)

    def _minimize(self, loss: Tensor, *, with_actor: bool = False) -> Tensor:
        """Take a step of encoder and model, and perhaps of the actor; return the gradient's norm before it was clipped."""
        groups = [self._encoder_optimizer, self._model_optimizer, *([self._actor_optimizer] if with_actor else [])]
        params = [param for optimizer in groups for param in optimizer.params]
        grads = list(torch.autograd.grad(loss, params, allow_unused=True, materialize_grads=True))
        norm = clip_norm(grads, self.config.grad_clip)
        for optimizer in groups:
            optimizer.step(grads[: len(optimizer.params)])
            del grads[: len(optimizer.params)]
        return norm

    def _follow(self, share: float) -> None:
        polyak_(self.target_critic.parameters(), self.model.critic.parameters(), share)

    # Policy

    def _update_policy(self, windows: Windows, latents: Tensor, bc_weight: float) -> dict[str, Tensor]:
        loss, metrics = self._policy_loss(windows, latents, bc_weight)
        grads = list(torch.autograd.grad(loss, self._actor_optimizer.params))
        clip_norm(grads, self.config.grad_clip)
        self._actor_optimizer.step(grads)
        return metrics

    def _policy_loss(self, windows: Windows, latents: Tensor, bc_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Value over its scale, entropy, cloning of the demonstrations, and staying near what was executed."""
        config, model = self.config, self.model
        rows, weight = latents.flatten(0, 1), windows.weight.flatten() / windows.weight.shape[1]
        mean, log_std = model.policy(rows)
        action, log_prob = squashed_sample(mean, log_std, self._noise(mean.shape))  # [num_actors, H * B, ...]
        members = self._draw_members() if config.num_actors == 1 else None
        q = model.values(rows, model.by_critic(self.snap(action)), members, frozen=True)  # [M or N, H * B]
        climbed = q.amin(0) if config.actor_q == "min" and config.num_actors == 1 else q.mean(0)
        self.scale.update(climbed.detach()[: windows.weight.shape[1]])
        loss = ((config.entropy_weight * log_prob.mean(0) - climbed / self.scale.value) * weight).sum()
        error = (torch.tanh(mean) - windows.action.flatten(0, 1)).square().mean(-1).mean(0)  # [H * B]
        is_demo = windows.is_demo.repeat(config.horizon)
        cloning = _weighted_mean(error, weight * is_demo)
        if bc_weight > 0.0:
            loss = loss + bc_weight * cloning
        if config.constraint_weight > 0.0:
            loss = loss + config.constraint_weight * _weighted_mean(error, weight * (1.0 - is_demo))
        metrics = {
            "actor/loss": loss.detach(),
            "actor/q": climbed.detach().mean(),
            "actor/entropy": -log_prob.detach().mean(),
            "actor/cloning": cloning.detach(),
            "actor/scale": self.scale.value.clone(),
        }
        return loss, metrics

    def _cloning_loss(self, windows: Windows, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of cloning the demonstrated rows, and its squared error: as SAC's, all actors alike."""
        mean, log_std = self.model.policy(latents.flatten(0, 1))
        weight = (windows.weight * windows.is_demo).flatten()
        error = (torch.tanh(mean) - windows.action.flatten(0, 1)).square().mean(-1).mean(0)
        mse = _weighted_mean(error, weight)
        spread = (log_std - math.log(self.config.clone_std)).square().mean()
        return mse + spread, mse.detach()

    # Randomness

    def _noise(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def _draw_members(self) -> Tensor:
        """Return which critics count this time: for each actor `num_min_critics` of its own, all different."""
        config, device = self.config, self.generator.device
        per_actor = config.num_critics // config.num_actors
        drawn = torch.stack(
            [
                torch.randperm(per_actor, generator=self.generator, device=device)[: config.num_min_critics]
                for _ in range(config.num_actors)
            ]
        )
        return (drawn * config.num_actors + torch.arange(config.num_actors, device=device)[:, None]).flatten()

    # Saving

    def state_dict(self) -> dict[str, Any]:
        """Return everything as one flat dict of tensors."""
        parts = {name: module.state_dict() for name, module in self._modules().items()}
        parts |= {f"optimizer/{name}": optimizer.state_dict() for name, optimizer in self._optimizers().items()}
        planner = self._acting.planner
        counts = {"env_steps": self.env_steps, "critic_updates": self.critic_updates, "has_plan": planner.has_last}
        numbers = {f"handover/{name}": value for name, value in self.handover.state_dict().items()} | {"owed": self._owed}
        return (
            join(parts)
            | {name: torch.tensor(value) for name, value in counts.items()}
            | {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}
            | {"plan": planner.last_mean.clone(), "generator": self.generator.get_state()}
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; learning then goes on as if it had never stopped.

        Raises:
            SpecMismatch: If the state is of an agent with other networks.
        """
        self.networks.clone = None
        if any(name.startswith("networks/clone.") for name in state):
            self.networks.keep_clone()
        planner = self._acting.planner
        try:
            for name, module in self._modules().items():
                module.load_state_dict(part(state, name))
            for name, optimizer in self._optimizers().items():
                optimizer.load_state_dict(part(state, f"optimizer/{name}"))
            planner.last_mean.copy_(state["plan"])
        except (RuntimeError, KeyError) as error:
            raise SpecMismatch(f"the saved agent has other networks: {error}") from error
        planner.has_last = bool(state["has_plan"])
        self.handover.load_state_dict({name: float(value) for name, value in part(state, "handover").items()})
        self.generator.set_state(state["generator"].cpu())
        self.env_steps, self.critic_updates = int(state["env_steps"]), int(state["critic_updates"])
        self._owed = float(state["owed"])

    def _modules(self) -> dict[str, nn.Module]:
        return {"networks": self.networks, "target_critic": self.target_critic, "scale": self.scale}

    def _optimizers(self) -> dict[str, Adam]:
        return {"encoder": self._encoder_optimizer, "model": self._model_optimizer, "actor": self._actor_optimizer}


def _weighted_mean(x: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of `x` [R] by `weight` [R]; 0 where nothing has any."""
    return (x * weight).sum() / weight.sum().clamp_min(1e-9)
