"""Laws of the planning budget: it meets its deadline, or says that it cannot, before anything moves."""

from dataclasses import replace

import pytest
import torch
from toy_model import Line
from toy_modem import RUN, toy_modem
from toy_run import toy_trainer

from robot_rl.agents.budget import fit_budget
from robot_rl.agents.modem_policy import ModemPolicy
from robot_rl.agents.planner import Planner
from robot_rl.agents.planner_config import PlannerConfig
from robot_rl.errors import ConfigError


class Work:
    """A clock that goes by how much was scored: 1 ms for each plan step."""

    def __init__(self, model):
        self.model = model

    def __call__(self):
        return 1e-3 * self.model.num_scored


def fitted(**settings):
    model = Line()
    config = PlannerConfig(num_samples=64, num_elites=8, num_pi_trajs=4, num_iterations=4, **settings)
    planner = Planner(config, 0.9, 1, torch.device("cpu"), lambda action: action.clamp(-1.0, 1.0))
    taken = fit_budget(planner, model, Work(model))
    return planner, taken


def test_without_a_deadline_nothing_is_measured_or_changed():
    planner, taken = fitted()
    assert taken == 0.0
    assert planner.config.num_iterations == 4


def test_a_budget_that_fits_stays():
    planner, taken = fitted(within_s=10.0)
    assert 0.5 < taken < 10.0
    assert (planner.config.num_iterations, planner.config.num_samples) == (4, 64)


def test_iterations_go_first_and_samples_then(caplog):
    planner, taken = fitted(within_s=0.5)
    assert taken <= 0.5
    assert (planner.config.num_iterations, planner.config.num_samples) == (2, 64)
    assert "64 samples, 2 iterations and horizon 3 instead of 64 samples, 4 iterations" in caplog.text
    planner, taken = fitted(within_s=0.12)
    assert taken <= 0.12
    assert (planner.config.num_iterations, planner.config.num_samples) == (1, 32)
    assert planner.config.num_elites <= 8
    assert not planner.has_last


@pytest.mark.parametrize(("settings", "samples"), [({}, 16), ({"if_late": "refuse"}, 64)])
def test_one_that_cannot_be_met_is_refused_with_what_would_help(settings, samples):
    with pytest.raises(ConfigError, match=rf"{samples} samples.* takes .* within_s is 0.001 s; plan less"):
        fitted(within_s=1e-3, **settings)


def test_comparing_a_plan_with_the_policy_counts_too():
    model = Line()
    config = PlannerConfig(num_samples=8, num_elites=2, num_pi_trajs=2, num_iterations=1, within_s=10.0)
    planner = Planner(config, 0.9, 1, torch.device("cpu"), lambda action: action.clamp(-1.0, 1.0))
    alone, compared = (fit_budget(planner, model, Work(model), compares=compares) for compares in (False, True))
    assert compared == pytest.approx(alone + 1e-3 * 2 * config.horizon)


@pytest.mark.parametrize(
    ("explore_action", "eval_action", "compared"),
    [("policy", "policy", None), ("planner", "policy", False), ("policy", "unanimous", True), ("unanimous", "planner", True)],
)
def test_only_those_who_plan_have_a_deadline_wherever_they_are_loaded(
    tmp_path, monkeypatch, explore_action, eval_action, compared
):
    asked = []
    monkeypatch.setattr("robot_rl.agents.modem_policy.fit_budget", lambda *_, compares: asked.append(compares) or 0.25)
    agent = toy_modem(explore_action=explore_action, eval_action=eval_action)
    assert agent.meet_deadline() == (0.0 if compared is None else 0.25)
    agent.policy().save(tmp_path)
    ModemPolicy.load(tmp_path)
    assert asked == ([] if compared is None else [compared, compared])


def test_copies_of_a_policy_keep_to_the_budget():
    agent = toy_modem()
    agent._acting.planner.config = replace(agent.config.planner, num_iterations=1)
    assert agent.policy().planner.config.num_iterations == 1


def test_a_run_that_would_be_late_ends_before_anything_moves(tmp_path):
    modem = replace(RUN.modem, planner=replace(RUN.modem.planner, within_s=1e-9))
    with pytest.raises(ConfigError, match="within_s is 1e-09 s"):
        toy_trainer(tmp_path / "run", replace(RUN, modem=modem))
