"""The environment of a station file: its devices, its task, one set of devices for all that use it."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hardware.fake import FakeRobot
from hardware.watchdog import Watchdog
from robot_rl.envs.factory import Env, make_env
from robot_rl.envs.intervention import STOPPED
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.robot_env import RobotEnv
from robot_rl.envs.station_env import ELSEWHERE, StationEnv, station_file, station_of
from robot_rl.envs.stays_stopped import StaysStopped
from robot_rl.errors import ConfigError

FILE = """
[robot]
driver = "fake"

[cameras.front]
driver = "fake"
options = { still = true }
crop = [0, 0, 40, 40]

[cameras.wrist]
driver = "fake"

[trackers.cube]
driver = "fake"
options = { position_m = [0.5, 0.0, 0.1] }

[limits.arm]
max_tcp_speed = 0.1

[safety]
watchdog_s = 0.3

[teleop]
driver = "scripted"
mode = "toggle"
speed = 0.5

[task]
name = "touch"
max_steps = 7

[task.action]
frame = "base"
axes = ["x", "z"]
position_scale_m = 0.05

[task.observation]
arm_quantities = ["position"]
relative = false
objects = { cube = "tcp" }
cameras = ["front"]

[task.reward]
driver = "pose"
options = { part = "arm", position_m = [0.45, 0.0, 0.3], position_tolerance_m = 0.001 }

