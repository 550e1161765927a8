"""Rewards: one at success, ordered on the way, blind to older frames."""

from __future__ import annotations

import numpy as np
import pytest

from robot_rl.envs.rewards import PoseError, PoseReward, SparseReward
from robot_rl.errors import SpecMismatch


def seen(position, rotation=(0.0, 0.0, 0.0)):
    return {
        "state/peg/position": np.array(position, dtype=np.float32),
        "state/peg/rotation": np.array(rotation, dtype=np.float32),
    }


GOAL = PoseError("peg", (0.1, 0.0, 0.0), (0.0, 0.0, 0.5))


def test_sparse_reward_is_one_at_success_only():
    reward = SparseReward(lambda obs: bool(obs["x"] > 1))
    assert reward({"x": np.array(2)}) == (1.0, True)
    assert reward({"x": np.array(1)}) == (0.0, False)


def test_error_is_in_metres_and_radians():
    assert GOAL(seen((0.1, 0.3, 0.4), (0, 0, 0.2))) == pytest.approx((0.5, 0.3), abs=1e-6)
    assert PoseError("peg")(seen((0.3, 0, 0.4), (1, 1, 1))) == pytest.approx((0.5, 0.0))


def test_success_needs_both_tolerances():
    reward = PoseReward(GOAL, position_tolerance_m=0.01, rotation_tolerance_rad=0.1)
    assert reward(seen((0.105, 0, 0), (0, 0, 0.45))) == (1.0, True)
    assert reward(seen((0.12, 0, 0), (0, 0, 0.5))) == (0.0, False)
    assert reward(seen((0.1, 0, 0), (0, 0, 0.3))) == (0.0, False)


def test_only_the_newest_frame_of_a_stack_counts():
    reward = PoseReward(PoseError("peg"), position_tolerance_m=0.01)
    assert reward(seen((9, 9, 9, 0, 0, 0), (0,) * 6)) == (1.0, True)
    assert reward(seen((0, 0, 0, 9, 9, 9), (0,) * 6)) == (0.0, False)


def test_dense_reward_grows_towards_the_goal_and_stays_below_success():
    reward = PoseReward(GOAL, position_tolerance_m=0.01, rotation_tolerance_rad=0.1, dense=True)
    values = [reward(seen((0.1 + far, 0, 0), (0, 0, 0.5)))[0] for far in (0.3, 0.1, 0.02, 0.0)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-2] < values[-1] == 1.0
    assert reward(seen((0.1, 0, 0), (0, 0, 0.3)))[0] < 1.0


def test_a_pose_that_is_not_observed_is_named():
    with pytest.raises(SpecMismatch, match="'state/cup/position', which is not observed; there are: state/peg/position"):
        PoseError("cup")(seen((0, 0, 0)))
