"""The training loop with the world-model agent: the same promises as with SAC."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_env import MAX_STEPS, Point
from toy_modem import RUN
from toy_run import toy_trainer

from robot_rl.agents.handover import HandoverConfig
from robot_rl.agents.modem import Modem
from robot_rl.agents.modem_policy import ModemPolicy
from robot_rl.training.config import DemoConfig, config_from_json
from robot_rl.training.report import measure_final, summarize
from robot_rl.training.state_value import state_value

SCRATCH = replace(RUN, demos=DemoConfig(episodes=0))
BOTH = pytest.mark.parametrize("config", [RUN, SCRATCH], ids=["demos", "scratch"])


def assert_same_agent(one, other):
    states = one.agent.state_dict(), other.agent.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def successes(trainer):
    return [(row.env_steps, row.successes, row.mean_length) for row in trainer.counters.evaluations]


@BOTH
def test_phases_follow_each_other_and_every_step_owes_its_updates(tmp_path, config):
    seen = []
    trainer = toy_trainer(tmp_path / "run", config, report=seen.append)
    assert trainer.train()
    assert isinstance(trainer.agent, Modem)
    has_demos = config is RUN
    settling = config.warm_start.critic_steps if has_demos else 0
    assert trainer.agent.critic_updates == settling + 50 - 15
    phases = [status.phase for status in seen]
    assert phases == (["cloning", "training", "settling the critic"] if has_demos else ["training"]) + ["training"] * 2
    assert (trainer.agent.networks.clone is not None) == has_demos


@BOTH
def test_a_run_that_is_continued_is_the_run_that_never_stopped(tmp_path, config):
    handover = HandoverConfig(end=40, is_gated=True, by="step")
    config = replace(config, modem=replace(config.modem, handover=handover))
    config = replace(config, evaluation=replace(config.evaluation, every=MAX_STEPS))

    def run(name, env_steps):
        trainer = toy_trainer(tmp_path / name, replace(config, env_steps=env_steps), Point(radius=0.0))
        assert trainer.train()
        return trainer

    whole = run("whole", 3 * MAX_STEPS)
    run("parts", MAX_STEPS)  # whole episodes: a stop within one would cut it
    parts = run("parts", 3 * MAX_STEPS)
    assert_same_agent(parts, whole)
    assert successes(parts) == successes(whole)


def test_seeding_is_the_clones_and_what_comes_after_is_not(tmp_path):
    trainer = toy_trainer(tmp_path / "modem", replace(RUN, env_steps=15), Point(radius=0.0))
    trainer.train()
    obs, _ = trainer.env.reset(seed=1)
    clone = trainer.clone_policy()
    assert isinstance(clone, ModemPolicy)
    assert np.allclose(trainer.agent.act(obs, explore=False), clone.act(obs, explore=False), atol=1e-5)
    trainer.agent.env_steps = 1
    assert not np.allclose(trainer.agent.act(obs, explore=False), clone.act(obs, explore=False), atol=1e-3)


def test_the_gate_goes_by_what_the_loop_measures(tmp_path):
    modem = replace(RUN.modem, handover=HandoverConfig(is_gated=True))
    trainer = toy_trainer(tmp_path / "run", replace(RUN, modem=modem))
    trainer.train()
    rates = [row.success_rate for row in trainer.counters.evaluations]
    assert trainer.agent.handover.best == max(rates)


def test_demonstrations_shorter_than_the_horizon_are_learned_from_all_the_same(tmp_path):
    modem = replace(RUN.modem, horizon=MAX_STEPS + 10)
    trainer = toy_trainer(tmp_path / "run", replace(RUN, modem=replace(modem, batch_size=4), env_steps=18))
    assert max(demo.length for demo in trainer.demos) < MAX_STEPS + 10
    assert trainer.train()
    assert all(torch.isfinite(value).all() for value in trainer.agent.state_dict().values())


def test_a_finished_run_reports_agent_clone_and_value(tmp_path):
    trainer = toy_trainer(tmp_path / "run", RUN)
    trainer.train()
    summary = summarize(trainer, measure_final(trainer, None))
    assert (summary["agent"], summary["updates"]) == ("modem", 40)
    assert summary["bc_success"] is not None
    obs, _ = trainer.env.reset(seed=0)
    assert np.isfinite(state_value(trainer.agent, obs, np.zeros(2, np.float32)))


def test_the_run_folder_tells_the_whole_configuration(tmp_path):
    toy_trainer(tmp_path / "run", RUN)
    assert config_from_json(json.loads((tmp_path / "run" / "config.json").read_text())) == RUN
