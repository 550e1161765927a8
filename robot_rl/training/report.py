"""What a finished run tells: final evaluation beside clone and demonstrator, summary, pictures, film."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from robot_rl.data.rows import RowLayout
from robot_rl.errors import DeviceError
from robot_rl.protocols import Policy
from robot_rl.training.comparison import PolicyResult, plot_comparison
from robot_rl.training.counters import reported
from robot_rl.training.curves import plot_success, read_curve
from robot_rl.training.evaluate import Evaluation, evaluate, first_reaching
from robot_rl.training.film import film
from robot_rl.training.loop import Trainer

log = logging.getLogger(__name__)

RELIABLE = 0.95
"""Success rate whose first step is reported as `steps_to_95`."""
UNAIDED = 0.02
"""Intervention rate of the last episodes below which an agent does by itself: `steps_to_95_unaided`."""
REFERENCES = ("clone", "demonstrator")
"""Lines in the curve that the agent is compared with."""


@dataclass(frozen=True, slots=True)
class FinalResults:
    """Evaluations on the same fresh starts."""

    agent: Evaluation
    agent_sampled: Evaluation | None
    clone: Evaluation | None
    demonstrator: Evaluation | None

    def by_name(self) -> dict[str, Evaluation]:
        """Return those that were measured, by the name they have in tables."""
        named = {
            "demonstrator": self.demonstrator,
            "clone": self.clone,
            "agent": self.agent,
            "agent, sampled": self.agent_sampled,
        }
        return {name: result for name, result in named.items() if result is not None}

    def table_rows(self) -> list[PolicyResult]:
        """Return the lines of the comparison."""
        return [PolicyResult(name, r.successes, r.episodes, r.mean_length) for name, r in self.by_name().items()]


def measure_final(trainer: Trainer, demonstrator: Policy | None) -> FinalResults:
    """Evaluate agent, clone and demonstrator on starts that training and its evaluations never used."""
    config = trainer.config

    def measure(policy: Policy, explore: bool = False) -> Evaluation:
        return evaluate(
            trainer.eval_env, policy, config.evaluation.final_episodes, config.seed, stream="final", explore=explore
        )

    trainer.show("final evaluation")
    agent, clone = trainer.agent.policy(), trainer.clone_policy()
    return FinalResults(
        agent=measure(agent),
        agent_sampled=measure(agent, explore=True) if config.measures_sampled else None,
        clone=None if clone is None else measure(clone),
        demonstrator=None if demonstrator is None else measure(demonstrator),
    )


def summarize(trainer: Trainer, final: FinalResults) -> dict[str, Any]:
    """Return the content of summary.json."""
    config, counters = trainer.config, trainer.counters
    after_start = [row for row in counters.evaluations if row.env_steps > 0]
    reached = first_reaching([(row.env_steps, row.success_rate) for row in after_start], RELIABLE)
    return {
        "task": config.task,
        "agent": config.agent,
        "regrasp": config.evaluation_env.regrasp,
        "eval_action": getattr(config, config.agent).eval_action,
        "eval_sampled": config.agent == "modem" and config.modem.eval_sampled,
        "seed": config.seed,
        "env_steps": counters.env_steps,
        "wall_s": counters.evaluations[-1].wall_s,
        "updates": trainer.agent.critic_updates,
        "demos": len(trainer.demos),
        "replay_bytes_per_step": RowLayout(trainer.agent.replay_spec).nbytes,
        "bc_success": None if final.clone is None else final.clone.success_rate,
        "clone_length": None if final.clone is None else final.clone.mean_length,
        "success": final.agent.success,
        "success_sampled": None if final.agent_sampled is None else final.agent_sampled.success,
        "mean_length": final.agent.mean_length,
        "mean_return": final.agent.mean_return,
        "demonstrator_success": None if final.demonstrator is None else final.demonstrator.success_rate,
        "demonstrator_length": None if final.demonstrator is None else final.demonstrator.mean_length,
        "claimed_successes": counters.claimed_successes,
        "false_successes": counters.false_successes,
        "human_steps": counters.human_steps,
        "intervention_rate": counters.evaluations[-1].intervention_rate,
        "steps_to_95": reached,
        "steps_to_95_unaided": first_reaching(
            [(row.env_steps, row.success_rate) for row in after_start if row.intervention_rate < UNAIDED], RELIABLE
        ),
        "exertion": _exertion(final.agent),
        "exertion_sampled": _exertion(final.agent_sampled),
        "exertion_clone": _exertion(final.clone),
        "exertion_training": reported(counters.exertion) or None,
        "min_success_after_start": min((row.success_rate for row in after_start), default=None),
    }


def _exertion(evaluation: Evaluation | None) -> dict[str, float] | None:
    return None if evaluation is None else reported(evaluation.exertion) or None


def write_report(trainer: Trainer, final: FinalResults) -> dict[str, Any]:
    """Write summary.json, the curve, the comparison and the film; return the summary."""
    run, config = trainer.run, trainer.config
    summary = summarize(trainer, final)
    run.write_summary(summary)
    references = {name: result.success_rate for name, result in final.by_name().items() if name in REFERENCES}
    plot_success({"agent": [read_curve(run.path)]}, run.path / "curve.png", config.task, references)
    plot_comparison(final.table_rows(), run.path / "comparison.png", config.task)
    if config.evaluation.videos:
        _try_to_film(trainer)
    return summary


def _try_to_film(trainer: Trainer) -> None:
    """Film some of the final episodes; where nothing can be drawn say so and go on, the run is worth more than its film."""
    config, path = trainer.config, trainer.run.videos / "final.mp4"
    try:
        film(trainer.eval_env, trainer.agent.policy(), path, config.evaluation.videos, config.seed)
    except DeviceError as error:
        log.warning("no video was made: %s", error)
