from __future__ import annotations

import numpy as np
import pytest

from robot_rl.envs.factory import SUITES, TASKS, make_demonstrator, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.errors import ConfigError
from robot_rl.registry import resolve

CALLS = []


def factory(options):
    CALLS.append(options)
    return "an environment"


def demonstrator(env, seed):
    return (env, seed)


def test_an_unknown_environment_lists_tasks_and_suites():
    with pytest.raises(ConfigError) as caught:
        make_env("pick_lft")
    for known in (*TASKS, *SUITES, "package.module:attribute", "did you mean 'pick_lift'"):
        assert known in str(caught.value)


def test_a_suite_is_chosen_by_its_prefix():
    env = make_env("gymnasium:Pendulum-v1", EnvOptions(reward="dense"))
    assert env.env_spec.name == "gymnasium:Pendulum-v1"
    assert env.action_space.contains(np.zeros(1, np.float32))


def test_a_suite_without_a_task_says_so():
    with pytest.raises(ConfigError, match="'metaworld:' lacks what comes after metaworld:"):
        make_env("metaworld:")


def test_an_import_string_gets_the_options(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lab", __import__("types").SimpleNamespace(factory=factory))
    assert make_env("lab:factory", EnvOptions(image_size=96)) == "an environment"
    assert CALLS[-1].image_size == 96
    make_env("lab:factory")
    assert CALLS[-1] == EnvOptions()


@pytest.mark.parametrize("name", ["no_such_module:make", "math:no_such_factory"])
def test_a_wrong_import_string_names_what_is_missing(name):
    with pytest.raises(ConfigError, match=r"no_such"):
        make_env(name)


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_has_its_factory(suite):
    assert callable(resolve(suite, SUITES, "suite"))


def test_a_foreign_environment_has_no_scripted_demonstrator():
    with pytest.raises(
        ConfigError, match=r"'gymnasium:Pendulum-v1' has no scripted.*pick_lift.*metaworld:\.\.\..*package\.module:factory"
    ):
        make_demonstrator("scripted", "gymnasium:Pendulum-v1", None, 0)


def test_a_demonstrator_gets_environment_and_seed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lab", __import__("types").SimpleNamespace(demonstrator=demonstrator))
    assert make_demonstrator("lab:demonstrator", "anything", "env", 7) == ("env", 7)


def test_an_unknown_demonstrator_says_what_exists():
    with pytest.raises(ConfigError, match=r"unknown policy 'scriptd'.*scripted.*package\.module:attribute"):
        make_demonstrator("scriptd", "reach", None, 0)
