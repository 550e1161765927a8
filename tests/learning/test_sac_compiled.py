"""Eager and compiled updates give the same numbers."""

import shutil
from dataclasses import replace
from itertools import repeat

import pytest
import torch

from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.batch import Batch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

SPEC = EnvSpec("toy", {"state/x": ArraySpec((3,))}, ActionSpec(("x", "y")), 0.1, 10)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_eager_and_compiled_updates_agree():
    config = SACConfig(batch_size=32, hidden_dims=(16, 16), num_critics=4, utd_ratio=1.0, critic_actor_ratio=1, bc_weight=1.0)
    zeros = torch.zeros(1, 32)
    batch = Batch({"state/x": torch.randn(2, 32, 3)}, torch.rand(1, 32, 2), zeros + 1.0, zeros, zeros + 0.98, torch.ones(32))
    eager, compiled = SAC(SPEC, config), SAC(SPEC, replace(config, compile=True))
    for _ in range(5):
        expected, found = eager.update(repeat(batch)), compiled.update(repeat(batch))
        assert dict(found) == pytest.approx(dict(expected), rel=1e-3, abs=1e-4)
    for name, value in eager.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value, rtol=1e-3, atol=1e-4)
