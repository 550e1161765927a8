from __future__ import annotations

import importlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_script import run_script

from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.sac_config import SACConfig
from robot_rl.errors import ConfigError, RunError
from robot_rl.runs import RunFolder

LAUNCH = Path(__file__).parents[2] / "launch"
MODULES = (
    "experiments", "experiment_record", "experiment_report", "experiment_aggregate", "experiment_cells", "studies", "published",
    "train", "demonstrations", "command_line",
)  # fmt: skip


@pytest.fixture
def script(monkeypatch):
    """The script as a module, its siblings importable as they are when it is run by path."""
    monkeypatch.syspath_prepend(str(LAUNCH))
    yield importlib.import_module("experiments")
    for name in MODULES:
        sys.modules.pop(name, None)


def repeat(script, study, config, start=None):
    """Run the script's main with this study alone, trainings replaced by `start`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "choose", lambda names: [study])
        patch.setattr(script, "start_training", start)
        script.main(config)


@pytest.fixture
def study(script):
    return script.Study("tiny", "Is it so?", {"plain": "reach", "fast": "reach --sac.utd-ratio 4"}, seeds=(0, 1))


@pytest.fixture
def config(script, tmp_path):
    return script.ExperimentsConfig(runs=tmp_path / "runs", docs=tmp_path / "docs")


class Trainings:
    """Stands for launch/train.py: finishes runs at once, with success k of 10 as `k` says of (variant, seed)."""

    def __init__(self, script, k=lambda run: 9):
        self.script, self.k = script, k
        self.started = []

    def __call__(self, run, folder):
        self.started.append(run.name)
        with RunFolder.create(folder, self.script.configuration(run)) as made:
            for steps, successes in ((0, 2), (500, self.k(run))):
                evaluation = {"env_steps": steps, "wall_s": steps / 10, "successes": successes, "episodes": 10}
                made.append_evaluation(evaluation | {"mean_length": 30.0})
            made.write_summary(
                {
                    "success": {"k": self.k(run), "n": 10, "low": 0.0, "high": 1.0},
                    "bc_success": 0.2, "steps_to_95": None, "min_success_after_start": 0.5, "mean_length": 12.5,
                    "wall_s": 60.0, "updates": 1000, "success_sampled": None, "clone_length": 41.0, "demonstrator_length": 57.0,
                }
            )  # fmt: skip


def test_every_study_is_made_of_settings_that_exist(script):
    for study in script.STUDIES.values():
        planned = script.plan(replace(study, seeds=study.seeds[:1]))  # raises if two variants are the same
        assert [settings["seed"] for settings in planned.values()] == [study.seeds[0]] * len(study.variants)


def test_published_agents_are_told_whole_on_the_command_line(script):
    study, published = script.STUDIES["second_agent"], importlib.import_module("studies").PUBLISHED
    assert set(published) == {"tdmpc2", "modem", "modem_v2"}
    for run in study.runs():
        config = script.configuration(run) if run.seed == 0 else None
        if config is not None and run.method in published:
            assert config.modem == getattr(ModemConfig, run.method)(), run.variant
            assert (config.agent, config.mirror, config.self_imitation) == ("modem", (), False)
            assert (config.clone_steps == 0) == (run.method == "tdmpc2")


def test_hil_serl_is_told_whole_on_the_command_line(script):
    run = next(run for run in script.STUDIES["ablation_peg_insert"].runs() if run.variant == "hil_serl")
    told, meant = script.configuration(run).sac, SACConfig.hil_serl()
    assert (told.bc_weight, told.bc_weight_min) == (0.0, 0.0)  # so these, and on a task without gripper the last, do nothing:
    idle = ("bc_halving_steps", "clone_std", "clone_noise", "grasp_epsilon")
    assert replace(told, **{name: getattr(meant, name) for name in idle}) == meant


def test_agents_of_a_comparison_differ_in_nothing_but_themselves(script):
    seeds = [run for run in script.STUDIES["second_agent"].runs() if run.seed == 0]
    configs = {run: script.configuration(run) for run in seeds}
    assert {run.task for run in seeds} == {"pick_lift", "peg_insert", "push_planar", "bin_pick"}
    assert {run.method for run in seeds} == {"sac", "sac_person", "tdmpc2", "modem", "modem_v2", "ours"}
    for run, config in configs.items():
        other = next(configs[other] for other in seeds if (other.task, other.method) == (run.task, "sac"))
        assert (config.task, config.env, config.demos) == (run.task, other.env, other.demos)
        assert (config.env_steps, config.demos.episodes) == (1000, 10)
        sizes = {"every": 500, "episodes": 10, "final_episodes": 20} if run.method in ("tdmpc2", "modem", "modem_v2") else {}
        assert config.evaluation == replace(other.evaluation, **sizes), "published planners are evaluated less often"
    assert len({repr(config) for config in configs.values()}) == 24


def test_variants_that_do_not_differ_are_refused(script):
    study = script.Study("tiny", "", {"plain": "reach", "same": "reach --sac.utd-ratio 2"})
    with pytest.raises(ConfigError, match="variants 'plain' and 'same' have the same settings"):
        script.plan(study)


def test_every_variant_and_seed_is_trained_once(script, study, config):
    trainings = Trainings(script)
    for _ in range(2):
        repeat(script, study, config, trainings)
    assert trainings.started == ["plain-seed0", "fast-seed0", "plain-seed1", "fast-seed1"]


def test_the_page_pools_seeds_and_shows_each(script, study, config):
    repeat(script, study, config, Trainings(script, k=lambda run: 8 + run.seed))
    page = (config.docs / "tiny.md").read_text()
    assert "Is it so?" in page
    assert "python launch/train.py reach --sac.utd-ratio 4 --seed 0" in page
    assert "17/20 (64% to 95%)" in page  # both seeds together, Wilson
    assert "| 0 | 8/10 (49% to 94%) |" in page
    assert "| 1 | 9/10 (60% to 98%) |" in page
    assert page.count("| 12.5 | 41.0 | 57.0 |") == 4  # steps of agent, clone and demonstrator, by variant and seed
    assert (config.docs / "tiny.png").stat().st_size < 300_000


def test_the_page_tells_how_much_a_person_helped_where_one_did(script, study, config):
    plain = Trainings(script)
    repeat(script, study, config, plain)
    assert "unaided" not in (config.docs / "tiny.md").read_text()

    def start(run, folder):
        Trainings(script)(run, folder)
        if run.variant == "fast":
            with RunFolder.resume(folder) as made:
                reached = 1200 + 100 * run.seed
                made.write_summary({**made.summary, "human_steps": 40 + 20 * run.seed, "steps_to_95_unaided": reached})

    shutil.rmtree(config.runs)
    repeat(script, study, config, start)
    page = (config.docs / "tiny.md").read_text()
    assert "| 1.0 | 1250 | 50 |" in page  # the overview: median and mean
    assert "| 1.0 | - | 0 |" in page
    assert "| 60 | 1200 | 40 |" in page
    assert "| 60 | 1300 | 60 |" in page
    assert page.count("Unaided 95%:") == 1


TASKS = {
    f"{task}_{method}": f"{task} --agent {method} --demos.episodes {demos}"
    for task, demos in (("reach", 1), ("pick_lift", 2))
    for method in ("sac", "modem")
}


def test_methods_are_compared_over_tasks_and_seeds(script, config):
    study = script.Study("tiny", "Which?", TASKS, seeds=(0, 1))
    found = {run.variant: (run.task, run.method) for run in study.runs()}
    assert found["pick_lift_modem"] == ("pick_lift", "modem")
    repeat(script, study, config, Trainings(script, k=lambda run: 9 if run.method == "modem" else 3 + 4 * run.seed))
    page = (config.docs / "tiny.md").read_text()
    assert "## Over tasks and seeds: reach, pick_lift" in page
    assert "| modem | 4 | 90% (90% to 90%) | 500 (500 to 500) | 4 of 4 |" in page
    assert "| sac | 4 | 50% (30% to 70%) | 500 (500 to 500) | 0 of 4 |" in page  # never: counts with its last step
    assert "| 0 of 2 | - |" in page  # nor has it a median
    for name in ("tiny", "tiny-reach", "tiny-pick_lift"):
        assert f"({name}.png)" in page
        assert (config.docs / f"{name}.png").exists()


def test_a_method_that_was_not_run_on_a_task_is_not_compared_there(script, config):
    study = script.Study("tiny", "Which?", TASKS, seeds=(0,))

    def start(run, folder):
        if run.variant == "pick_lift_sac":
            raise RunError("out of memory")
        Trainings(script)(run, folder)

    with pytest.raises(RunError):
        repeat(script, study, config, start)
    page = (config.docs / "tiny.md").read_text()
    assert "## Over tasks and seeds: reach\n" in page
    assert "| modem | 1 | 90% | 500 | 1 of 1 |" in page, "one seed tells of no interval"


def test_variants_of_one_task_are_compared_over_seeds(script, study, config):
    repeat(script, study, config, Trainings(script, k=lambda run: 8 + run.seed))
    page = (config.docs / "tiny.md").read_text()
    assert "## Over tasks and seeds: reach" in page
    assert "| fast | 2 | 85% (80% to 90%) | 500 (500 to 500) | 2 of 2 |" in page
    assert "| 2 of 2 | 500 |" in page  # the overview


def test_the_page_tells_of_forces_where_they_were_measured(script, study, config):
    repeat(script, study, config, Trainings(script))
    assert "violation" not in (config.docs / "tiny.md").read_text()
    shutil.rmtree(config.runs)

    def told(force, rate):
        return {"peak_force": force, "mean_force": force / 10, "peak_speed": 0.4, "rms_jerk": 30.0, "violation_rate": rate}

    def start(run, folder):
        Trainings(script)(run, folder)
        if run.variant == "fast":
            with RunFolder.resume(folder) as made:
                seen = {"exertion": told(50.0 + run.seed, 0.01 * run.seed), "exertion_clone": None}
                made.write_summary({**made.summary, **seen, "exertion_training": told(90.0, 0.25)})

    repeat(script, study, config, start)
    page = (config.docs / "tiny.md").read_text()
    assert "| fast | 51.0 | 5.05 | 0.40 | 30.0 | 0.50% | - | 25.00% |" in page
    assert "| plain | 51" not in page


def test_pages_are_made_again_from_what_the_repository_keeps(script, study, config):
    repeat(script, study, config, Trainings(script))
    page = (config.docs / "tiny.md").read_text()
    shutil.rmtree(config.runs)
    (config.docs / "tiny.md").unlink()
    repeat(script, study, script.ExperimentsConfig(runs=config.runs, docs=config.docs, report_only=True))
    assert (config.docs / "tiny.md").read_text() == page


def test_what_is_kept_of_a_run_is_small(script, study, config):
    repeat(script, study, config, Trainings(script))
    files = [path for path in (config.docs / "data").rglob("*") if path.is_file()]
    assert len(files) == 12
    assert all(path.stat().st_size < 10_000 for path in files)


def test_a_record_of_other_settings_is_left_out_though_its_command_is_the_same(script, study, config, caplog):
    """A preset changed, say."""
    repeat(script, study, config, Trainings(script))
    shutil.rmtree(config.runs)
    kept = config.docs / "data" / "tiny" / "fast-seed1" / "config.json"
    kept.write_text(kept.read_text().replace('"discount": 0.', '"discount": 0.1', 1))
    repeat(script, study, script.ExperimentsConfig(runs=config.runs, docs=config.docs, report_only=True))
    assert "**1 of 4 runs are missing.**" in (config.docs / "tiny.md").read_text()
    assert "fast-seed1, a record of other settings: " in caplog.text
    assert "discount is 0.1" in caplog.text


def test_a_finished_run_may_lack_settings_that_came_later(script, study, config):
    repeat(script, study, config, Trainings(script))
    path = config.runs / "tiny" / "fast-seed0" / "config.json"
    values = json.loads(path.read_text())
    del values["turn"]
    path.write_text(json.dumps(values))
    repeat(script, study, config, again := Trainings(script))
    assert not again.started
    assert "missing" not in (config.docs / "tiny.md").read_text()


def test_a_run_may_be_computed_wherever_there_is_room(script, study, config):
    def elsewhere(run, folder):
        made = replace(script.configuration(run), device="cuda", threads=8)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(script, "configuration", lambda run: made)
            Trainings(script)(run, folder)
        path = folder / "environment.json"
        values = json.loads(path.read_text())
        values["sessions"][0] |= {"processor": "Abacus 9", "gpu": "Sliderule X"}
        path.write_text(json.dumps(values))

    repeat(script, study, config, elsewhere)
    page = (config.docs / "tiny.md").read_text()
    assert ", Abacus 9 with Sliderule X. Repeat it" in page
    assert "missing" not in page


def test_a_record_may_lack_settings_that_came_later_and_an_early_one_all_of_them(script, study, config):
    repeat(script, study, config, Trainings(script))
    shutil.rmtree(config.runs)
    page = (config.docs / "tiny.md").read_text()
    path = config.docs / "data" / "tiny" / "fast-seed0" / "config.json"
    values = json.loads(path.read_text())
    del values["turn"]
    path.write_text(json.dumps(values))
    (config.docs / "data" / "tiny" / "plain-seed0" / "config.json").unlink()
    repeat(script, study, script.ExperimentsConfig(runs=config.runs, docs=config.docs, report_only=True))
    assert (config.docs / "tiny.md").read_text() == page


def test_what_is_not_a_record_is_left_alone(script, study, config):
    repeat(script, study, config, Trainings(script))
    page = (config.docs / "tiny.md").read_text()
    foreign = script.Study("tiny", study.question, {"by_hand": "reach --sac.utd-ratio 8", **study.variants}, seeds=(0, 1))
    folder = config.docs / "data" / "tiny" / "by_hand-seed0"
    folder.mkdir()
    (folder / "summary.json").write_text('{"task": "reach"}')
    repeat(script, foreign, script.ExperimentsConfig(runs=config.runs, docs=config.docs, report_only=True))
    assert (config.docs / "tiny.md").read_text() == page.replace(
        "experiments.py tiny`.", "experiments.py tiny`. **2 of 6 runs are missing.**"
    )


def test_report_only_trains_nothing(script, study, config):
    trainings = Trainings(script)
    repeat(script, study, script.ExperimentsConfig(runs=config.runs, docs=config.docs, report_only=True), trainings)
    assert trainings.started == []
    assert not config.docs.exists()


def test_a_failed_run_does_not_stop_the_others_and_is_named(script, study, config):
    trainings = Trainings(script)

    def start(run, folder):
        if run.name == "fast-seed0":
            raise RunError("out of memory")
        trainings(run, folder)

    with pytest.raises(RunError, match="out of memory"):
        repeat(script, study, config, start)
    assert trainings.started == ["plain-seed0", "plain-seed1", "fast-seed1"]
    assert "**1 of 4 runs are missing.**" in (config.docs / "tiny.md").read_text()


def test_a_run_of_other_settings_is_not_taken_for_the_studys(script, study, config):
    repeat(script, study, config, Trainings(script))
    changed = script.Study("tiny", study.question, {**study.variants, "fast": "reach --sac.utd-ratio 8"}, seeds=(0,))
    with pytest.raises(RunError, match=r"sac.utd_ratio is 4.0 in the run, 8.0 was asked for[^;\n]*$"):
        repeat(script, changed, config, Trainings(script))
    assert "utd-ratio" not in (config.docs / "tiny.md").read_text()  # nor are its old figures


def test_a_run_without_summary_is_not_finished(script, study, config):
    run = study.runs()[0]
    RunFolder.create(config.runs / "tiny" / run.name, script.configuration(run)).close()
    started = []
    repeat(script, study, config, lambda run, folder: started.append(run.name))
    assert run.name in started
    assert not config.docs.exists()


def test_a_stopped_run_goes_on(script, study, config, monkeypatch):
    run = study.runs()[0]
    folder = config.runs / "tiny" / run.name
    RunFolder.create(folder, script.configuration(run)).close()
    commands = []

    class Process:
        def __init__(self, command, cwd):
            commands.append(command[2:])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self):
            return 130

    monkeypatch.setattr(script.subprocess, "Popen", Process)
    with pytest.raises(RunError, match="status 130"):
        script.start_training(run, folder)
    assert commands == [["--resume", str(folder)]]


def test_the_script_tells_what_it_wrote(tmp_path):
    kept = Path("data") / "peg_insert"
    shutil.copytree(LAUNCH.parent / "docs" / "experiments" / kept, tmp_path / kept)
    where = ("--docs", tmp_path, "--runs", tmp_path / "runs")
    done = run_script("experiments", "peg_insert", "--report-only", *where, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'peg_insert.md'} tells of 3 of 3 runs" in done.stdout


def test_unknown_study_lists_what_exists(script):
    with pytest.raises(ConfigError, match="unknown study 'peg'; known: peg_insert, "):
        script.main(script.ExperimentsConfig(studies=("peg",)))
