"""Training and evaluating beside a simulated person, by the scripts, and who else may be there."""

import json
import sys
import types
from contextlib import suppress

import numpy as np
import pytest
from toy_env import Point
from toy_script import LAUNCH, SETTINGS, call_script, run_script, train

from hardware.clock import WallClock
from hardware.fake import HOME, FakeRobot, ScriptedTeleop
from robot_rl.data.episodes import load_dataset
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.paced import Paced
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError
from robot_rl.runs import RunFolder
from robot_rl.types import TeleopInput

sys.path.insert(0, str(LAUNCH))
import person as person_module
from person import CockpitOptions, Person, person
from rich.console import Console

REACH = {
    **SETTINGS, "task": "reach", "demos.policy": "scripted", "demos.episodes": 1, "env-steps": 150, "evaluation.every": 150,
    "warm-start.env-steps": 140, "evaluation.episodes": 1, "evaluation.final-episodes": 1,
}  # fmt: skip
SMALL = [word for name, value in REACH.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a run beside a simulated person, and what the script said."""
    folder = tmp_path_factory.mktemp("person")
    return folder, run_script("train", "gymnasium", *SMALL, "--teleop", "simulated", "--run-dir", "run", cwd=folder)


def test_a_simulated_person_helps_a_run_and_the_report_says_how_much(run):
    folder, done = run
    assert done.returncode == 0, done.stderr
    episodes = load_dataset(folder / "run" / "episodes")
    is_human = np.concatenate([episode.is_intervention for episode in episodes])
    assert 0 < is_human.sum() < len(is_human)
    summary = RunFolder.open(folder / "run").summary
    assert summary is not None
    assert summary["human_steps"] == is_human.sum()
    assert summary["intervention_rate"] > 0.0
    assert f"a person acted on {is_human.mean():.1%} of all steps" in done.stdout
    last = RunFolder.open(folder / "run").evaluations()[-1]
    assert (last["human_steps"], last["intervention_rate"]) == (summary["human_steps"], summary["intervention_rate"])


def test_a_run_can_go_on_without_the_person(run):
    folder, _ = run
    done = call_script("train", "--resume", "run", "--teleop", "None", "--env-steps", "170", cwd=folder)
    assert done.returncode == 0, done.stderr
    summary = RunFolder.open(folder / "run").summary
    assert summary is not None
    assert summary["env_steps"] == 170


def test_a_policy_is_measured_beside_a_simulated_person(run):
    folder, _ = run
    arguments = ("run", "--policy", "clone", "--episodes", "3", "--teleop", "simulated")
    done = call_script("evaluate", *arguments, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["helped_episodes"] > 0
    assert 0.0 < measured["intervention_rate"] < 1.0
    again = call_script("evaluate", *arguments, cwd=folder)
    assert f"a person helped in {measured['helped_episodes']} of 3 episodes" in again.stdout
    alone = call_script("evaluate", "run", "--policy", "clone", "--episodes", "3", "--json", cwd=folder)
    assert json.loads(alone.stdout)["helped_episodes"] == 0


def test_where_nobody_can_see_through_the_walls_there_is_no_simulated_person(tmp_path):
    done = train(tmp_path, "--teleop", "simulated")
    assert done.returncode == 2
    assert "not a simulated task" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--takeover", "shout"), "touch"),
        (("--veto-s", "-1"), "veto_s -1 is not in 0..60"),
        (("--cockpit-port", "70000"), "cockpit_port 70000 is not in 0..65535"),
    ],
)
def test_impossible_wishes_are_refused(tmp_path, wrong, message):
    done = train(tmp_path, *wrong)
    assert done.returncode == 2
    assert message in done.stderr + done.stdout
    assert not (tmp_path / "run").exists()


# Who is there


class Device(ScriptedTeleop):
    """Stands for an input device, for what makes a Teleop of it, and for the cockpit: tells what happened to it."""

    url = "http://127.0.0.1:8080"

    def __init__(self, told, name):
        super().__init__()
        self.told, self.name, self.points = told, name, []
        self.device = name

    def connect(self):
        self.told.append(f"connect {self.name}")

    def start(self):
        self.told.append(f"start {self.name}")

    def close(self):
        self.told.append(f"close {self.name}")

    def publish(self, points):
        self.points.append(points)


@pytest.fixture
def told(monkeypatch):
    """Stand in for devices and cockpit, and return what happens to them."""
    told = []

    def module(name, **content):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**content))

    def open_device(name):
        if name != "pad":
            raise ConfigError(f"unknown device {name!r}; known: pad")
        return "pad"

    module("hardware.teleop", open_device=open_device)
    monkeypatch.setattr(person_module, "TakeOver", lambda device, spec, config: Device(told, f"{device} {config.mode}"))
    module("robot_rl.cockpit", Cockpit=lambda config, title: Device(told, "cockpit"), CockpitConfig=dict)
    module("robot_rl.cockpit.watched", Watched=lambda env, cockpit: ("watched", env, cockpit))
    return told


def there(teleop, env=None, **options):
    env = env or Point()
    return person(teleop, "hold", CockpitOptions(**options), env, seed=0, title="a test", console=Console(quiet=True))


def on_the_wall():
    config = RobotEnvConfig(action=ActionConfig(frame="base", axes=("x", "y", "z")))
    reward = SparseReward(lambda obs: False)
    return RobotEnv(FakeRobot(WallClock()), config=config, reward=reward, reset=DrivenReset(HOME))


def test_nobody_leaves_the_environment_as_it_is(told):
    env = Point()
    with there(None) as nobody:
        assert nobody.beside(env) is env
        assert nobody.publisher(env) is None
    assert told == []


def test_a_device_is_open_while_somebody_is_there_whatever_ends_it(told):
    with suppress(KeyboardInterrupt), there("pad"):
        assert told == ["connect pad hold"]
        raise KeyboardInterrupt
    assert told == ["connect pad hold", "close pad hold"]


def test_a_human_lives_in_real_time_and_a_script_does_not(told):
    with there("pad") as human:
        env = human.beside(Point())
        assert isinstance(env, Intervention)
        assert isinstance(env.env, Paced)
        on_the_robot = human.beside(on_the_wall())
        assert isinstance(on_the_robot, Intervention)
        assert not isinstance(on_the_robot.env, Paced)
    script = Person(ScriptedTeleop(), None, is_human=False).beside(Point())
    assert isinstance(script, Intervention)
    assert isinstance(script.env, Point)


def test_a_human_has_time_for_a_veto(told, monkeypatch):
    waits = []
    monkeypatch.setattr(person_module.time, "sleep", waits.append)
    env = on_the_wall()
    teleop = ScriptedTeleop()
    watched = Person(teleop, None, is_human=True).beside(env, veto_s=0.3)
    env.robot.connect()
    env.config = RobotEnvConfig(max_steps=1, action=env.config.action)
    watched.reset()
    teleop.then(*[TeleopInput()] * 3, TeleopInput(success=True))
    assert watched.step(np.zeros(3, np.float32))[1:4] == (1.0, True, False)
    assert waits == [0.1, 0.1]


def test_an_unknown_device_is_named_with_those_that_there_are(told):
    with (
        pytest.raises(ConfigError, match=r"--teleop drum: unknown device 'drum'; known: pad; or simulated, browser"),
        there("drum"),
    ):
        pass


@pytest.mark.parametrize(("teleop", "cockpit"), [("browser", False), ("browser", True), ("pad", True), (None, True)])
def test_the_cockpit_is_served_where_it_is_asked_for_and_for_a_browser(told, teleop, cockpit):
    with there(teleop, cockpit=cockpit) as company:
        assert company.cockpit is not None
        assert told[0] == "start cockpit"
        assert {"browser": "connect cockpit hold", "pad": "connect pad hold", None: "start cockpit"}[teleop] == told[-1]
        kind, env, served = company.beside(Point())
        assert (kind, served) == ("watched", company.cockpit)
        assert isinstance(env, Intervention) == (teleop is not None)
    assert told[-1] == "close cockpit"


def test_points_go_to_the_cockpit_with_what_the_classifier_says(told):
    with there(None, cockpit=True) as company:
        env = types.SimpleNamespace(reward_model=types.SimpleNamespace(last_probability=0.75))
        company.publisher(env)({"critic/q": 0.5})
        company.publisher(Point())({"critic/q": 0.25})
        assert company.cockpit.points == [{"critic/q": 0.5, "reward/probability": 0.75}, {"critic/q": 0.25}]
