import json
import logging
from dataclasses import replace

import pytest
from toy_env import Blind, Point, Straight
from toy_run import CONFIG, WITHOUT_DEMOS, toy_trainer

from robot_rl.agents.modem_config import ModemConfig
from robot_rl.data.rows import RowLayout
from robot_rl.envs.exertion import Exertion
from robot_rl.training.counters import EvaluationRow
from robot_rl.training.evaluate import Evaluation
from robot_rl.training.report import FinalResults, measure_final, summarize, write_report
from robot_rl.training.seeds import episode_seed

REQUIRED = {
    "task", "agent", "seed", "env_steps", "wall_s", "updates", "demos", "bc_success", "success", "steps_to_95",
    "min_success_after_start",
}  # fmt: skip


@pytest.fixture
def trainer(tmp_path):
    trainer = toy_trainer(tmp_path / "run")
    trainer.train()
    return trainer


def rows(*rates):
    return [EvaluationRow(100 * i, float(i), round(20 * rate), 20, 9.0, rate, 0) for i, rate in enumerate(rates)]


def test_all_are_measured_on_the_same_starts_which_are_new(trainer):
    used = {*trainer.env.seeds, *trainer.eval_env.seeds}
    trainer.eval_env.seeds.clear()
    final = measure_final(trainer, Straight(0))
    starts = [episode_seed(0, "final", index) for index in range(3)]
    assert trainer.eval_env.seeds == 4 * starts
    assert not used & set(starts)
    assert list(final.by_name()) == ["demonstrator", "clone", "agent", "agent, sampled"]
    assert final.demonstrator.successes == 3


def test_sampled_actions_are_left_out_where_the_evaluations_leave_them_out(tmp_path):
    config = replace(CONFIG, evaluation=replace(CONFIG.evaluation, sampled=False))
    trainer = toy_trainer(tmp_path / "run", config)
    trainer.train()
    final = measure_final(trainer, None)
    assert list(final.by_name()) == ["clone", "agent"]
    assert summarize(trainer, final)["success_sampled"] is None


def test_sampled_actions_are_left_out_where_measured_ones_are_drawn_alike():
    drawn = replace(CONFIG, agent="modem", modem=ModemConfig(eval_sampled=True))
    assert not drawn.measures_sampled
    assert replace(drawn, agent="sac").measures_sampled
    assert replace(drawn, modem=ModemConfig(eval_sampled=True, eval_action="policy")).measures_sampled
    assert replace(drawn, modem=ModemConfig()).measures_sampled


def test_the_summary_has_what_readers_expect(trainer):
    final = measure_final(trainer, Straight(0))
    summary = summarize(trainer, final)
    assert not REQUIRED - set(summary)
    assert (summary["task"], summary["agent"], summary["seed"]) == ("toy_env:make", "sac", 0)
    assert (summary["regrasp"], summary["eval_action"], summary["eval_sampled"]) == (False, "mean", False)
    assert (summary["env_steps"], summary["demos"], summary["updates"]) == (50, 3, 40)
    assert set(summary["success"]) == {"k", "n", "low", "high"}
    assert summary["success"]["n"] == 3
    assert summary["bc_success"] == final.clone.success_rate
    assert summary["clone_length"] == final.clone.mean_length
    assert summarize(trainer, replace(final, clone=final.demonstrator))["clone_length"] == final.demonstrator.mean_length
    assert summary["demonstrator_success"] == 1.0
    assert summary["replay_bytes_per_step"] == RowLayout(trainer.agent.replay_spec).nbytes
    assert summary["exertion"] is summary["exertion_training"] is None  # a point without an arm cannot tell


def test_the_summary_tells_of_the_agents_clones_and_trainings_exertion(trainer):
    def evaluation(force):
        results = measure_final(trainer, None).agent.results
        return Evaluation(tuple(replace(r, exertion=Exertion(1, 0, 1, force, force, 0.0, 0, 0.0)) for r in results))

    trainer.counters.exertion = Exertion(4, 1, 4, 8.0, 5.0, 0.1, 0, 0.0)
    summary = summarize(trainer, FinalResults(evaluation(1.0), evaluation(2.0), evaluation(3.0), None))
    keys = ("exertion", "exertion_sampled", "exertion_clone", "exertion_training")
    assert [summary[key]["peak_force"] for key in keys] == [1.0, 2.0, 3.0, 5.0]
    assert summary["exertion_training"]["violation_rate"] == 0.25


@pytest.mark.parametrize(
    ("rates", "reached", "smallest"),
    [((1.0, 0.5, 0.95, 0.9), 200, 0.5), ((0.0, 0.5, 0.9), None, 0.5), ((0.2, 1.0), 100, 1.0), ((1.0,), None, None)],
)
def test_the_clone_before_the_first_step_does_not_count_as_learning(trainer, rates, reached, smallest):
    trainer.counters.evaluations = rows(*rates)
    nothing = Evaluation(())
    summary = summarize(trainer, FinalResults(nothing, nothing, None, None))
    assert summary["steps_to_95"] == reached
    assert summary["min_success_after_start"] == smallest
    assert summary["wall_s"] == len(rates) - 1


@pytest.mark.parametrize(
    ("help_by_evaluation", "unaided"),
    [((0.0, 0.5, 0.3, 0.01, 0.0), 300), ((0.0, 0.5, 0.3, 0.02, 0.03), None), ((0.0, 0.0, 0.0, 0.5, 0.5), 200)],
)
def test_success_with_help_at_hand_is_not_yet_success_unaided(trainer, help_by_evaluation, unaided):
    rates = rows(0.0, 0.9, 1.0, 0.95, 1.0)
    trainer.counters.evaluations = [
        replace(row, intervention_rate=rate) for row, rate in zip(rates, help_by_evaluation, strict=True)
    ]
    trainer.counters.human_steps = 123
    summary = summarize(trainer, FinalResults(Evaluation(()), Evaluation(()), None, None))
    assert (summary["steps_to_95"], summary["steps_to_95_unaided"]) == (200, unaided)
    assert (summary["human_steps"], summary["intervention_rate"]) == (123, help_by_evaluation[-1])


def test_a_report_leaves_everything_in_the_folder(trainer):
    summary = write_report(trainer, measure_final(trainer, None))
    folder = trainer.run.path
    assert json.loads((folder / "summary.json").read_text()) == summary == trainer.run.summary
    for name in ("curve.png", "comparison.png", "videos/final.mp4"):
        assert (folder / name).stat().st_size > 500


def test_a_run_without_demonstrations_compares_with_nothing(tmp_path):
    trainer = toy_trainer(tmp_path / "run", replace(WITHOUT_DEMOS, evaluation=replace(CONFIG.evaluation, videos=0)))
    trainer.train()
    final = measure_final(trainer, None)
    summary = write_report(trainer, final)
    assert [row.name for row in final.table_rows()] == ["agent", "agent, sampled"]
    assert summary["bc_success"] is summary["clone_length"] is summary["demonstrator_success"] is None
    assert summary["demos"] == 0
    assert not list((tmp_path / "run" / "videos").iterdir())


def test_a_run_is_worth_more_than_its_film(trainer, caplog):
    trainer.eval_env = Blind()
    with caplog.at_level(logging.WARNING):
        summary = write_report(trainer, measure_final(trainer, None))
    assert trainer.run.summary == summary
    assert "no video was made: toy cannot be drawn: pygame is not installed" in caplog.text
    assert isinstance(trainer.env, Point)