[task.reset]
driver = "driven"
options = { position_m = [0.4, 0.0, 0.3] }
"""
GRASPING = FILE.replace('axes = ["x", "z"]', 'axes = ["x", "y", "z"]\ngripper = "continuous"\nempty_opening = 0.4')
STILL = np.zeros(2, np.float32)


@pytest.fixture
def make(tmp_path):
    def make(text=FILE, **options) -> StationEnv:
        (tmp_path / "lab.toml").write_text(text)
        env = make_env(f"station:{tmp_path / 'lab.toml'}", EnvOptions(**options))
        assert isinstance(env, StationEnv)
        return env

    return make


def test_a_task_is_what_its_file_says(make):
    env: Env = make(image_size=16)
    spec = env.env_spec
    assert (spec.name, spec.max_steps, spec.action.names) == ("touch", 7, ("arm/x", "arm/z"))
    assert set(spec.obs) == {
        "state/arm/position", "state/gripper/opening", "state/cube/position", "state/cube/rotation", "image/front",
    }  # fmt: skip
    assert spec.obs["image/front"].shape == (16, 16, 3)
    assert (spec.extra["action/position_scale_m"], spec.extra["crop/front"]) == ("0.05", "0 0 40 40")
    obs, _ = env.reset(seed=0)
    assert obs["state/arm/position"] == pytest.approx([0.4, 0.0, 0.3], abs=0.005)
    assert obs["state/cube/position"] == pytest.approx([0.1, 0.0, 0.2], abs=0.005)


@pytest.mark.filterwarnings("ignore:.*Box observation space")
def test_keeps_gymnasiums_promises(make):
    env = make(image_size=16)
    env.action_space.seed(0)
    check_env(env, skip_render_check=True)


def test_the_stations_limits_hold_and_its_reward_pays(make):
    env = make(cameras=("front",))
    obs, _ = env.reset(seed=0)
    places, is_success = [obs["state/arm/position"][0]], False
    while not is_success:
        obs, reward, is_success, _, info = env.step(np.array([1.0, 0.0], np.float32))
        places.append(obs["state/arm/position"][0])
        assert reward == float(is_success)
        assert info["clamped"]
    assert np.diff(places).max() <= 0.1 * 0.1 + 1e-6  # an action of 1 asks for 5 cm; 0.1 m/s for 0.1 s allows 1 cm
    assert places[-1] == pytest.approx(0.45, abs=0.001)


def test_the_watchdog_is_around_the_robot_unless_it_is_switched_off(make):
    env = make()
    env.reset(seed=0)
    robot, driver = env.robot, env.devices.driver
    assert isinstance(robot, Watchdog)
    assert isinstance(driver, FakeRobot)
    env.step(STILL)
    stops = driver.num_stops
    robot.clock.sleep_until(robot.clock.now() + 0.4)
    assert driver.num_stops == stops + 1
    assert isinstance(make(FILE.replace("watchdog_s = 0.3", "watchdog_s = 0")).robot, FakeRobot)


def test_two_environments_share_one_robot_and_cut_each_other(make):
    env = make()
    other = env.sibling(EnvOptions(end_at_success=False))
    assert other.robot is env.robot
    env.reset(seed=0)
    env.step(STILL)
    other.reset(seed=1)
    other.step(STILL)
    driver = env.devices.driver
    assert isinstance(driver, FakeRobot)
    driver.sent.clear()
    _, _, terminated, truncated, info = env.step(STILL)
    assert (terminated, truncated, info["fault"]) == (False, True, ELSEWHERE)
    assert driver.sent == []
    env.reset(seed=2)
    assert env.step(STILL)[4]["fault"] == ""


def test_what_is_left_out_is_not_guessed(make):
    bare = FILE[: FILE.index("[task]")]
    with pytest.raises(ConfigError, match=r"lab.toml has no \[task\]"):
        make(bare)
    minimal = make(bare + "[task]\nmax_steps = 3\n")
    assert minimal.env_spec.name == "lab"
    assert set(minimal.env_spec.obs) >= {"image/front", "image/wrist"}
    minimal.reset(seed=0)
    assert [minimal.step(np.zeros(4, np.float32))[1] for _ in range(3)] == [0.0] * 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_steps = 7", "max_step = 7", r"\[task\] has unknown key 'max_step' \(did you mean 'max_steps'\?\)"),
        ("max_steps = 7", "max_steps = 0", r"\[task\] .*max_steps 0"),
        ("max_steps = 7", 'max_steps = "x"', r"\[task\] max_steps: .*is 'x'"),
        ("position_scale_m", "position_scale", r"\[task.action\] has unknown key 'position_scale'"),
        ('axes = ["x", "z"]', 'axes = ["x", "w"]', r"\[task.action\] axes \('x', 'w'\) must be distinct and of: x, y"),
        ("[0.4, 0.0, 0.3] }", "[0.1, 0.0, 0.3] }", r"reset to \[0.1, 0.0, 0.3\] .* leaves the workspace"),
        ('driver = "pose"', 'driver = "poze"', r"\[task.reward\] driver: unknown task driver 'poze' \(did you mean 'pose'"),
        ("position_tolerance_m", "tolerance", r"\[task.reward.options\] do not fit driver 'pose'"),
        ("max_tcp_speed = 0.1", "max_tcp_speed = 9", r"\[limits.arm\]: max_tcp_speed 9 is not above 0 and at most"),
        ("max_tcp_speed = 0.1", "max_sped = 1", r"\[limits.arm\] has unknown key 'max_sped'; a ArmSpec has: max_tcp_speed"),
        ("[limits.arm]", "[limits.leg]", r"\[limits.leg\]: robot 'fake' has no part 'leg'; it has: arm, gripper"),
        ("watchdog_s = 0.3", "watchdog_s = -1", r"\[safety\] watchdog_s -1 must be 0 or more"),
        ('mode = "toggle"', 'mode = "wave"', r"\[teleop\] mode: .*is 'wave'"),
        ("speed = 0.5", "speed = 5", r"\[teleop\] .*take-over speed 5"),
        ('axes = ["x", "z"]', "empty_opening = 1.5", r"\[task.action\] empty_opening 1.5 is not at least 0 and below 1$"),
        ('cameras = ["front"]', 'cameras = ["back"]', r"no camera 'back' to observe; there are: front, wrist"),
    ],
)
def test_a_mistake_names_its_table_and_what_would_work(make, old, new, message):
    assert old in FILE
    with pytest.raises(ConfigError, match=message):
        make(FILE.replace(old, new, 1))


def test_what_only_simulations_can_do_is_refused(make):
    with pytest.raises(
        ConfigError, match="randomize, viewer, success_rule, action_repeat, from_hand and reward are not for stations"
    ):
        make(randomize=True)


@pytest.mark.parametrize(("regrasp", "opens"), [(True, True), (False, False)])
def test_a_hand_that_misses_tries_again_where_the_options_ask_for_it(make, regrasp, opens):
    env = make(GRASPING, regrasp=regrasp)
    env.reset(seed=0)
    openings = [env.step(np.array([0.0, 0.0, 0.0, -1.0], np.float32))[0]["state/gripper/opening"][0] for _ in range(6)]
    assert min(openings) < 0.4
    assert (openings[-1] > 0.9) == opens
    assert env.sibling(EnvOptions(regrasp=not regrasp)).env_spec == env.env_spec


def test_a_station_that_does_not_say_what_empty_is_cannot_tell_a_miss(make):
    with pytest.raises(ConfigError, match=r"\[task.action\] does not say empty_opening.*--regrasp False"):
        make(regrasp=True)


def test_the_input_device_is_any_that_is_known(make):
    station = station_of(make())
    assert station is not None
    assert station.teleop is not None
    assert (station.teleop.takeover.mode, station.teleop.takeover.speed) == ("toggle", 0.5)
    device = station.build_teleop()
    assert device is not None
    assert device.name == "scripted"
    held = station_of(make(FILE.replace('mode = "toggle"\n', "")))
    assert held is not None
    assert held.teleop is not None
    assert held.teleop.takeover.mode == "hold"
    keyboard = station_of(make(FILE.replace('driver = "scripted"', 'driver = "keyboard"')))
    assert keyboard is not None
    opened = keyboard.build_teleop()
    assert opened is not None
    assert opened.name.startswith("keyboard")
    unknown = station_of(make(FILE.replace('driver = "scripted"', 'driver = "joystick"')))
    assert unknown is not None
    with pytest.raises(ConfigError, match=r"\[teleop\] driver: unknown input device 'joystick'.*or scripted"):
        unknown.build_teleop()


def test_a_station_is_told_by_its_environment_and_by_its_name(make):
    env = make()
    assert station_of(StaysStopped(env)) is env.station
    assert station_of(make_env("reach")) is None
    assert station_file(f"station:{env.station.source}") == env.station.source
    assert station_file("reach") is None


def test_nothing_moves_what_a_person_has_stopped(make):
    class Stopped(RobotEnv):
        def __init__(self):
            self.env_spec = env.env_spec

        def reset(self, *, seed=None, options=None):
            return env.reset(seed=seed)

        def step(self, action):
            return {}, 0.0, False, True, {"fault": STOPPED}

    env = make()
    stopped = StaysStopped(Stopped())
    stopped.reset(seed=0)
    stopped.step(STILL)
    with pytest.raises(KeyboardInterrupt):
        stopped.reset(seed=1)


def test_the_simulated_station_is_the_simulated_task():
    at_station, task = (
        make_env("station:sim", EnvOptions(cameras=("front",))),
        make_env("reach", EnvOptions(cameras=("front",))),
    )
    try:
        assert at_station.env_spec.obs == task.env_spec.obs
        assert at_station.env_spec.action == task.env_spec.action
        meanings = {key: value for key, value in at_station.env_spec.extra.items() if not key.startswith("crop/")}
        assert meanings == task.env_spec.extra
        starts = [env.reset(seed=5)[0] for env in (at_station, task)]
        action = np.array([0.5, -1.0, 0.2], np.float32)
        for now, then in zip(
            *[[start, env.step(action)[0]] for start, env in zip(starts, (at_station, task), strict=True)], strict=True
        ):
            for key, value in then.items():
                np.testing.assert_array_equal(now[key], value)
    finally:
        at_station.close()
        task.close()
