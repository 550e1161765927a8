"""Whatever fails while the simulated arm moves, it stands two control periods later."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from hardware.watchdog import Watchdog
from robot_rl.envs.factory import make_env
from robot_rl.envs.intervention import STOPPED, Intervention
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.resets import AT_REST_M_S
from robot_rl.envs.robot_env import RobotEnv
from robot_rl.envs.rollout import run_episode
from robot_rl.errors import DatasetError, DeviceError, StaleFrame
from robot_rl.types import ArmState, EpisodeInfo, TeleopInput

FAST = np.array([1.0, 0.0, 0.0], np.float32)
STEPS = 4
"""Steps at full speed before something fails."""


@pytest.fixture
def env():
    env = make_env("reach", EnvOptions(cameras=("front",), image_size=16))
    assert isinstance(env, RobotEnv)
    yield env
    env.close()


class Policy:
    """Goes on and on, until something is to happen instead."""

    version = 0

    def __init__(self, happen=None):
        self.happen, self.left = happen, STEPS

    def begin_episode(self):
        self.left = STEPS

    def act(self, obs, *, explore):
        self.left -= 1
        if self.left < 0 and self.happen is not None:
            self.happen()
        return FAST


class Sink:
    """Takes some steps, and then the disk is full."""

    def __init__(self):
        self.left = STEPS

    def begin_episode(self, info):
        self.left = STEPS

    def add(self, transition):
        self.left -= 1
        if self.left < 0:
            raise DatasetError("the disk is full")

    def end_episode(self):
        pass

    discard_episode = end_episode


def raises(error):
    def act(*_, **__):
        raise error

    return act


def speed(env):
    arm = env.robot.read()["arm"]
    assert isinstance(arm, ArmState)
    return math.hypot(*arm.twist[:3].tolist())


def check_stands(env, monkeypatch=None):
    """The arm was moving; in two control periods it is at rest."""
    if monkeypatch is not None:
        monkeypatch.undo()
    assert speed(env) > 10 * AT_REST_M_S
    env.robot.clock.sleep_until(env.robot.clock.now() + 2 * env.env_spec.control_dt)
    assert speed(env) < AT_REST_M_S


def run(env, policy, sinks=()):
    return run_episode(env, policy, seed=0, explore=False, info=EpisodeInfo("reach", "test"), sinks=sinks)


@pytest.mark.parametrize("error", [RuntimeError("the network gave up"), KeyboardInterrupt(), MemoryError(), SystemExit(1)])
def test_a_policy_that_crashes(env, error):
    with pytest.raises(type(error)):
        run(env, Policy(raises(error)))
    check_stands(env)


def test_an_action_that_is_no_number(env):
    policy = Policy()
    policy.happen = lambda: setattr(policy, "act", lambda obs, *, explore: FAST * np.nan)
    with pytest.raises(ValueError, match="finite numbers"):
        run(env, policy)
    check_stands(env)


def test_a_disk_that_is_full(env):
    with pytest.raises(DatasetError):
        run(env, Policy(), sinks=[Sink()])
    check_stands(env)


@pytest.mark.parametrize("method", ["read", "command"])
def test_a_robot_that_fails(env, monkeypatch, method):
    result = run(env, Policy(lambda: monkeypatch.setattr(env.robot, method, raises(DeviceError("the cable is out")))))
    assert result.fault == "the cable is out"
    check_stands(env, monkeypatch)


@pytest.mark.parametrize("error", [StaleFrame("camera 'front': newest frame is 0.43 s old"), OSError("USB device gone")])
def test_a_camera_that_fails(env, monkeypatch, error):
    camera = env.cameras["front"]
    policy = Policy(lambda: monkeypatch.setattr(camera, "read", raises(error)))
    if isinstance(error, DeviceError):
        assert run(env, policy).fault == str(error)
    else:
        with pytest.raises(OSError, match="gone"):
            run(env, policy)
    check_stands(env, monkeypatch)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("reward")])
def test_ctrl_c_and_errors_within_a_step(env, monkeypatch, error):
    with pytest.raises(type(error)):
        run(env, Policy(lambda: monkeypatch.setattr(env, "_reward", raises(error))))
    check_stands(env, monkeypatch)


def test_a_stop_from_another_thread(env):
    def press():
        thread = threading.Thread(target=env.stop)
        thread.start()
        thread.join()

    with pytest.raises(Exception, match="call reset before step"):
        run(env, Policy(press))
    check_stands(env)


@pytest.mark.parametrize("said", [TeleopInput(stop=True), DeviceError("unplugged")])
def test_a_person_who_stops_and_a_device_that_is_gone(env, said):
    class Person:
        reads = 0

        def read(self):
            self.reads += 1
            if self.reads <= STEPS + 1:
                return TeleopInput()
            if isinstance(said, DeviceError):
                raise said
            return said

    result = run(Intervention(env, Person()), Policy())
    assert result.fault in (STOPPED, "input device: unplugged")
    check_stands(env)


def test_a_learner_or_a_script_that_hangs(env):
    """No command comes any more: the watchdog holds."""
    env.reset(seed=0)
    guarded = Watchdog(env.robot, timeout_s=0.15)
    env.robot = guarded
    for _ in range(STEPS):
        env.step(FAST)
    assert not guarded.check()
    guarded.clock.sleep_until(guarded.clock.now() + 0.1)
    assert guarded.check()
    guarded.clock.sleep_until(guarded.clock.now() + 2 * env.env_spec.control_dt)
    assert speed(env) < AT_REST_M_S
    assert guarded.trips == 1
