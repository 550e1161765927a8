"""Showing an environment changes nothing of it, and never keeps it waiting."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from toy_env import Point

from hardware.fake import HOME, FakeCamera, FakeRobot
from robot_rl.cockpit.gauges import MAX_PLAIN, plain_gauges, robot_gauges
from robot_rl.cockpit.inputs import Inputs
from robot_rl.cockpit.watched import RENDER_PERIOD_S, SHOW_PERIOD_S, Watched
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.specs import ArmSpec, DriveSpec, RobotSpec
from robot_rl.types import DriveState

FORWARD = np.array([0.5, 0, 0], np.float32)


class FakeDevice:
    is_connected = False
    stops = 0

    def take_stop(self):
        stops, self.stops = self.stops, 0
        return stops > 0


class FakeCockpit:
    """Writes down what it is shown."""

    def __init__(self, num_viewers=1):
        self.device = FakeDevice()
        self.shown = []
        self.num_viewers = num_viewers

    def show(self, images, state, *, droppable=True):
        self.shown.append((dict(images), state, droppable))

    def inputs(self):
        return Inputs(num_viewers=self.num_viewers)


class ToyEnv(gym.Env):
    """The point in a square, as a Gymnasium environment."""

    render_mode = "rgb_array"

    def __init__(self):
        self.point = Point(max_steps=6, radius=0.0)
        self.env_spec, self.action_space, self.observation_space = (
            self.point.env_spec,
            self.point.action_space,
            self.point.observation_space,
        )

    def reset(self, *, seed=None, options=None):
        return self.point.reset(seed=seed)

    def step(self, action):
        return self.point.step(action)

    def render(self):
        return self.point.render()


class Bench:
    """A fake arm with a camera, watched, on a clock of its own for the watching."""

    def __init__(self):
        self.now = 0.0
        self.robot = FakeRobot()
        action = ActionConfig(frame="base", axes=("x", "y", "z"))
        reward = SparseReward(lambda obs: bool(np.linalg.norm(obs["state/arm/position"]) >= 0.04))
        self.robot_env = RobotEnv(
            self.robot,
            config=RobotEnvConfig(max_steps=5, action=action),
            reward=reward,
            reset=DrivenReset(HOME),
            cameras={"front": FakeCamera(self.robot.clock)},
        )
        self.cockpit = FakeCockpit()
        self.env = Watched(self.robot_env, self.cockpit, lambda: self.now)
        self.env.reset(seed=0)
        self.cockpit.shown.clear()


@pytest.fixture
def bench():
    return Bench()


def test_a_step_is_passed_on_and_shown_with_pictures_and_limits(bench):
    bench.now = 1.0
    obs, reward, terminated, truncated, info = bench.env.step(FORWARD)
    assert (reward, terminated, truncated, info["fault"]) == (0.0, False, False, "")
    ((images, state, droppable),) = bench.cockpit.shown
    assert list(images) == ["front"]
    assert images["front"] is obs["image/front"]
    assert (state["phase"], state["episode"], state["step"], droppable) == ("running", 1, 1, True)
    assert state["elapsed_s"] == pytest.approx(info["stamp"])
    x = next(gauge for gauge in state["gauges"] if gauge["name"] == "arm x")
    spec = bench.robot.spec.parts["arm"]
    assert (x["low"], x["high"]) == (spec.workspace_low[0], spec.workspace_high[0])
    assert x["value"] == pytest.approx(bench.robot.read()["arm"].pose.position[0], abs=1e-3)


def test_what_comes_faster_than_people_see_is_left_out_but_not_the_end(bench):
    bench.now = 1.0
    bench.env.step(FORWARD)
    for _ in range(2):
        bench.now += SHOW_PERIOD_S / 10
        bench.env.step(FORWARD)
    assert len(bench.cockpit.shown) == 1
    bench.env.step(FORWARD)
    _, state, droppable = bench.cockpit.shown[-1]
    assert (state["phase"], state["success"], droppable) == ("over", True, False)


def test_a_stop_at_a_page_that_drives_nothing_holds_the_robot(bench):
    bench.cockpit.device.stops = 1
    num_sent, num_stops = len(bench.robot.sent), bench.robot.num_stops
    _, reward, terminated, truncated, info = bench.env.step(FORWARD)
    assert (reward, terminated, truncated, info["fault"]) == (0.0, False, True, STOPPED)
    assert len(bench.robot.sent) == num_sent
    assert bench.robot.num_stops == num_stops + 1
    assert bench.cockpit.shown[-1][1]["fault"] == STOPPED
    with pytest.raises(gym.error.ResetNeeded):
        bench.env.step(FORWARD)


def test_a_stop_is_left_to_the_input_device_where_one_reads_it(bench):
    bench.cockpit.device.is_connected, bench.cockpit.device.stops = True, 1
    assert bench.env.step(FORWARD)[4]["fault"] == ""
    assert bench.cockpit.device.stops == 1


def test_a_robot_does_not_go_on_where_showing_fails(bench):
    bench.now = 1.0
    bench.cockpit.show = lambda *args, **options: 1 / 0
    with pytest.raises(ZeroDivisionError):
        bench.env.step(FORWARD)
    assert bench.robot.num_stops > 0


def test_info_and_spaces_are_those_of_the_environment(bench):
    bare = bench.robot_env
    assert bench.env.env_spec is bare.env_spec
    assert (bench.env.action_space, bench.env.observation_space) == (bare.action_space, bare.observation_space)
    stopped = Bench()
    stopped.cockpit.device.stops = 1
    assert stopped.env.step(FORWARD)[4].keys() == bench.env.step(FORWARD)[4].keys()


def test_a_scene_that_the_policy_sees_without_a_camera_is_drawn_now_and_then_for_those_who_look():
    now = 0.0
    env = Watched(ToyEnv(), cockpit := FakeCockpit(), lambda: now)
    env.reset(seed=0)
    assert cockpit.shown[-1][0]["scene"].shape == (32, 32, 3)
    for _ in range(5):
        now += RENDER_PERIOD_S / 3.99
        env.step(np.zeros(2, np.float32))
    drawn = ["scene" in images for images, state, _ in cockpit.shown if state["phase"] == "running"]
    assert drawn == [True, False, False, False, True, False]
    env = Watched(ToyEnv(), cockpit := FakeCockpit(num_viewers=0), lambda: now)
    env.reset(seed=0)
    assert cockpit.shown[-1][0] == {}


def test_an_environment_without_a_robot_shows_its_numbers():
    gauges = plain_gauges({"state/a": np.array([1.5], np.float32), "image/x": np.zeros((2, 2, 3)), "state/b": np.arange(40.0)})
    assert len(gauges) == MAX_PLAIN
    assert (gauges[0]["name"], gauges[0]["value"], gauges[0]["low"]) == ("a", 1.5, None)
    assert (gauges[1]["name"], gauges[-1]["name"]) == ("b 0", "b 14")


def test_every_kind_of_part_has_its_gauges(bench):
    names = [gauge["name"] for gauge in robot_gauges(bench.robot.read(), bench.robot.spec)]
    arm = bench.robot.spec.parts["arm"]
    assert isinstance(arm, ArmSpec)
    assert {"arm x", "arm speed", "arm force", f"arm joint {arm.num_joints}"} <= set(names)
    spec = RobotSpec("car", {"base": DriveSpec(3.0, 0.4)})
    speed, steering = robot_gauges({"base": DriveState(1.0, -0.2, 0.0)}, spec)
    assert (speed["low"], speed["high"], speed["unit"]) == (-3.0, 3.0, "m/s")
    assert (steering["value"], steering["low"], steering["high"]) == (-0.2, -0.4, 0.4)
