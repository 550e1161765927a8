"""Laws of episodes that go on past a person's success, and of the robot that only a person moves."""

import numpy as np
import pytest

from demos.hold_still import HoldStill
from demos.marked_success import MarkedSuccess, SuccessMarks
from hardware.fake import HOME, FakeRobot, ScriptedTeleop
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError
from robot_rl.specs import ActionSpec
from robot_rl.types import TeleopInput, Transition

NOTHING, SUCCESS, FAILURE, DISCARD, STOP = (
    TeleopInput(),
    *(TeleopInput(**{name: True}) for name in ("success", "failure", "discard", "stop")),
)
PUSH = TeleopInput(action=np.array([0, -1.0, 0], np.float32))


def episode(*script, steps=3, goal=9.0, max_steps=12):
    """Return (length, success of each step, reward of each, terminated, truncated, robot) of an episode by a script."""
    robot, teleop = FakeRobot(), ScriptedTeleop()
    config = RobotEnvConfig(
        max_steps=max_steps, action=ActionConfig(frame="base", axes=("x", "y", "z")), terminate_on_success=False
    )
    reward = SparseReward(lambda obs: bool(np.linalg.norm(obs["state/arm/position"]) >= goal))
    marks = SuccessMarks(teleop)
    env = MarkedSuccess(
        Intervention(RobotEnv(robot, config=config, reward=reward, reset=DrivenReset(HOME)), marks), marks, steps
    )
    env.reset(seed=0)
    teleop.then(*script)
    results = []
    while not results or not (results[-1][2] or results[-1][3]):
        results.append(env.step(np.zeros(3, np.float32)))
    successes = [info["success"] for *_, info in results]
    return successes, [reward for _, reward, *_ in results], results[-1][2:4], robot, results


def test_every_step_from_the_persons_word_on_is_a_success_and_the_person_drives_on():
    successes, rewards, ends, robot, results = episode(NOTHING, NOTHING, SUCCESS, PUSH)
    assert successes == [False, False, True, True, True, True]
    assert rewards == [0, 0, 1, 1, 1, 1]
    assert ends == (False, True)
    assert robot.num_stops == 1
    assert results[3][4]["is_intervention"]


def test_a_second_success_ends_it_at_once():
    successes, _, ends, _, _ = episode(SUCCESS, NOTHING, SUCCESS)
    assert successes == [True, True, True]
    assert ends == (False, True)


@pytest.mark.parametrize("word", [FAILURE, DISCARD])
def test_a_failure_after_it_ends_the_episode_and_is_none(word):
    successes, rewards, ends, _, results = episode(SUCCESS, NOTHING, word)
    assert successes == [True, True, False]
    assert rewards == [1, 1, 0]
    assert ends == (False, True)
    assert results[-1][4]["discard"] == word.discard


def test_a_stop_is_no_success():
    successes, _, _, _, results = episode(SUCCESS, STOP)
    assert successes == [True, False]
    assert results[-1][4]["fault"] == "stopped by a person"


def test_an_environment_that_knows_labels_its_own_steps():
    there, back = (TeleopInput(action=np.array([x, 0, 0], np.float32)) for x in (1.0, -1.0))
    successes, _, ends, _, _ = episode(there, there, back, goal=0.03)
    assert successes == [False, True, False, False, False]
    assert ends == (False, True)


def test_an_episode_may_run_out_of_time_before():
    successes, _, ends, _, _ = episode(NOTHING, NOTHING, SUCCESS, max_steps=4)
    assert successes == [False, False, True, True]
    assert ends == (False, True)


def test_it_needs_steps_and_an_environment_that_goes_on():
    with pytest.raises(ConfigError, match="0 steps past success"):
        episode(steps=0)
    ends = RobotEnv(FakeRobot(), config=RobotEnvConfig(), reward=SparseReward(lambda _: False), reset=DrivenReset(HOME))
    marks = SuccessMarks(ScriptedTeleop())
    with pytest.raises(ConfigError, match="ends its episodes at success"):
        MarkedSuccess(Intervention(ends, marks), marks, 3)


def executed(*action):
    obs = {"state/gripper/opening": np.ones(1, np.float32)}
    return Transition(obs, np.array(action, np.float32), 0.0, obs, False, False)


def test_a_robot_that_stands_keeps_what_its_gripper_was_told():
    still = HoldStill(ActionSpec(("arm/x", "arm/yaw", "gripper")))
    half_open = {"state/gripper/opening": np.array([0.5], np.float32)}
    still.begin_episode()
    assert still.act(half_open, explore=False).tolist() == [0, 0, 0]
    still.executed(executed(0.7, -0.3, -1.0))  # closed on something: the opening that is measured is not what was wanted
    assert still.act(half_open, explore=False).tolist() == [0, 0, -1]
    still.begin_episode()
    assert still.act({"state/gripper/opening": np.ones(1)}, explore=False).tolist() == [0, 0, 1]


def test_a_discrete_gripper_stays_as_it_is():
    still = HoldStill(ActionSpec(("arm/x", "gripper"), (1,)))
    still.begin_episode()
    still.executed(executed(0.7, -1.0))
    assert still.act({}, explore=True).tolist() == [0, 0]
