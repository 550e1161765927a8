import json
from dataclasses import replace

import pytest

from robot_rl.agents.sac_config import SACConfig
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError, RunError
from robot_rl.plain import differences, to_plain
from robot_rl.training.config import DemoConfig, EvaluationConfig, RewardConfig, TrainConfig, WarmStartConfig, config_from_json
from robot_rl.training.presets import PRESETS

CUSTOM = TrainConfig(
    task="reach",
    env=EnvOptions(cameras=("front",), max_steps=7),
    sac=SACConfig(hidden_dims=(8, 8), target_clip=(0.0, 1.0)),
    demos=DemoConfig(folder="d"),
)


@pytest.mark.parametrize("config", [CUSTOM, *(config for _, config in PRESETS.values())])
def test_a_configuration_survives_its_file(config):
    values = json.loads(json.dumps(to_plain(config)))
    assert config_from_json(values) == config
    assert not differences(values, to_plain(config_from_json(values)))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("env_steps", "many", "env_steps: Input should be a valid integer"),
        ("env_steps", 0, "env_steps 0 is below 1"),
        ("agent", "ppo", "agent: Input should be 'sac'"),
        ("sac", {"discount": 2.0}, "sac.*discount 2"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_field(key, value, message):
    with pytest.raises(RunError, match=message):
        config_from_json({**to_plain(CUSTOM), key: value})


def test_a_file_without_a_task_is_no_configuration():
    with pytest.raises(RunError, match="task: Field required"):
        config_from_json({})


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        (CUSTOM, {"env_steps": 0}),
        (CUSTOM, {"replay_capacity": 0}),
        (CUSTOM, {"seed": -1}),
        (CUSTOM, {"random_steps": -1}),
        (CUSTOM, {"threads": -1}),
        (CUSTOM, {"threads": 100_000}),
        (CUSTOM, {"seed": 2**63}),
        (CUSTOM, {"demo_fraction": 1.1}),
        (DemoConfig(), {"episodes": -1}),
        (WarmStartConfig(), {"clone_steps": -1}),
        (WarmStartConfig(), {"env_steps": -1}),
        (WarmStartConfig(), {"critic_steps": -1}),
        (EvaluationConfig(), {"every": 0}),
        (EvaluationConfig(), {"episodes": 0}),
        (EvaluationConfig(), {"final_episodes": 0}),
        (EvaluationConfig(), {"videos": -1}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else type(value).__name__,
)
def test_impossible_settings_are_refused_by_value(part, wrong):
    [value] = wrong.values()
    with pytest.raises(ConfigError, match=str(value)):
        replace(part, **wrong)


@pytest.mark.parametrize("env", [EnvOptions(reward="dense"), EnvOptions(end_at_success=False)])
@pytest.mark.parametrize("agent", ["sac", "modem"])
def test_the_range_of_one_reward_is_refused_where_there_are_more(agent, env):
    config = replace(PRESETS["pick_lift"][1], agent=agent)
    with pytest.raises(ConfigError, match=rf"{agent} target_clip .*give --{agent}\.target-clip None"):
        replace(config, env=env)
    free = {agent: replace(getattr(config, agent), target_clip=(0.0, 50.0))}
    assert replace(config, env=env, **free).env == env
    assert replace(config, env=env, reward=RewardConfig(source="classifier")).env == env  # which then pays alone
