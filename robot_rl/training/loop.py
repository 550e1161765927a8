"""Acting, storing and learning in one process, with an exact update-to-data ratio."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np

from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.data.batch import BatchSpec
from robot_rl.data.episode import Episode
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import load_dataset, recover
from robot_rl.data.mixture import Mixture
from robot_rl.data.replay import ReplayBuffer
from robot_rl.envs.factory import Env
from robot_rl.envs.rollout import EpisodeResult, EpisodeTally, build_transition, first_stamp
from robot_rl.protocols import ExperienceSink
from robot_rl.runs import RunFolder
from robot_rl.training import checkpoints
from robot_rl.training.config import TrainConfig
from robot_rl.training.counters import Counters, EvaluationRow
from robot_rl.training.device import resolve_device
from robot_rl.training.evaluate import Evaluation, evaluate
from robot_rl.training.interrupt import GracefulStop
from robot_rl.training.metrics import MetricsLogger
from robot_rl.training.progress import Status
from robot_rl.training.seeds import episode_seed
from robot_rl.training.warm_start import clone, demo_buffer, settle_critic
from robot_rl.types import EpisodeInfo, Metrics

log = logging.getLogger(__name__)

LOG_EVERY_STEPS = 100
NORMALIZER_SAMPLES = 4096
POLICY, CLONE = "policy", "clone"
"""Folders of the newest policy and of the cloned one in a run."""


class Trainer:
    """One run. Every environment step owes the agent exactly its update ratio, also across an interruption."""

    def __init__(
        self,
        config: TrainConfig,
        run: RunFolder,
        env: Env,
        eval_env: Env,
        demos: Sequence[Episode],
        *,
        report: Callable[[Status], None] | None = None,
    ) -> None:
        """Build the agent and its buffers; nothing moves yet.

        Args:
            config: The run's settings.
            run: Its folder, locked by the caller.
            env: Where the agent acts.
            eval_env: Where it is measured: another instance, so that measuring disturbs no episode.
            demos: Demonstrations, or none.
            report: Told where the run stands every `LOG_EVERY_STEPS` steps and after evaluations.
        """
        self.config, self.run, self.env, self.eval_env = config, run, env, eval_env
        self.report = report
        spec = env.env_spec
        self.agent = SAC(spec, config.sac, seed=config.seed, device=resolve_device(config.device))
        self._demo_episodes = demos
        self.demos = demo_buffer(spec, demos, config.seed) if demos else None
        self.online = ReplayBuffer(spec, config.replay_capacity, seed=config.seed + 1)
        buffers = [self.online] if self.demos is None else [self.online, self.demos]
        weights = [1.0] if self.demos is None else [1.0 - config.demo_fraction, config.demo_fraction]
        self.mixture = Mixture(buffers, weights)
        self.writer = EpisodeWriter(run.episodes, spec)
        self.sinks: tuple[ExperienceSink, ...] = (self.online, self.writer)
        self.metrics = MetricsLogger(run.path)
        self.counters = Counters()
        self.recent = deque[bool](maxlen=20)
        self._rng = np.random.default_rng([config.seed, 17])
        self._batches = self.mixture.batches(self.agent.batch_spec)

    @property
    def learning_starts(self) -> int:
        """Environment steps before the first update."""
        return self.config.warm_start.env_steps if self.demos is not None else self.config.random_steps

    def train(self) -> bool:
        """Run or continue until `env_steps`; return False if it was asked to stop before."""
        with GracefulStop() as stop:
            if not self._restore():
                self._start()
            while self.counters.env_steps < self.config.env_steps and not stop.requested:
                self._episode(stop)
            self.save()
        return self.counters.env_steps >= self.config.env_steps

    @property
    def num_demos(self) -> int:
        """How many demonstrations are learned from."""
        return len(self._demo_episodes)

    def clone_policy(self) -> SACPolicy | None:
        """Return the policy that cloning gave, or None without demonstrations."""
        return SACPolicy.load(self.run.path / CLONE) if self.demos is not None else None

    def save(self) -> None:
        """Write a checkpoint of everything that the episodes on disk do not hold."""
        state = {
            "agent": self.agent.state_dict(),
            "replay": self.mixture.state_dict(),
            "counters": self.counters.state_dict(),
        }
        checkpoints.save(self.run.checkpoints, self.counters.env_steps, state)
        self.agent.policy().save(self.run.path / POLICY)

    # Beginning

    def _start(self) -> None:
        """Clone, and measure the clone."""
        if self.demos is not None:
            self.agent.set_normalizer(_stack_obs(self._demo_episodes))
            self._log(clone(self.agent, self.demos, self.config), "cloning")
            self.agent.policy().save(self.run.path / CLONE)
        self._evaluate()
        self.save()

    def _restore(self) -> bool:
        """Load the newest checkpoint and the episodes on disk; return whether there was one."""
        found = checkpoints.latest(self.run.checkpoints)
        if found is None:
            return False
        _, state = found
        self.agent.load_state_dict(state["agent"])
        self.counters = Counters.from_state_dict(state["counters"])
        recover(self.run.episodes)
        stored = load_dataset(self.run.episodes, self.env.env_spec)
        for episode in stored:
            self.online.add_episode(episode)
        self.mixture.load_state_dict(state["replay"])
        self.counters.episodes = max(self.counters.episodes, len(stored))
        self._catch_up(sum(episode.length for episode in stored))
        return True

    def _catch_up(self, stored_steps: int) -> None:
        """Pay the updates of steps that were stored after the checkpoint was written."""
        missed = stored_steps - self.counters.env_steps
        if missed > 0:
            log.info("%d steps were stored after the last checkpoint: learning from them first", missed)
        for _ in range(missed):
            self._after_step()

    # Acting and learning

    def _episode(self, stop: GracefulStop) -> None:
        seed = episode_seed(self.config.seed, "train", self.counters.episodes)
        obs, reset_info = self.env.reset(seed=seed)
        self.agent.begin_episode()
        tally, stamp, is_over = EpisodeTally(), first_stamp(reset_info), False
        with ExitStack() as open_sinks:
            for sink in self.sinks:
                sink.begin_episode(EpisodeInfo(self.config.task, "policy", seed))
                open_sinks.callback(sink.end_episode)
            while not is_over and not stop.requested and self.counters.env_steps < self.config.env_steps:
                action = self._act(obs)
                next_obs, reward, terminated, truncated, step_info = self.env.step(action)
                transition = build_transition(
                    obs, action, reward, next_obs, terminated, truncated, step_info,
                    stamp=stamp, policy_version=self.agent.version,
                )  # fmt: skip
                tally.add(transition, step_info)
                if step_info["fault"]:  # nothing was measured: the observation is a repetition
                    log.warning("episode %d ended by a fault: %s", self.counters.episodes, step_info["fault"])
                    break
                for sink in self.sinks:
                    sink.add(transition)
                obs, stamp, is_over = next_obs, step_info["stamp"], terminated or truncated
                self._after_step()
        self._count_episode(tally.result())

    def _count_episode(self, result: EpisodeResult) -> None:
        self.counters.episodes += 1
        self.recent.append(result.success)
        self.metrics.add(
            {
                "episode/success": float(result.success),
                "episode/length": float(result.length),
                "episode/return": result.return_,
                "human/intervention_rate": result.interventions / max(1, result.length),
            }
        )

    def _act(self, obs: dict[str, np.ndarray]) -> np.ndarray:
        if self.demos is None and not self.counters.is_learning:
            return self._rng.uniform(-1.0, 1.0, self.env.env_spec.action.dim).astype(np.float32)
        return self.agent.act(obs, explore=True)

    def _after_step(self) -> None:
        """Count a step that was stored, learn what it owes, and measure when it is time."""
        counters, config = self.counters, self.config
        counters.env_steps += 1
        if counters.env_steps >= self.learning_starts:
            if not counters.is_learning:
                self._begin_learning()
            self.metrics.add(self.agent.update(self._batches))
        if counters.env_steps % LOG_EVERY_STEPS == 0:
            self._log({"episode/recent_success": float(np.mean(self.recent)) if self.recent else 0.0})
        if counters.env_steps % config.evaluation.every == 0 or counters.env_steps == config.env_steps:
            self._evaluate()
            self.save()

    def _begin_learning(self) -> None:
        if self.demos is None:
            batch = self.online.sample(BatchSpec(NORMALIZER_SAMPLES))
            self.agent.set_normalizer({key: value[0] for key, value in batch.obs.items()})
        else:
            self.metrics.add(settle_critic(self.agent, self.mixture, self.config))
        self.counters.is_learning = True

    # Measuring

    def _evaluate(self) -> None:
        policy = self.agent.policy()
        greedy = self._measure(policy, explore=False)
        sampled = self._measure(policy, explore=True)
        row = EvaluationRow.of(self.counters.env_steps, self.counters.wall_s, greedy, sampled)
        self.counters.evaluations.append(row)
        self.run.append_evaluation(asdict(row))
        self._log(
            {
                "evaluation/success": greedy.success_rate,
                "evaluation/sampled_success": sampled.success_rate,
                "evaluation/length": greedy.mean_length,
            }
        )

    def _measure(self, policy: Any, *, explore: bool) -> Evaluation:
        return evaluate(self.eval_env, policy, self.config.evaluation.episodes, self.config.seed, explore=explore)

    def _log(self, metrics: Metrics, phase: str = "training") -> None:
        self.metrics.add(metrics)
        newest = self.metrics.flush(self.counters.env_steps, self.counters.wall_s)
        if self.report is not None:
            self.report(self._status(newest, phase))

    def _status(self, newest: Metrics, phase: str) -> Status:
        counters, last = self.counters, self.counters.evaluations[-1:]
        return Status(
            env_steps=counters.env_steps,
            updates=self.agent.critic_updates,
            phase=phase,
            recent_success=float(np.mean(self.recent)) if self.recent else None,
            evaluation=(last[0].successes, last[0].episodes) if last else None,
            intervention_rate=newest.get("human/intervention_rate"),
        )


def _stack_obs(episodes: Sequence[Episode]) -> dict[str, np.ndarray]:
    return {key: np.concatenate([episode.obs[key] for episode in episodes]) for key in episodes[0].obs}
