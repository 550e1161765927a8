"""The loop of HIL-SERL in small: the policy acts, a person corrects it, it learns from that, and is needed no more."""

from dataclasses import replace

import numpy as np
from toy_env import Point
from toy_run import WITHOUT_DEMOS, toy_trainer

from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.episodes import load_dataset
from robot_rl.training.config import EvaluationConfig, WarmStartConfig
from robot_rl.types import TeleopInput

STUCK_STEPS = 4
CONFIG = replace(
    WITHOUT_DEMOS,
    sac=replace(
        SACConfig.from_demonstrations(), hidden_dims=(32, 32), num_critics=2, num_min_critics=2, batch_size=64,
        utd_ratio=1.0, fine_scale=10.0, target_entropy=-4.0,
    ),
    warm_start=WarmStartConfig(clone_steps=200, env_steps=0, critic_steps=100),
    evaluation=EvaluationConfig(every=500, episodes=40, final_episodes=1),
    random_steps=200,
    env_steps=500,
)  # fmt: skip


class Helper:
    """Takes over from a point that gets no closer to the middle, walks half of the remaining way, and lets go."""

    def __init__(self, env):
        self._env, self._rng = env, np.random.default_rng(0)
        self._now, self._goal = np.inf, None

    def read(self):
        steps, position = self._env.steps, self._env.position
        if steps < self._now:
            self._goal, self._closest, self._closest_at = None, np.inf, 0
        self._now = steps
        distance = float(np.linalg.norm(position))
        if distance < self._closest - 0.02:
            self._closest, self._closest_at = distance, steps
        if self._goal is None and steps - self._closest_at >= STUCK_STEPS:
            self._goal = distance / 2
        if self._goal is not None and distance <= self._goal:
            self._goal, self._closest, self._closest_at = None, distance, steps
        if self._goal is None:
            return TeleopInput()
        way = -position / distance * min(0.7, distance / 0.2)
        return TeleopInput(action=np.clip(way + self._rng.normal(0.0, 0.1, 2), -1.0, 1.0).astype(np.float32))


def run(folder, teleop=None):
    """Return the last evaluation, and of each training episode the share of steps on which a person acted."""
    env = Point(radius=0.05)
    trainer = toy_trainer(folder, CONFIG, env, teleop=teleop and teleop(env))
    trainer.train()
    episodes = load_dataset(folder / "episodes")
    return trainer.counters.evaluations[-1], [float(episode.is_intervention.mean()) for episode in episodes]


def test_who_is_corrected_soon_needs_no_correction_and_who_is_not_finds_nothing(tmp_path):
    helped, rates = run(tmp_path / "helped", Helper)
    assert np.mean(rates[:5]) > 0.25
    assert np.mean(rates[-20:]) < 0.02
    assert helped.intervention_rate < 0.02
    assert helped.success_rate >= 0.95
    alone, rates = run(tmp_path / "alone")
    assert not any(rates)
    assert alone.success_rate < 0.3
