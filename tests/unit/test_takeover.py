"""Who is in control, what a hand's motion means, and that changing hands moves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from toy_input import DUALSENSE, EventPipe

from hardware.fake import HOME, FakeRobot
from hardware.teleop_gamepad import PadDecoder
from hardware.teleop_pump import PumpedDevice
from hardware.teleop_scripted import ScriptedDevice
from robot_rl.envs.actions import ActionConfig, displace
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.envs.takeover import TakeOver, TakeOverConfig
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.specs import ACTION_FRAME, ActionSpec, EnvSpec
from robot_rl.types import ArmState, ArmTarget, DeviceInput, GripperTarget

NAMES = ("arm/x", "arm/y", "arm/z", "arm/yaw", "gripper")
RIGHT = {"dead_band": 0.0}
TOUCH, HELD, TAPPED = DeviceInput(is_touched=True), DeviceInput(is_held=True), DeviceInput(is_tapped=True)
REST = DeviceInput()


def spec(names=NAMES, discrete=(), frame="base"):
    return EnvSpec("bench", {}, ActionSpec(tuple(names), discrete), 0.1, 50, extra={ACTION_FRAME: frame})


class Hand:
    """A scripted device before an environment, and a clock."""

    def __init__(self, *script, env_spec=None, **config):
        self.time = 0.0
        self.device = ScriptedDevice(script)
        self.teleop = TakeOver(self.device, env_spec or spec(), TakeOverConfig(**{**RIGHT, **config}), lambda: self.time)
        self.teleop.connect()

    def reads(self, count):
        """Return for `count` reads 0.1 s apart whether the hand was in control."""
        taken = []
        for _ in range(count):
            taken.append(self.teleop.read().action is not None)
            self.time += 0.1
        return taken

    def moves(self, **motion):
        self.device.then(DeviceInput(motion=motion, is_touched=True))
        action = self.teleop.read().action
        assert action is not None
        return action.tolist()


@pytest.mark.parametrize(
    ("mode", "script", "taken"),
    [
        ("touch", [REST, TOUCH, REST, REST, REST, REST], [0, 1, 1, 1, 0, 0]),
        ("touch", [TOUCH, REST, TOUCH, REST, REST, REST], [1, 1, 1, 1, 1, 0]),
        ("touch", [HELD, REST, REST, REST], [1, 1, 1, 0]),
        ("hold", [TOUCH, HELD, HELD, REST, TAPPED, TOUCH], [0, 1, 1, 0, 1, 0]),
        ("toggle", [TOUCH, TAPPED, REST, TOUCH, TAPPED, TOUCH, TAPPED], [0, 1, 1, 1, 0, 0, 1]),
    ],
)
def test_who_is_in_control(mode, script, taken):
    assert Hand(*script, mode=mode, release_s=0.25).reads(len(taken)) == taken


@pytest.mark.parametrize("event", ["success", "failure", "discard", "pause", "stop"])
def test_events_pass_whoever_is_in_control(event):
    hand = Hand(DeviceInput(**{event: True}), DeviceInput(**{event: True}, is_held=True), REST, mode="hold")
    words = [hand.teleop.read() for _ in range(3)]
    assert [getattr(word, event) for word in words] == [True, True, False]
    assert [word.action is None for word in words] == [True, False, True]


@pytest.mark.parametrize(
    ("view", "frame", "signs"),
    [
        ("behind", "base", (1, 1, 1)),
        ("facing", "base", (-1, -1, 1)),
        ("behind", "tcp", (1, -1, -1)),
        ("facing", "tcp", (-1, 1, -1)),
        ("action", "tcp", (1, 1, 1)),
    ],
)
def test_motions_are_seen_from_where_the_person_stands(view, frame, signs):
    names = ("arm/x", "arm/y", "arm/z", "arm/roll", "arm/pitch", "arm/yaw")
    hand = Hand(env_spec=spec(names, frame=frame), view=view)
    action = hand.moves(x=0.1, y=0.2, z=0.3, roll=0.4, pitch=0.5, yaw=0.6)
    expected = [sign * value for sign, value in zip((*signs, *signs), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), strict=True)]
    assert action == pytest.approx(expected)


def test_pushing_up_raises_a_tool_that_points_down_and_turning_left_turns_it_left():
    here, hand = HOME, Hand(env_spec=spec(frame="tcp"))
    x, y, z, yaw, _ = hand.moves(x=1, y=0.5, z=0.25, yaw=1)
    there = displace(here, [x, y, z, 0, 0, yaw], "tcp")
    assert (there.position - here.position).tolist() == pytest.approx([1, 0.5, 0.25])
    turned = displace(here, [0, 0, 0, 0, 0, 1], "base")
    assert there.distance(turned)[1] == pytest.approx(0, abs=1e-6)


def test_speed_scale_and_dead_band():
    hand = Hand(speed=0.5, scale={"x": -1, "arm/y": 3}, dead_band=0.2)
    assert hand.moves(x=1, y=0.6, z=0.2, yaw=-0.1)[:4] == pytest.approx([-0.5, 0.25, 0, 0])
    assert hand.moves(x=7)[0] == -0.5
    assert hand.moves(**{"arm/y": 1})[1] == 1.0


def test_axes_that_the_action_lacks_stand_still_and_the_others_move():
    assert Hand(env_spec=spec(("x", "y"))).moves(x=1, z=1, roll=1) == [1, 0]


def test_plain_axes_move_the_first_arm_or_the_chosen_one():
    two = spec(("left/x", "left/gripper", "right/x", "right/gripper"))
    assert Hand(env_spec=two).moves(x=1)[::2] == [1, 0]
    assert Hand(env_spec=two, part="right").moves(x=1)[::2] == [0, 1]
    assert Hand(env_spec=two).moves(**{"right/x": 1})[::2] == [0, 1]
    with pytest.raises(ConfigError, match=r"'middle' is no arm of 'bench'; its arms: left, right"):
        Hand(env_spec=two, part="middle")


@pytest.mark.parametrize(
    ("names", "motion"), [(("action/0", "action/1"), {"x": 1.0}), (NAMES, {"arm/wrist": 1.0}), (NAMES, {"x": float("nan")})]
)
def test_a_device_that_does_not_fit_is_a_device_error(names, motion):
    hand = Hand(DeviceInput(motion=motion, is_touched=True), env_spec=spec(names))
    with pytest.raises(DeviceError, match="scripted .*" + next(iter(motion))):
        hand.teleop.read()


@pytest.mark.parametrize("config", [{"speed": 0}, {"speed": 1.1}, {"dead_band": 1}, {"release_s": -1}, {"scale": {"wrist": 1}}])
def test_bad_settings_are_named(config):
    with pytest.raises(ConfigError, match=next(iter(config))):
        TakeOver(ScriptedDevice(), spec(), TakeOverConfig(**config))


def test_a_discrete_gripper_is_told_once_and_stays_otherwise():
    hand = Hand(
        DeviceInput(gripper=-1, is_held=True), HELD, DeviceInput(gripper=0.3, is_held=True), env_spec=spec(discrete=(4,))
    )
    told = [hand.teleop.read().action for _ in range(3)]
    assert [float(action[4]) for action in told if action is not None] == [-1, 0, 0]


def test_a_continuous_gripper_keeps_what_the_hand_told_it_until_the_policy_tells_it_otherwise():
    hand = Hand(DeviceInput(gripper=-0.4, is_held=True), HELD, REST, HELD, mode="hold")
    policy, values = np.array([0, 0, 0, 0, 0.9], np.float32), []
    for _ in range(4):
        human = hand.teleop.read().action
        executed = policy if human is None else human
        hand.teleop.follow({}, executed)
        values.append(float(executed[4]))
    assert values == pytest.approx([-0.4, -0.4, 0.9, 0.9])


class Bench:
    """A fake robot whose commands are seen, a policy of one's own, and a hand."""

    def __init__(self, *script, device=None, **config):
        action = ActionConfig(frame="base", axes=("x", "y", "z"), reference="target", gripper="continuous")
        self.robot = FakeRobot()
        env = RobotEnv(
            self.robot,
            config=RobotEnvConfig(action=action),
            reward=SparseReward(lambda obs: False),
            reset=DrivenReset(HOME, opening=0.3),
        )
        scripted = ScriptedDevice()
        self.teleop = TakeOver(device or scripted, env.env_spec, TakeOverConfig(**{**RIGHT, **config}), self.robot.clock.now)
        self.teleop.connect()
        self.env = Intervention(env, self.teleop)
        self.env.reset(seed=0)
        scripted.then(*script)

    def step(self, *policy):
        """Return what was executed, and the arm's and the gripper's targets."""
        info = self.env.step(np.array(policy, np.float32))[4]
        arm, gripper = self.robot.sent[-1]["arm"], self.robot.sent[-1]["gripper"]
        assert isinstance(arm, ArmTarget)
        assert isinstance(gripper, GripperTarget)
        return info, arm.pose.position, gripper.opening


