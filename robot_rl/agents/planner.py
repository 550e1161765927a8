"""Model predictive path integral control in latent space: plans are drawn, scored by the model, and drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_rl.agents.planner_config import PlannerConfig
from robot_rl.nn.world_model import WorldModel

Snap = Callable[[Tensor], Tensor]
"""Maps actions [..., A] to those that can be executed: within bounds, discrete dimensions at -1, 0 or 1."""

_MIN_SPREAD = 1e-3
"""Scores that differ by less than about this are equally good: no lead is made of rounding."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What came of planning."""

    action: Tensor
    """[A], to execute now."""
    actions: Tensor
    """[H, A], the whole plan."""
    score: Tensor
    """scalar, of `actions`."""
    policy_score: Tensor
    """scalar, of the policy's best own plan; minus infinity if there was none."""


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What the model expects of S plans of H steps."""

    before: Tensor
    """[H * S, Z], the latents that the steps start from."""
    alive: Tensor
    """[H, S], discounted probability that the task has not ended before a step."""
    reward: Tensor
    """[S], of all steps."""
    end_value: Tensor
    """[N, S], of what follows them, as each critic sees it."""


class Planner:
    """Remembers the last plan of an episode, and starts the next from it."""

    def __init__(self, config: PlannerConfig, discount: float, action_dim: int, device: torch.device, snap: Snap) -> None:
        self.config, self.discount, self.snap = config, discount, snap
        self.last_mean = torch.zeros(config.horizon, action_dim, device=device)
        """[H, A], of the last plan"""
        self.has_last = False

    def begin_episode(self) -> None:
        """Forget the last plan: it was of another episode."""
        self.has_last = False
        self.last_mean.zero_()

    @torch.no_grad()
    def plan(self, model: WorldModel, z: Tensor, prior_weight: float, generator: torch.Generator, *, explore: bool) -> Plan:
        """Plan from the latent `z` [Z].

        Args:
            model: Of the task.
            z: Where to start.
            prior_weight: Weight of the policy's plans in what is drawn around, 0..1.
            generator: Draws.
            explore: Execute one of the elites with noise; otherwise the mean plan, or the policy's if that scores more.
        """
        config = self.config
        pi_plans = self._policy_plans(model, z, generator)  # [H, P, A]
        pi_scores = self.score(model, z, pi_plans)
        mean, std = self._proposal(pi_plans, prior_weight)
        elites, elite_scores = pi_plans, pi_scores
        for _ in range(config.num_iterations):
            drawn = self._draw(pi_plans, mean, std, generator)  # [H, S, A]
            plans = torch.cat([drawn, pi_plans], dim=1)
            scores = torch.cat([self.score(model, z, drawn), pi_scores])
            best = scores.topk(min(config.num_elites, len(scores)))
            elites, elite_scores = plans[:, best.indices], best.values
            weights = self._weights(elite_scores)
            new_mean = (elites * weights[:, None]).sum(1)
            std = ((elites - new_mean[:, None]).square() * weights[:, None]).sum(1).sqrt().clamp(config.min_std, config.max_std)
            mean = config.momentum * mean + (1.0 - config.momentum) * new_mean
        self.last_mean.copy_(mean)
        self.has_last = True
        if explore:
            return self._exploring(elites, elite_scores, std, pi_scores, generator)
        return self._best(model, z, self.snap(mean), pi_plans, pi_scores)

    def score(self, model: WorldModel, z: Tensor, plans: Tensor) -> Tensor:
        """Return the scores [S] of plans [H, S, A] from `z` [Z].

        That is the sum of discounted rewards and the value at the end, as far as the task has not ended before, less the
        disagreement of the critics.
        """
        config, (horizon, num_plans, _) = self.config, plans.shape
        if num_plans == 0:
            return plans.new_zeros(0)
        outlook = self._outlook(model, z, plans)
        score = outlook.reward + outlook.end_value.mean(0)
        if config.pessimism == 0.0 or model.sizes.num_critics == 1:
            return score
        doubt = outlook.end_value.std(0)
        if config.pessimism_at == "horizon":
            steps = model.values(outlook.before, plans.flatten(0, 1)).std(0).view(horizon, num_plans)
            doubt = doubt + (steps * outlook.alive).sum(0)
        return score - config.pessimism * doubt

    @torch.no_grad()
    def all_prefer(self, model: WorldModel, z: Tensor, plan: Tensor, action: Tensor) -> bool:
        """Return whether every critic expects more of `plan` [H, A] from `z` [Z] than of `action` [A] and then the actor.

        That is the newest first actor, also where `action` is an averaged one's. Noise comes after this judgement.
        """
        own, latent = [action], z[None]
        for _ in plan[1:]:
            latent = model.next(latent, own[-1][None])
            own.append(self.snap(torch.tanh(model.policy(latent)[0][0]))[0])
        outlook = self._outlook(model, z, torch.stack([plan, torch.stack(own)], dim=1))
        planned, reactive = (outlook.reward + outlook.end_value).unbind(1)  # [N] each
        return bool((planned > reactive).all())

    def _outlook(self, model: WorldModel, z: Tensor, plans: Tensor) -> _Outlook:
        """Return what the model expects of plans [H, S, A] from `z` [Z]."""
        horizon, num_plans, _ = plans.shape
        z = z.expand(num_plans, -1)
        latents = [z]
        for action in plans:
            z = model.next(z, action)
            latents.append(z)
        before, after = torch.cat(latents[:-1]), torch.cat(latents[1:])  # [H * S, Z]
        reward = model.bins.decode(model.reward_logits(before, plans.flatten(0, 1))).view(horizon, num_plans)
        goes_on = torch.sigmoid(-model.termination_logit(after)).view(horizon, num_plans).cumprod(0)
        powers = self.discount ** torch.arange(horizon + 1, device=z.device)[:, None]
        alive = torch.cat([torch.ones_like(goes_on[:1]), goes_on]) * powers  # [H + 1, S]
        at_end = model.by_critic(torch.tanh(model.policy(z)[0]), shift=1)  # no critic judges its own actor where there are more
        end_value = model.values(z, self.snap(at_end))
        return _Outlook(before, alive[:-1], (reward * alive[:-1]).sum(0), end_value * alive[-1])

    def _policy_plans(self, model: WorldModel, z: Tensor, generator: torch.Generator) -> Tensor:
        """Return what the actors would do from `z`, [H, P, A]: the first of each by its means, the others sampled."""
        num_actors = model.sizes.num_actors
        per_actor = -(-self.config.num_pi_trajs // num_actors)
        if per_actor == 0:
            return self.last_mean.new_zeros(self.config.horizon, 0, self.last_mean.shape[-1])
        z = z.expand(num_actors * per_actor, -1)
        actions: list[Tensor] = []
        for _ in range(self.config.horizon):
            mean, log_std = model.policy(z)  # [num_actors, R, A]
            rows = torch.arange(len(z), device=z.device)
            owner = rows // per_actor
            mean, log_std = mean[owner, rows], log_std[owner, rows]
            noise = torch.randn(mean.shape, generator=generator, device=z.device)
            noise[::per_actor] = 0.0
            action = self.snap(torch.tanh(mean + log_std.exp() * noise))
            z = model.next(z, action)
            actions.append(action)
        return torch.stack(actions)

    def _proposal(self, pi_plans: Tensor, prior_weight: float) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation [H, A] of what the first iteration draws."""
        config = self.config
        mean = torch.zeros_like(self.last_mean)
        if self.has_last and config.warm_start:
            mean[:-1] = self.last_mean[1:]
        std = torch.full_like(mean, config.max_std)
        if prior_weight > 0.0:
            mean = mean.lerp(pi_plans.mean(1), prior_weight)
            std = std.lerp(pi_plans.std(1, unbiased=False), prior_weight)
        return mean, std.clamp_min(config.min_std)

    def _draw(self, pi_plans: Tensor, mean: Tensor, std: Tensor, generator: torch.Generator) -> Tensor:
        """Return plans [H, S, A]: around the mean, which is one of them, or around the policy's plans."""
        horizon, num_pi, dim = pi_plans.shape
        noise = torch.randn(horizon, self.config.num_samples, dim, generator=generator, device=mean.device)
        if self.config.proposal == "policy":
            centres = pi_plans[:, torch.arange(self.config.num_samples, device=mean.device) % num_pi]
            return self.snap(centres + self.config.pi_std * noise)
        noise[:, 0] = 0.0
        return self.snap(mean[:, None] + std[:, None] * noise)

    def _weights(self, scores: Tensor) -> Tensor:
        lead = scores - scores.amax()
        if self.config.relative_temperature:
            lead = lead / (scores.std(unbiased=False) + _MIN_SPREAD)
        return torch.softmax(self.config.temperature * lead, dim=0)

    def _exploring(self, elites: Tensor, scores: Tensor, std: Tensor, pi_scores: Tensor, generator: torch.Generator) -> Plan:
        """Return one of the elites, better ones with higher probability, its first action disturbed."""
        chosen = torch.multinomial(self._weights(scores), 1, generator=generator)[0]
        plan = elites[:, chosen]
        noise = torch.randn(plan.shape[-1:], generator=generator, device=plan.device)
        action = self.snap(plan[0] + std[0].clamp_max(self.config.explore_std) * noise)
        return Plan(action, plan, scores[chosen], _highest(pi_scores))

    def _best(self, model: WorldModel, z: Tensor, mean: Tensor, pi_plans: Tensor, pi_scores: Tensor) -> Plan:
        """Return the mean plan, or the policy's best one if that scores more: planning never loses to not planning."""
        score = self.score(model, z, mean[:, None])[0]
        policy_score = _highest(pi_scores)
        if len(pi_scores) and policy_score > score:
            plan, score = pi_plans[:, pi_scores.argmax()], policy_score
        else:
            plan = mean
        return Plan(plan[0], plan, score, policy_score)


def _highest(scores: Tensor) -> Tensor:
    return scores.amax() if len(scores) else scores.new_tensor(float("-inf"))
