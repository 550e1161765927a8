"""Acting, storing and learning in one process, with an exact update-to-data ratio."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np

from robot_rl.agents.bundle import SavedPolicy, load_policy
from robot_rl.agents.modem import Modem
from robot_rl.data.episode import Episode
from robot_rl.data.episodes import read_episode
from robot_rl.envs.factory import Env
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.rollout import EpisodeResult, EpisodeTally, build_transition, first_stamp, hold
from robot_rl.errors import DeviceError, RunError
from robot_rl.rewards.verdicts import add_verdicts
from robot_rl.runs import RunFolder
from robot_rl.training import checkpoints
from robot_rl.training.agents import build_agent
from robot_rl.training.config import TrainConfig
from robot_rl.training.counters import Counters, EpisodeOutcome, EvaluationRow, RecentEpisodes, episode_metrics
from robot_rl.training.device import resolve_device
from robot_rl.training.evaluate import evaluate
from robot_rl.training.experience import Experience, numbered
from robot_rl.training.interrupt import GracefulStop
from robot_rl.training.metrics import MetricsLogger
from robot_rl.training.progress import Status
from robot_rl.training.seeds import episode_seed
from robot_rl.training.state_value import state_value
from robot_rl.training.warm_start import clone, clone_corrections, settle_critic, standardize
from robot_rl.types import EpisodeInfo, Metrics, Observation

log = logging.getLogger(__name__)

LOG_EVERY_STEPS = 100
MAX_DEAD_STARTS = 5
"""Episodes in a row that a fault ends in their first step, after which the device is given up."""
POLICY, CLONE = "policy", "clone"
"""Folders of the newest policy and of the cloned one in a run."""


class Trainer:
    """One run. Every step after `learning_starts` owes the agent exactly its update ratio, also across an interruption.

    Episodes are on disk as they happen, and checkpoints are written between them. So what a checkpoint lacks is
    always the tail of the episodes on disk, and a run that died learns from that tail before it goes on.
    """

    def __init__(
        self,
        config: TrainConfig,
        run: RunFolder,
        env: Env,
        eval_env: Env,
        demos: Sequence[Episode],
        *,
        lessons: Sequence[Episode] = (),
        report: Callable[[Status], None] | None = None,
        publish: Callable[[Metrics], None] | None = None,
    ) -> None:
        """Build the agent and its buffers; nothing moves yet.

        Args:
            config: The run's settings.
            run: Its folder, locked by the caller.
            env: Where the agent acts.
            eval_env: Where it is measured: another instance, so that measuring disturbs no episode.
            demos: Demonstrations, or none.
            lessons: Other episodes, whose successes show where the tool has to go; the agent imitates none of them.
            report: Told where the run stands every `LOG_EVERY_STEPS` steps, after evaluations and in each phase.
            publish: Told points of curves as they come; the value of each step among them, which costs a little.
        """
        self.config, self.run, self.env, self.eval_env, self.demos = config, run, env, eval_env, demos
        self.metrics = MetricsLogger(run.path)
        self.counters = Counters()
        self._report = report or (lambda _: None)
        self._publish = publish
        self._recent = RecentEpisodes()
        self._dead_starts = 0
        device = resolve_device(config.device)
        self.agent = build_agent(config, env.env_spec, device)
        if isinstance(self.agent, Modem):
            self.agent.meet_deadline()  # before anything moves
        self._checkpoint = checkpoints.latest(run.checkpoints)
        self._begin_agent(lessons)
        self.experience = Experience(
            config, env.env_spec, run.episodes, demos,
            replay_spec=self.agent.replay_spec, see=self.agent.replay_obs, device=device,
        )  # fmt: skip
        self._batches = self.experience.batches(self.agent.batch_spec)

    @property
    def learning_starts(self) -> int:
        """Environment steps before those that owe updates."""
        return self.config.seed_steps if self.demos else self.config.random_steps

    @property
    def is_finished(self) -> bool:
        """Whether the run has all its environment steps."""
        return self.counters.env_steps >= self.config.env_steps

    def train(self) -> bool:
        """Run or continue until `env_steps`, once; return False if a signal asked to stop before."""
        with GracefulStop() as stop, self.metrics:
            if self._checkpoint is None:
                self._start()
            else:
                self._restore(*self._checkpoint)
            self._restore_episodes(stop)
            if self.is_finished:
                log.info("%s is finished; give a larger env_steps to continue it", self.run.path)
            while not (self.is_finished or stop.requested):
                num_evaluations = len(self.counters.evaluations)
                self._run_episode(stop)
                if len(self.counters.evaluations) > num_evaluations:
                    self.save()
            self.save()
        return self.is_finished

    def clone_policy(self) -> SavedPolicy | None:
        """Return the policy that cloning gave, or None without demonstrations."""
        return load_policy(self.run.path / CLONE) if self.demos else None

    def save(self) -> None:
        """Write a checkpoint of everything that the episodes on disk do not hold; only between episodes."""
        state = {
            "agent": self.agent.state_dict(),
            "replay": self.experience.state_dict(),
            "counters": self.counters.state_dict(),
        }
        checkpoints.save(self.run.checkpoints, self.counters.env_steps, state)
        self.agent.policy().save(self.run.path / POLICY)

    # Beginning

    def _start(self) -> None:
        """Clone, and measure the clone."""
        if self.demos:
            self.show("cloning")
            self.metrics.add(clone(self.agent, self.experience, self.config))
            self.agent.policy().save(self.run.path / CLONE)
        self._evaluate()
        self.save()

    def _begin_agent(self, lessons: Sequence[Episode]) -> None:
        """Take the agent from the newest checkpoint, or teach it to see: replay holds what it makes of its cameras."""
        if self._checkpoint is None:
            if self.agent.networks.sight.learns:
                self.show("learning to see")
            self.metrics.add(self.agent.learn_to_see(self.demos, lessons))
            return
        step, state = self._checkpoint
        with self._of_this_version(step):
            self.agent.load_state_dict(state["agent"])
        self.agent.networks.sight.recall(self.demos, lessons)

    def _restore(self, step: int, state: dict[str, Any]) -> None:
        """Take all that is not the agent from a checkpoint."""
        with self._of_this_version(step):
            self.experience.load_state_dict(state["replay"])
            self.counters = Counters.from_state_dict(state["counters"])

    @contextmanager
    def _of_this_version(self, step: int) -> Iterator[None]:
        """Name the checkpoint in what is raised if it lacks something."""
        try:
            yield
        except (KeyError, TypeError) as error:
            raise RunError(f"the checkpoint of step {step} in {self.run.path} is of another version: {error!r}") from error

    def _restore_episodes(self, stop: GracefulStop) -> None:
        """Load the episodes on disk, and learn what the steps after the checkpoint still owe."""
        stored = self.experience.restore(on_success=lambda success: self.agent.see_better(success, learn=False))
        self.counters.episodes = max(self.counters.episodes, stored.episodes)
        self.counters.human_steps = max(self.counters.human_steps, stored.human_steps)
        self._recent.add(*stored.outcomes)
        if stored.env_steps < self.counters.env_steps:
            missing = self.counters.env_steps - stored.env_steps
            log.warning("%d of the run's %d steps are not in %s: replay goes on without them", missing,
                        self.counters.env_steps, self.run.episodes)  # fmt: skip
        if stored.env_steps > self.counters.env_steps:
            log.info("learning from the steps that were stored after the last checkpoint first")
            self.show("catching up")
        while self.counters.env_steps < stored.env_steps and not stop.requested:
            self._after_step()

    # Acting and learning

    def _run_episode(self, stop: GracefulStop) -> None:
        """Act until the episode or the run ends or a stop is requested, and learn after every step."""
        index = self.counters.episodes
        self.counters.episodes += 1
        seed = episode_seed(self.config.seed, "train", index)
        obs, reset_info = self.env.reset(seed=seed)
        self.agent.begin_episode()
        tally, stamp, is_over = EpisodeTally(), first_stamp(reset_info), False
        truth: list[bool] = []
        is_discarded = False
        self.experience.begin_episode(numbered(EpisodeInfo(self.config.task, "policy", seed), index, self.counters.env_steps))
        try:
            while not (is_over or self.is_finished or stop.requested):
                action = self._act(obs)
                next_obs, reward, terminated, truncated, step_info = self.env.step(action)
                transition = build_transition(
                    obs, action, reward, next_obs, terminated, truncated, step_info,
                    stamp=stamp, policy_version=self.agent.version,
                )  # fmt: skip
                tally.add(transition, step_info)
                if self._publish is not None:
                    self._publish({"critic/q": state_value(self.agent, obs, transition.action)})
                obs, stamp, is_over = next_obs, step_info["stamp"], terminated or truncated
                is_discarded = bool(step_info.get("discard", False))
                stop.requested |= step_info["fault"] == STOPPED  # the next reset would move what a person stopped
                if not (step_info["fault"] or is_discarded):  # at a fault the observation is a repetition
                    self.experience.add(transition)
                    truth.append(step_info["true_success"])
                    self.counters.human_steps += transition.is_intervention
                    self._after_step()
        except BaseException:  # the learner's errors too: nothing may leave this method with the robot moving
            hold(self.env)
            raise
        finally:
            self._end_episode(truth, is_discarded)
        if is_over and not is_discarded:  # one that was cut says nothing about success
            self._count_episode(tally.result())

    def _end_episode(self, truth: list[bool], is_discarded: bool) -> None:
        """Keep the open episode, or put it aside as if it had not been; its steps before the last stay counted."""
        if is_discarded:
            self.experience.discard_episode()
            log.info("episode %d was discarded", self.counters.episodes - 1)
            return
        self.experience.end_episode()
        self._keep_truth(truth)
        if self.agent.networks.sight.goals is not None and truth:
            newest = read_episode(self.run.episodes / self.experience.last_episode)
            if newest.success:
                self.metrics.add(self.agent.see_better(newest))

    def _keep_truth(self, truth: list[bool]) -> None:
        """Note beside the episode where it truly succeeded, if all that it stores is a classifier's opinion."""
        if self.config.reward.source == "classifier" and truth:
            add_verdicts(self.run.episodes, {self.experience.last_episode: np.array(truth)})

    def _act(self, obs: Observation) -> np.ndarray:
        if self.demos or self.counters.is_learning:
            return self.agent.act(obs, explore=True)
        rng = np.random.default_rng([self.config.seed, self.counters.env_steps])  # by step, so that runs resume exactly
        return rng.uniform(-1.0, 1.0, self.env.env_spec.action.dim).astype(np.float32)

    def _after_step(self) -> None:
        """Count a step that was stored, learn what it owes, and measure when it is time."""
        counters = self.counters
        counters.env_steps += 1
        can_learn = not self.experience.is_empty  # after a crash: everything may have been discarded
        if can_learn and not counters.is_learning and counters.env_steps >= self.learning_starts:
            self._begin_learning()
        if can_learn and counters.env_steps > self.learning_starts:
            self.metrics.add(self.agent.update(self._batches))
        if counters.env_steps % self.config.evaluation.every == 0 or counters.env_steps == self.config.env_steps:
            self._evaluate()
        elif counters.env_steps % LOG_EVERY_STEPS == 0:
            self._log()

    def _begin_learning(self) -> None:
        if not self.demos:
            standardize(self.agent, self.experience)
        if self.experience.human_steps:
            self.show("cloning corrections")
            self.metrics.add(clone_corrections(self.agent, self.experience, self.config))
        if self.demos or self.experience.human_steps:
            self.show("settling the critic")
            self.metrics.add(settle_critic(self.agent, self.experience, self.config))
        self.counters.is_learning = True

    def _count_episode(self, result: EpisodeResult) -> None:
        """Note how an episode went. Raises DeviceError once a device fails again and again before its first step."""
        self._recent.add(EpisodeOutcome(result.success, result.length, result.interventions))
        self.counters.count(result)
        self._add_metrics(episode_metrics(result))
        self._dead_starts = self._dead_starts + 1 if result.fault and result.length == 1 else 0
        if result.fault:
            log.warning("episode %d ended by a fault: %s", self.counters.episodes - 1, result.fault)
        if self._dead_starts == MAX_DEAD_STARTS:
            raise DeviceError(f"{MAX_DEAD_STARTS} episodes in a row ended in their first step; the last by: {result.fault}")

    # Measuring

    def _evaluate(self) -> None:
        """Measure the policy and, where the configuration says so, its exploring actions on the same starts."""
        policy, env, episodes, seed = self.agent.policy(), self.eval_env, self.config.evaluation.episodes, self.config.seed
        greedy = evaluate(env, policy, episodes, seed)
        sampled = evaluate(env, policy, episodes, seed, explore=True) if self.config.measures_sampled else None
        row = EvaluationRow.of(
            self.counters.env_steps, self.counters.wall_s, greedy, sampled,
            intervention_rate=self._recent.intervention_rate or 0.0, human_steps=self.counters.human_steps,
        )  # fmt: skip
        self.counters.evaluations.append(row)
        self.run.append_evaluation(asdict(row))
        if isinstance(self.agent, Modem):
            self.agent.measured(row.success_rate)
        self._add_metrics(row.metrics)
        self._log()

    def _add_metrics(self, metrics: Metrics) -> None:
        """Log something that happens seldom, and show it at once."""
        self.metrics.add(metrics)
        if self._publish is not None:
            self._publish(metrics)

    def _log(self) -> None:
        self.metrics.add(self._recent.metrics)
        self.metrics.flush(self.counters.env_steps, self.counters.wall_s)
        self.show("training")

    def show(self, phase: str) -> None:
        """Report where the run stands."""
        last = self.counters.evaluations[-1:]
        self._report(
            Status(
                env_steps=self.counters.env_steps,
                updates=self.agent.critic_updates,
                phase=phase,
                recent_success=self._recent.success_rate,
                evaluation=(last[0].successes, last[0].episodes) if last else None,
                intervention_rate=self._recent.intervention_rate,
            )
        )
