"""The world-model agent solves a sparse toy task from nothing, by planning: a sign error in model, value or planner fails."""

from dataclasses import replace

import torch
from toy_modem import SMALL
from toy_run import WITHOUT_DEMOS, toy_trainer

from robot_rl.agents.planner_config import PlannerConfig
from robot_rl.training.evaluate import evaluate

PLANNER = PlannerConfig(num_samples=48, num_elites=8, num_pi_trajs=8, num_iterations=3, anneal_end=200)
MODEM = replace(
    SMALL, batch_size=64, latent_dim=32, simnorm_dim=4, encoder_dims=(48,), hidden_dims=(48, 48), num_critics=2, discount=0.95,
    target_clip=(0.0, 1.0), lr=2e-3, encoder_lr_scale=1.0, tau=0.05, planner=PLANNER,
)  # fmt: skip
RUN = replace(WITHOUT_DEMOS, agent="modem", modem=MODEM, seed=2, env_steps=2000, random_steps=300)


def test_learns_a_sparse_task_from_nothing(tmp_path):
    torch.set_num_threads(1)
    trainer = toy_trainer(tmp_path, replace(RUN, evaluation=replace(RUN.evaluation, every=RUN.env_steps)))
    before = evaluate(trainer.eval_env, trainer.agent.policy(), 20, seed=1).success_rate
    trainer.train()
    after = evaluate(trainer.eval_env, trainer.agent.policy(), 20, seed=1)
    assert before < 0.3
    assert after.success_rate > 0.9
    assert after.mean_length < 10.0  # one that has not learned takes 20