def test_taking_over_at_rest_and_handing_back_move_neither_target():
    bench = Bench(REST, REST, TOUCH, REST, REST, release_s=0.15)
    _, _, _ = bench.step(1, 0, 0, -0.6)
    _, before, opening = bench.step(1, 0.5, 0, -0.6)
    for _ in range(2):
        info, target, kept = bench.step(-1, -1, -1, 1)
        assert info["is_intervention"]
        np.testing.assert_allclose(target, before, atol=1e-9)
        assert kept == pytest.approx(opening) == pytest.approx(0.2)
    info, target, kept = bench.step(0, 0, 0, -0.6)
    assert not info["is_intervention"]
    np.testing.assert_allclose(target, before, atol=1e-9)
    assert kept == pytest.approx(opening)


def test_the_first_takeover_starts_at_the_observed_opening():
    assert Bench(TOUCH).step(1, 0, 0, 1)[2] == pytest.approx(0.3)


def test_an_unplugged_gamepad_holds_the_robot_and_ends_the_episode_as_truncated():
    pipe = EventPipe(DUALSENSE)
    bench = Bench(device=PumpedDevice("gamepad", lambda: (pipe.stream, PadDecoder(DUALSENSE))))
    pipe.turn(1, 0)
    info, target, _ = bench.step(0, 0, 0, 0)
    assert info["is_intervention"]
    assert (target - HOME.position).tolist() == pytest.approx([0.02, 0, 0])
    num_sent, bench.robot.num_stops = len(bench.robot.sent), 0
    pipe.unplug()
    _, reward, terminated, truncated, info = bench.env.step(np.zeros(4, np.float32))
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["fault"] == "input device: gamepad is gone (end of file); plug it in and start again"
    assert len(bench.robot.sent) == num_sent
    assert bench.robot.num_stops > 0
    where = arm_of(bench.robot)
    bench.robot.clock.advance(5.0)
    assert arm_of(bench.robot) == where
    bench.teleop.close()


def arm_of(robot):
    state = robot.read()["arm"]
    assert isinstance(state, ArmState)
    return state.pose.position.tolist()
