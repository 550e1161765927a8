"""Settings of SAC: published recipes, bounds, and the way through a file."""

import json
import math
from dataclasses import asdict

import pytest

from robot_rl.agents.sac_config import SACConfig
from robot_rl.errors import ConfigError
from robot_rl.nn.vision_config import VisionConfig


def test_presets_are_the_published_recipes():
    hil, rlpd = SACConfig.hil_serl(), SACConfig.rlpd()
    assert (hil.num_critics, hil.num_min_critics, hil.discount, hil.activation) == (2, 2, 0.97, "tanh")
    assert (hil.backup_entropy, hil.init_temperature, hil.critic_actor_ratio) == (False, 0.01, 2)
    assert (rlpd.num_critics, rlpd.num_min_critics, rlpd.discount, rlpd.activation) == (10, 2, 0.99, "relu")
    assert (rlpd.backup_entropy, rlpd.init_temperature, rlpd.utd_ratio) == (True, 1.0, 20.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_min_critics": 3, "num_critics": 2},
        {"discount": 1.0},
        {"utd_ratio": 0.0},
        {"target_clip": (1.0, 0.0)},
        {"hidden_dims": ()},
        {"bc_weight": -1.0},
        {"actor_lr": float("nan")},
        {"actor_lr": 1e30},
        {"utd_ratio": math.inf},
        {"target_entropy": math.nan},
        {"init_temperature": math.inf},
        {"hidden_dims": (10_000_000,)},
        {"num_critics": 10**8},
        {"batch_size": 10**9},
    ],
)
def test_impossible_settings_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SACConfig(**wrong)


def test_a_config_survives_json():
    config = SACConfig(target_clip=(0.0, 1.0), hidden_dims=(64, 32), vision=VisionConfig(pool="softmax"))
    assert SACConfig.from_json(json.loads(json.dumps(asdict(config)))) == config
