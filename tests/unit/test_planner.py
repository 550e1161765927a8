"""Laws of planning, on a model whose best plans are known."""

import pytest
import torch
from toy_model import Line

from robot_rl.agents.planner import Planner
from robot_rl.agents.planner_config import PlannerConfig
from robot_rl.errors import ConfigError

SMALL = {"num_samples": 64, "num_elites": 8, "num_pi_trajs": 8, "num_iterations": 4}


def planner(discount=0.9, snap=lambda action: action.clamp(-1.0, 1.0), **settings):
    return Planner(PlannerConfig(**{**SMALL, **settings}), discount, 1, torch.device("cpu"), snap)


def plan(model, z=0.0, prior_weight=0.0, explore=False, seed=0, by=None, **settings):
    by = by or planner(**settings)
    return by.plan(model, torch.tensor([z]), prior_weight, torch.Generator().manual_seed(seed), explore=explore)


def test_scores_are_discounted_rewards_and_the_value_at_the_end_written_out():
    actions = torch.tensor([[1.0], [-0.5]])[:, None]  # [H, 1, 1]
    score = planner(pessimism=0.0, horizon=2).score(Line(), torch.tensor([0.0]), actions)
    assert float(score) == pytest.approx(-0.4 + 0.9 * -0.5 + 0.81 * -0.5)


def test_nothing_is_earned_after_the_end():
    actions = torch.tensor([[1.0], [-0.5]])[:, None]
    score = planner(pessimism=0.0, horizon=2).score(Line(ends_beyond=0.1), torch.tensor([0.0]), actions)
    assert float(score) == pytest.approx(-0.4)


def test_disagreement_costs_at_the_end_or_all_along():
    actions, model = torch.tensor([[1.0], [1.0]])[:, None], Line(doubt=0.3, num_critics=3)
    z = torch.tensor([0.1])
    std = 0.3  # of -0.3, 0, 0.3
    free, terminal, horizon = (
        float(planner(horizon=2, **settings).score(model, z, actions))
        for settings in ({"pessimism": 0.0}, {"pessimism": 2.0, "pessimism_at": "terminal"}, {"pessimism": 2.0})
    )
    assert free - terminal == pytest.approx(2.0 * 0.81 * std, rel=1e-4)
    assert free - horizon == pytest.approx(2.0 * (1.0 + 0.9 + 0.81) * std, rel=1e-4)


def test_a_pessimist_does_not_go_where_critics_disagree():
    bold = plan(Line(doubt=5.0), z=-0.1, pessimism=0.0, momentum=0.0)
    shy = plan(Line(doubt=5.0), z=-0.1)
    assert -0.1 + 0.2 * float(bold.action) > 0.0
    assert -0.1 + 0.2 * float(shy.actions[0]) <= 0.03


def test_all_prefer_a_plan_only_where_every_critic_expects_more_of_it_than_of_the_policy():
    by, forward, standing = planner(horizon=2), torch.ones(2, 1), torch.zeros(2, 1)
    here, left = torch.tensor([-0.1]), torch.tensor([-0.6])
    assert by.all_prefer(Line(), here, forward, standing[0])
    assert not by.all_prefer(Line(), here, standing, forward[0])
    begun = torch.tensor([[0.5], [0.0]])
    assert by.all_prefer(Line(), here, begun, 0.8 * begun[0])
    assert not by.all_prefer(Line(policy_action=0.999), here, begun, 0.8 * begun[0])  # which goes on
    assert not by.all_prefer(Line(), here, standing, standing[0])  # as good is no reason
    doubtful = Line(doubt=5.0, num_critics=3)  # right of zero
    assert not by.all_prefer(doubtful, here, forward, standing[0])
    assert by.all_prefer(doubtful, left, forward, standing[0])


def test_what_all_prefer_pays_on_the_way_too():
    by, here = planner(horizon=2), torch.tensor([0.5])
    there_and_back = torch.tensor([[1.0], [-1.0]])  # past the target at 0.6, and where standing ends too
    assert not by.all_prefer(Line(target=0.5), here, there_and_back, torch.zeros(1))
    assert by.all_prefer(Line(target=0.7), here, there_and_back, torch.zeros(1))


def test_what_all_prefer_is_worth_nothing_after_the_end():
    forward, standing = torch.ones(2, 1), torch.zeros(1)
    ending = Line(target=-0.6, ends_beyond=0.5)  # further away, but then it costs no more
    assert planner(horizon=1).all_prefer(ending, torch.tensor([0.49]), forward[:1], standing)
    assert planner(horizon=2).all_prefer(Line(ends_beyond=0.0), torch.tensor([-0.1]), forward, standing)
    assert not planner(horizon=2).all_prefer(Line(target=-0.6, ends_beyond=0.5), torch.tensor([-0.1]), forward, standing)


