"""Soft actor-critic: a batched critic ensemble, a discrete gripper critic, and a start from demonstrations."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.augmented import augmented
from robot_rl.agents.flat_state import join, part
from robot_rl.agents.grasp_critic import GraspCritic, double_q_value, margin_loss
from robot_rl.agents.lazy_metrics import LazyMetrics
from robot_rl.agents.sac_config import SACConfig
from robot_rl.agents.sac_policy import ActingNetworks, SACPolicy
from robot_rl.agents.seeing import Seeing
from robot_rl.agents.targets import td_target
from robot_rl.agents.transitions import Transitions
from robot_rl.data.batch import Batch, BatchSpec
from robot_rl.errors import SpecMismatch
from robot_rl.nn.actor_critic import Inputs
from robot_rl.nn.blocks import set_product_dtype
from robot_rl.nn.distributions import squashed_sample
from robot_rl.nn.memory import keep_freed_memory
from robot_rl.nn.optimizer import Adam, polyak_
from robot_rl.nn.precision import product_dtype
from robot_rl.specs import EnvSpec
from robot_rl.types import Metrics, Observation


class SAC(Seeing[ActingNetworks]):
    """Learns from batches of one-step or n-step transitions; acts through the same `SACPolicy` that it hands out."""

    def __init__(
        self,
        spec: EnvSpec,
        config: SACConfig | None = None,
        *,
        seed: int = 0,
        device: str = "cpu",
        mirrored: bool = False,
    ) -> None:
        """Build the networks.

        Args:
            spec: Of the environment.
            config: Defaults if None.
            seed: Of weights, actions and draws.
            device: Where to learn.
            mirrored: The task looks the same with left and right exchanged: pictures count twice.
        """
        if device == "cpu":
            keep_freed_memory()
        self.spec = spec
        self.config = config = config or SACConfig()
        self.seed = seed
        self.batch_spec = BatchSpec(config.batch_size, horizon=1, n_step=config.n_step, discount=config.discount)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.env_steps = 0
        """environment steps that have been learnt from"""
        self.critic_updates = 0
        self._owed = 0.0
        self._continuous = list(spec.action.continuous)
        self._columns = torch.tensor(self._continuous, device=device)
        self._counted = self._counted_dimensions(device)
        wanted = config.target_entropy
        num_counted = len(self._continuous) if self._counted is None else int(self._counted.sum())
        self._target_entropy = -0.5 * num_counted if wanted is None else wanted

        # Networks
        init = torch.Generator().manual_seed(seed)
        self.networks = ActingNetworks(spec, config, init, mirrored=mirrored).to(device)
        self.actor, self.grasp = self.networks.actor, self.networks.grasp
        self.critic = self.networks.build_critic(spec, config, init).to(device)
        self.networks.critic = self.critic if config.chooses_best else None
        self._product_dtype = product_dtype(config.precision, device)
        for module in (self.networks, self.critic):
            set_product_dtype(module, self._product_dtype)
        set_product_dtype(self.networks.sight, torch.float32)  # where to go is a matter of tenths of a millimetre
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.target_grasp = copy.deepcopy(self.grasp)
        self.log_alpha = torch.tensor(math.log(config.init_temperature), device=device)
        self._acting = SACPolicy(spec, config, self.networks, self.generator)

        # Optimizers
        self._actor_optimizer = Adam(self.actor.parameters(), config.actor_lr)
        self._critic_optimizer = Adam(self.critic.parameters(), config.critic_lr)
        self._temperature_optimizer = Adam([self.log_alpha], config.temperature_lr)
        self._grasp_optimizer = Adam([] if self.grasp is None else self.grasp.parameters(), config.critic_lr)
        if config.compile:
            self._critic_loss = torch.compile(self._critic_loss)
            self._actor_loss = torch.compile(self._actor_loss)

    # Acting

    @property
    def version(self) -> int:
        """Critic updates so far."""
        return self.critic_updates

    def begin_episode(self) -> None:
        """Nothing is remembered between episodes."""

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [A] in [-1, 1] from the networks as they are now."""
        return self._acting.act(obs, explore=explore)

    def policy(self) -> SACPolicy:
        """Return a frozen copy to act with. Its randomness depends on seed and version alone."""
        self._acting.version = self.version
        return self._acting.frozen_copy(seed=self.seed + 1_000_003 * self.version)

    def set_normalizer(self, obs: Mapping[str, np.ndarray | Tensor]) -> None:
        """Fix the standardisation of the state from observations [T, D_key] a key: demonstrations, or random steps."""
        encoder = self.networks.encoder
        if encoder is not None:
            encoder.fit({key: torch.as_tensor(obs[key]) for key in encoder.keys if key in obs})

    # Learning

    def update(self, batches: Iterator[Batch]) -> Metrics:
        """Do what one environment step owes.

        That is `utd_ratio` critic updates, each on its own batch, and after each `critic_actor_ratio` of them an
        update of actor and temperature. The metrics are those of the last of each; none if nothing was owed.
        """
        metrics: dict[str, Tensor] = {}
        self.env_steps += 1
        self._owed += self.config.utd_ratio
        bc_weight = self.config.bc_weight_at(self.env_steps)
        while self._owed > 1.0 - 1e-9:  # ten times 0.1 is one
            self._owed -= 1.0
            step = self._prepare(next(batches))
            metrics.update(self._update_critics(step, bc_weight))
            if self.critic_updates % self.config.critic_actor_ratio == 0:
                metrics.update(self._update_actor(step, bc_weight))
        return LazyMetrics(metrics)

    def pretrain_actor(self, batches: Iterator[Batch], steps: int) -> Metrics:
        """Clone the actions in `batches` of demonstrations for `steps` updates.

        The mean is fitted by squared error and the standard deviation set to `clone_std`: a maximum-likelihood one
        shrinks to nothing on few demonstrations, and exploration with it. Gripper commands are fitted by margin.
        """
        metrics: dict[str, Tensor] = {}
        for _ in range(steps):
            step = self._prepare(next(batches))
            noisy = replace(step.now, state=step.now.state + self.config.clone_noise * self._noise(step.now.state))
            mean, log_std = self.actor(self.actor.see(noisy))
            mse = F.mse_loss(torch.tanh(mean), step.continuous)
            self._actor_optimizer.minimize(mse + (log_std - math.log(self.config.clone_std)).square().mean())
            metrics["clone/mse"] = mse.detach()
            if self.grasp is not None:
                demos = torch.ones_like(step.reward)
                command = self.grasp.encode(step.action)
                margin = margin_loss(self.grasp(self.grasp.see(step.now)), command, demos, self.config.grasp_margin)
                self._grasp_optimizer.minimize(margin)
                metrics["clone/grasp_margin"] = margin.detach()
        if self.config.candidate_clone:
            self.networks.clone = copy.deepcopy(self.actor).requires_grad_(False)
        return LazyMetrics(metrics)

    def pretrain_critic(self, batches: Iterator[Batch], steps: int) -> Metrics:
        """Fit the critics to the value of the actor, which stays as it is, for `steps` updates."""
        metrics: dict[str, Tensor] = {}
        for _ in range(steps):
            metrics.update(self._update_critics(self._prepare(next(batches)), self.config.bc_weight))
        return LazyMetrics(metrics)

    def _prepare(self, batch: Batch) -> Transitions:
        if len(batch.action) != 1:
            raise SpecMismatch(f"SAC learns from windows of 1 step; got {len(batch.action)}")
        device = self.generator.device
        obs = {key: value.to(device, non_blocking=True) for key, value in batch.obs.items()}
        now, following = self._look(obs)
        action, discount = batch.action[0].to(device), batch.discount[0].to(device)
        return Transitions(
            obs={key: value[0] for key, value in obs.items()},
            now=now,
            following=following,
            action=action,
            continuous=action if self.grasp is None else action[:, self._columns],
            reward=self._shaped_reward(batch.reward[0].to(device), discount),
            terminated=batch.terminated[0].to(device),
            discount=discount,
            is_demo=batch.is_demo.to(device),
        )

    def _look(self, obs: Mapping[str, Tensor]) -> tuple[Inputs, Inputs]:
        """Return the inputs of the first and of the last observation of each window, what the cameras saw augmented."""
        both = self.networks.inputs(augmented(obs, self.config.vision, self.generator, self._product_dtype))
        first, last = ({key: view[index] for key, view in both.views.items()} for index in (0, 1))
        return Inputs(both.state[0], first), Inputs(both.state[1], last)

    def _shaped_reward(self, reward: Tensor, discount: Tensor) -> Tensor:
        """Scale, and add the bias of all k steps that were summed: 1 + d + ... + d**(k-1) times; `discount` is d**k."""
        config = self.config
        if config.reward_scale != 1.0:
            reward = reward * config.reward_scale
        if config.reward_bias != 0.0:
            reward = reward + config.reward_bias * (1.0 - discount) / (1.0 - config.discount)
        return reward

    # Critics

    def _update_critics(self, step: Transitions, bc_weight: float) -> dict[str, Tensor]:
        loss, metrics = self._critic_loss(step, self._noise(step.continuous), self._draw_members())
        self._critic_optimizer.minimize(loss)
        polyak_(self.target_critic.parameters(), self.critic.parameters(), self.config.tau)
        self.critic_updates += 1
        if self.grasp is not None and self.target_grasp is not None:
            metrics["grasp/loss"] = self._update_grasp(self.grasp, self.target_grasp, step, bc_weight)
        return metrics

    def _critic_loss(self, step: Transitions, noise: Tensor, members: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        # Target
        with torch.no_grad():
            mean, log_std = self.actor(self.actor.see(step.following))
            next_action, next_log_prob = squashed_sample(mean, log_std, noise, self._counted)
            next_x = self.target_critic.see(step.following)
            next_value = self.target_critic(next_x, next_action, members).amin(0)  # [B]
            if self.config.backup_entropy:
                next_value = next_value - self.log_alpha.exp() * next_log_prob
            target = self._clip(td_target(step.reward, step.terminated, next_value, step.discount))

        # Regression
        q = self.critic(self.critic.see(step.now), step.continuous)  # [N, B]
        loss = F.mse_loss(q, target.expand_as(q))
        return loss, {"critic/loss": loss.detach(), "critic/q": q.detach().mean(), "critic/target": target.mean()}

    def _update_grasp(self, grasp: GraspCritic, target: GraspCritic, step: Transitions, bc_weight: float) -> Tensor:
        """Double DQN. Only this critic pays for toggling, after the clipping; demonstrated commands keep their lead."""
        next_value = double_q_value(grasp, target, step.following)
        goal = self._clip(td_target(step.reward, step.terminated, next_value, step.discount))
        goal = goal - grasp.toggle_penalty(step.obs, step.action)
        command = grasp.encode(step.action)
        q = grasp(grasp.see(step.now))  # [B, 3**G]
        loss = F.mse_loss(q.gather(-1, command[:, None]).squeeze(-1), goal)
        if bc_weight > 0.0:
            loss = loss + bc_weight * margin_loss(q, command, step.is_demo, self.config.grasp_margin)
        self._grasp_optimizer.minimize(loss)
        polyak_(target.parameters(), grasp.parameters(), self.config.tau)
        return loss.detach()

    def _clip(self, target: Tensor) -> Tensor:
        return target if self.config.target_clip is None else target.clamp(*self.config.target_clip)

    # Actor and temperature

    def _update_actor(self, step: Transitions, bc_weight: float) -> dict[str, Tensor]:
        # As a tensor: a number that decays would become a constant of what is captured, and compile again where it is not.
        weight = torch.full((), bc_weight, device=step.reward.device) if bc_weight > 0.0 else None
        loss, metrics = self._actor_loss(step, self._noise(step.continuous), weight)
        self._actor_optimizer.minimize(loss)
        alpha = self.log_alpha.exp()
        # Loss: alpha * (entropy - target_entropy). Its derivative by log_alpha is itself.
        self._temperature_optimizer.step([alpha * (metrics["actor/entropy"] - self._target_entropy)])
        return {**metrics, "actor/temperature": alpha}

    def _actor_loss(self, step: Transitions, noise: Tensor, bc_weight: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        mean, log_std = self.actor(self.actor.see(step.now))
        action, log_prob = squashed_sample(mean, log_std, noise, self._counted)
        q = self._actor_value(self._value(step, action))  # [B]
        loss = (self.log_alpha.exp() * log_prob - q).mean()
        metrics = {"actor/q": q.detach().mean(), "actor/entropy": -log_prob.detach().mean()}
        if bc_weight is not None:
            cloning = self._cloning_loss(step, torch.tanh(mean), q.detach())
            loss = loss + bc_weight * cloning
            metrics["actor/cloning"] = cloning.detach()
        return loss, {**metrics, "actor/loss": loss.detach()}

    def _cloning_loss(self, step: Transitions, mean: Tensor, own_value: Tensor) -> Tensor:
        """Squared distance of the mean action [B, Ac] to the demonstrated one, averaged over the demonstrated rows."""
        weight = step.is_demo
        if self.config.bc_q_filter:
            demo_value = self._actor_value(self._value(step, step.continuous))
            weight = weight * (demo_value > own_value)
        return ((mean - step.continuous).square().mean(-1) * weight).sum() / weight.sum().clamp_min(1.0)

    def _value(self, step: Transitions, action: Tensor) -> Tensor:
        """Return the values [N, B] of `action` [B, Ac], which alone they can be differentiated by."""
        with torch.no_grad():
            x = self.critic.see(step.now)
        return self.critic(x, action, frozen=True)

    def _actor_value(self, q: Tensor) -> Tensor:
        """Reduce values [N, B] to what the actor climbs, [B]."""
        return q.mean(0) if self.config.actor_q == "mean" else q.amin(0)

    # Randomness, drawn outside of what is compiled

    def _noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.generator, device=like.device)

    def _draw_members(self) -> Tensor | None:
        """Return the indices [M] of the target critics that count this time; None: all."""
        n, m = self.config.num_critics, self.config.num_min_critics
        if m == n:
            return None
        return torch.randperm(n, generator=self.generator, device=self.generator.device)[:m]  # distinct, unlike randint

    def _counted_dimensions(self, device: str) -> Tensor | None:
        """Return which continuous dimensions' entropy counts, [Ac] of 0 and 1; None: that of all."""
        if self.config.entropy_of == "all":
            return None
        names = [self.spec.action.names[index] for index in self._continuous]
        return torch.tensor([float("/" in name) for name in names], device=device)

    # Saving

    def state_dict(self) -> dict[str, Any]:
        """Return everything as one flat dict of tensors."""
        parts = {name: module.state_dict() for name, module in self._modules().items()}
        parts |= {f"optimizer/{name}": optimizer.state_dict() for name, optimizer in self._optimizers().items()}
        return join(parts) | {
            "log_alpha": self.log_alpha.clone(),
            "generator": self.generator.get_state(),
            "env_steps": torch.tensor(self.env_steps),
            "critic_updates": torch.tensor(self.critic_updates),
            "owed": torch.tensor(self._owed, dtype=torch.float64),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; learning then goes on as if it had never stopped.

        Raises:
            SpecMismatch: If the state is of an agent with other networks.
        """
        has_clone = any(name.startswith("networks/clone.") for name in state)
        self.networks.clone = copy.deepcopy(self.actor).requires_grad_(False) if has_clone else None
        try:
            for name, module in self._modules().items():
                module.load_state_dict(part(state, name))
            for name, optimizer in self._optimizers().items():
                optimizer.load_state_dict(part(state, f"optimizer/{name}"))
        except (RuntimeError, KeyError) as error:
            raise SpecMismatch(f"the saved agent has other networks: {error}") from error
        self.log_alpha.copy_(state["log_alpha"])
        self.generator.set_state(state["generator"].cpu())
        self.env_steps = int(state["env_steps"])
        self.critic_updates = int(state["critic_updates"])
        self._owed = float(state["owed"])

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module | None] = {
            "networks": self.networks,
            "critic": self.critic,
            "target_critic": self.target_critic,
            "target_grasp": self.target_grasp,
        }
        return {name: module for name, module in modules.items() if module is not None}

    def _optimizers(self) -> dict[str, Adam]:
        return {
            "actor": self._actor_optimizer,
            "critic": self._critic_optimizer,
            "temperature": self._temperature_optimizer,
            "grasp": self._grasp_optimizer,
        }
