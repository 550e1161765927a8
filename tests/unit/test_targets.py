"""What critics are regressed on."""

import torch

from robot_rl.agents.targets import lambda_target, td_target

REWARD = torch.tensor([[1.0], [2.0], [4.0]])
VALUE = torch.tensor([[10.0], [20.0], [30.0]])
NONE, ALL = torch.zeros(3, 1), torch.ones(3, 1)


def test_with_lambda_zero_it_is_the_target_of_one_step():
    target = lambda_target(REWARD, NONE, ALL, VALUE, 0.5, 0.0)
    assert torch.equal(target, td_target(REWARD, NONE, VALUE, 0.5))


def test_with_lambda_one_all_rewards_of_the_window_count():
    target = lambda_target(REWARD, NONE, ALL, VALUE, 0.5, 1.0)
    assert target.flatten().tolist() == [1.0 + 0.5 * (2.0 + 0.5 * 19.0), 2.0 + 0.5 * 19.0, 4.0 + 0.5 * 30.0]


def test_in_between_it_is_the_recursion_written_out():
    last = 4.0 + 0.5 * 30.0
    middle = 2.0 + 0.5 * (0.75 * 20.0 + 0.25 * last)
    first = 1.0 + 0.5 * (0.75 * 10.0 + 0.25 * middle)
    assert lambda_target(REWARD, NONE, ALL, VALUE, 0.5, 0.25).flatten().tolist() == [first, middle, last]


def test_nothing_is_earned_after_a_termination():
    ended = torch.tensor([[0.0], [1.0], [0.0]])
    target = lambda_target(REWARD, ended, torch.tensor([[1.0], [1.0], [0.0]]), VALUE, 0.5, 1.0)
    assert target[:2].flatten().tolist() == [1.0 + 0.5 * 2.0, 2.0]


def test_a_time_out_within_the_window_bootstraps():
    target = lambda_target(REWARD, NONE, torch.tensor([[1.0], [1.0], [0.0]]), VALUE, 0.5, 1.0)
    assert target[:2].flatten().tolist() == [1.0 + 0.5 * (2.0 + 0.5 * 20.0), 2.0 + 0.5 * 20.0]


def test_each_ensemble_has_its_own():
    both = torch.stack([VALUE, 2.0 * VALUE])
    target = lambda_target(REWARD, NONE, ALL, both, 0.5, 0.9)
    assert torch.equal(target[0], lambda_target(REWARD, NONE, ALL, VALUE, 0.5, 0.9))
    assert torch.equal(target[1], lambda_target(REWARD, NONE, ALL, 2.0 * VALUE, 0.5, 0.9))