@pytest.mark.parametrize("seed", range(5))
def test_planning_improves_on_the_policy_and_never_loses_to_it(seed):
    poor = plan(Line(policy_action=-0.5), seed=seed)
    assert float(poor.score) > float(poor.policy_score) + 0.3
    assert float(poor.action) > 0.8
    for weight in (0.0, 0.5, 1.0):
        good = plan(Line(policy_action=0.999), seed=seed, prior_weight=weight, num_iterations=1, num_samples=8)
        assert float(good.score) >= float(good.policy_score)


def test_more_iterations_find_better_plans():
    scores = [
        sum(float(plan(Line(), seed=seed, num_iterations=count, num_pi_trajs=0).score) for seed in range(10))
        for count in (1, 2, 6)
    ]
    assert scores[0] < scores[1] < scores[2]


def test_with_full_prior_weight_plans_stay_near_the_policy():
    near = [float(plan(Line(policy_action=-0.5), prior_weight=1.0, seed=seed, num_iterations=1).action) for seed in range(5)]
    wide = [float(plan(Line(policy_action=-0.5), prior_weight=0.0, seed=seed, num_iterations=1).action) for seed in range(5)]
    assert max(near) < 0.0 < 0.4 < min(wide)


def test_plans_centred_on_the_policy_are_the_policys_with_noise():
    by = planner(proposal="policy", pi_std=0.05, num_iterations=1)
    for seed in range(5):
        action = float(plan(Line(policy_action=-0.5), prior_weight=1.0, seed=seed, by=by).actions[0])
        assert action == pytest.approx(-0.5, abs=0.35)


def test_the_next_plan_starts_from_the_last_one_moved_on_and_episodes_start_anew():
    by = planner(num_iterations=1, max_std=0.05, num_pi_trajs=0, min_std=0.01)
    by.last_mean.copy_(torch.tensor([[0.9], [-0.7], [0.4]]))
    by.has_last = True
    warm = plan(Line(), by=by)
    assert warm.actions.flatten().tolist() == pytest.approx([-0.7, 0.4, 0.0], abs=0.15)
    by.begin_episode()
    assert plan(Line(), by=by).actions.flatten().tolist() == pytest.approx([0.0, 0.0, 0.0], abs=0.15)
    cold = planner(num_iterations=1, max_std=0.05, num_pi_trajs=0, min_std=0.01, warm_start=False)
    cold.last_mean.fill_(0.9)
    cold.has_last = True
    assert abs(float(plan(Line(), by=cold).action)) < 0.15


def test_exploring_actions_differ_and_are_bounded_and_measured_ones_repeat():
    by = planner()
    exploring = {float(plan(Line(), explore=True, seed=seed, by=planner()).action) for seed in range(8)}
    assert len(exploring) > 3
    assert all(-1.0 <= action <= 1.0 for action in exploring)
    first = plan(Line(), by=by)
    by.begin_episode()
    assert torch.equal(plan(Line(), by=by).actions, first.actions)


def test_a_discrete_dimension_is_planned_in_values_that_it_can_take():
    seen = []

    def snap(action):
        snapped = (2.0 * action.clamp(-1.0, 1.0)).trunc().sign()
        seen.append(snapped)
        return snapped

    for explore in (False, True):
        found = plan(Line(), explore=explore, snap=snap)
        assert set(found.actions.flatten().tolist()) <= {-1.0, 0.0, 1.0}
        assert float(found.action) in (-1.0, 0.0, 1.0)
    assert seen


def test_differences_below_rounding_decide_nothing():
    by = planner()
    weights = by._weights(torch.tensor([1.0, 1.0 + 1e-7, 1.0 - 1e-7]))
    assert weights.tolist() == pytest.approx([1 / 3] * 3, abs=1e-3)
    small = by._weights(torch.tensor([0.02, 0.0, 0.0]))  # sparse rewards, discounted: a lead is a lead
    assert float(small[0]) > 0.6


def test_prior_weights_are_annealed_between_their_ends():
    config = PlannerConfig(anneal_start=100, anneal_end=300, anneal_weight=0.2)
    assert [config.prior_weight(step) for step in (0, 100, 200, 300, 10_000)] == pytest.approx([1.0, 1.0, 0.6, 0.2, 0.2])
    assert PlannerConfig(proposal="policy").prior_weight(10_000) == 1.0
    assert PlannerConfig(proposal="gaussian").prior_weight(0) == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_elites": 200}, "num_elites 200 is above num_samples 128"),
        ({"horizon": 0}, "horizon 0 is not in 1"),
        ({"min_std": 3.0}, "min_std 3"),
        ({"anneal_start": 10, "anneal_end": 5}, "anneal_end 5 is before anneal_start 10"),
        ({"pessimism": -1.0}, "pessimism -1 is negative"),
        ({"momentum": 1.0}, "momentum 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        PlannerConfig(**settings)
