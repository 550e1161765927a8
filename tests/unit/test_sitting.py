"""Laws of a sitting: nothing but the input device is asked, what a person says decides, and the robot holds meanwhile."""

import errno
from collections import deque

import numpy as np
import pytest

from demos.hold_still import HoldStill
from demos.pending import PendingEpisode, Verdict
from demos.sitting import POLL_S, Sitting, SittingPlan, SittingTally
from hardware.fake import HOME, FakeRobot
from robot_rl.data import zarr_array
from robot_rl.data.background import BackgroundWriter
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import list_discarded, list_open, load_dataset, read_episode
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError, DatasetError, DeviceError
from robot_rl.types import TeleopInput

SUCCESS, FAILURE, DISCARD, STOP = (TeleopInput(**{name: True}) for name in ("success", "failure", "discard", "stop"))
PAUSE, PUSH = TeleopInput(pause=True), TeleopInput(action=np.array([0, -1.0, 0], np.float32))
MAX_STEPS = 4


class Hand:
    """A person who answers what is asked: each entry of the script is one step of an episode or one answer."""

    def __init__(self, bench):
        self.bench, self.episodes, self.answers, self.countdowns = bench, deque(), deque(), deque()
        self._inputs = deque()

    def read(self):
        said = self.bench.said[-1] if self.bench.said else ""
        if said.startswith(("recording in", "paused")) or (said.startswith("resetting")):
            return self._next(self.countdowns)
        if said == "recording":
            return self._next(self._inputs)
        return self._next(self.answers)

    def begin(self):
        """Start on the next episode's script; the first read of one belongs to its reset."""
        self._inputs = deque([TeleopInput(), *(self.episodes.popleft() if self.episodes else [])])

    @staticmethod
    def _next(inputs):
        following = inputs.popleft() if inputs else TeleopInput()
        if isinstance(following, BaseException):
            raise following
        return following


class Bench:
    """A fake arm beside a scripted person, who records into a folder."""

    def __init__(self, tmp_path, *, plan=None, tally=None, goal=9.0):
        self.out, self.failures = tmp_path / "out", tmp_path / "out_failures"
        self.robot, self.said, self.waited, self.seeds, self.ended = FakeRobot(), [], 0.0, [], []
        action = ActionConfig(frame="base", axes=("x", "y", "z"))
        config = RobotEnvConfig(max_steps=MAX_STEPS, action=action)
        reward = SparseReward(lambda obs: bool(np.linalg.norm(obs["state/arm/position"]) >= goal))
        self.robot_env = RobotEnv(self.robot, config=config, reward=reward, reset=DrivenReset(HOME))
        self.hand = Hand(self)
        self.env = Intervention(self.robot_env, self.hand)
        self.writer = BackgroundWriter(EpisodeWriter(self.out, self.env.env_spec))
        self.pending = PendingEpisode(self.writer, self.failures)
        self.sitting = Sitting(
            self.env, HoldStill(self.env.env_spec.action), self.hand, self.pending,
            plan or SittingPlan(1, countdown_s=0.0), tally,
            say=self.say, wait=self.wait, on_episode=lambda result, verdict: self.ended.append((result.length, verdict)),
        )  # fmt: skip

    def say(self, text):
        self.said.append(text)
        if text == "recording":
            self.hand.begin()

    def wait(self, duration):
        assert self.said[-1] != "recording", "time passed while the robot was under control"
        self.waited += duration
        if self.waited > 600:
            raise AssertionError("the person is asked for ever")

    def record(self, *episodes, answers=(), countdowns=()):
        self.hand.episodes.extend(list(episode) for episode in episodes)
        self.hand.answers.extend(answers)
        self.hand.countdowns.extend(countdowns)
        return self.sitting.run()

    def kept(self):
        return load_dataset(self.out)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.writer.close()


def test_a_success_that_is_confirmed_is_a_demonstration(bench):
    assert bench.record([PUSH, PUSH, SUCCESS], answers=[TeleopInput(), SUCCESS])
    (episode,) = bench.kept()
    assert episode.successes.tolist() == [False, False, True]
    assert episode.terminated.tolist() == [False, False, True]
    assert episode.reward.tolist() == [0, 0, 1]
    assert episode.is_intervention.tolist() == [True, True, False]
    np.testing.assert_array_equal(episode.action[:2], np.tile(PUSH.action, (2, 1)))
    np.testing.assert_array_equal(episode.policy_action, 0)
    assert bench.sitting.tally == SittingTally(successes=1, steps=3, attempts=1)
    assert bench.ended == [(3, Verdict.SUCCESS)]


def test_an_episode_that_ran_out_of_time_may_be_called_a_success(bench):
    assert bench.record([PUSH], answers=[SUCCESS])
    (episode,) = bench.kept()
    assert episode.successes.tolist() == [False] * 3 + [True]
    assert (episode.terminated[-1], episode.truncated[-1], episode.reward[-1]) == (True, False, 1.0)


def test_a_failure_is_kept_apart_and_labelled_as_one_whatever_was_said_before(bench):
    assert bench.record([PUSH, FAILURE], [SUCCESS], [SUCCESS], answers=[FAILURE, FAILURE, SUCCESS])
    failures = load_dataset(bench.failures)
    assert [episode.length for episode in failures] == [2, 1]
    for episode in failures:
        assert not episode.successes.any()
        assert not episode.reward.any()
        assert not episode.terminated.any()
        assert episode.truncated[-1]
    assert len(bench.kept()) == 1
    assert (bench.sitting.tally.successes, bench.sitting.tally.failures) == (1, 2)
    assert list_discarded(bench.out) == []


def test_discarding_repeats_the_same_start_and_keeping_goes_on_to_another(tmp_path):
    bench = Bench(tmp_path, plan=SittingPlan(2, countdown_s=0.0, seed=5, notes={"operator": "ana"}))
    assert bench.record([PUSH, DISCARD], [SUCCESS], [SUCCESS], [SUCCESS], answers=[DISCARD, SUCCESS, SUCCESS])
    bench.writer.close()
    first, second = bench.kept()
    discarded = [read_episode(path) for path in list_discarded(bench.out)]
    assert len(discarded) == 2
    assert {episode.info.seed for episode in discarded} == {first.info.seed}
    assert first.info.seed != second.info.seed
    assert first.info.extra == {"operator": "ana", "start": 0}
    assert second.info.extra["start"] == 1
    assert bench.sitting.tally.discarded == 2
    other = Bench(tmp_path / "other", plan=SittingPlan(1, countdown_s=0.0, seed=6))
    other.record([SUCCESS], answers=[SUCCESS])
    other.writer.close()
    assert other.kept()[0].info.seed not in (first.info.seed, second.info.seed)


@pytest.mark.parametrize("asked", [True, False])
def test_stop_ends_the_sitting_and_nothing_moves_after_it(bench, asked):
    is_done = bench.record([PUSH, SUCCESS] if asked else [PUSH, STOP], answers=[STOP])
    assert not is_done
    assert len(bench.kept()) == asked  # a success that was called counts although its question was left open
    assert len(list_discarded(bench.out)) == (not asked)
    assert sum(said.startswith("resetting") for said in bench.said) == 1
    assert bench.robot.num_stops >= 1


def test_stop_during_the_countdown_records_nothing(tmp_path):
    bench = Bench(tmp_path, plan=SittingPlan(1, countdown_s=1.0))
    assert not bench.record(countdowns=[TeleopInput()] * 3 + [STOP])
    assert bench.sitting.tally.attempts == 0
    assert not bench.out.exists()
    assert bench.robot.num_stops == 1


def test_the_countdown_is_as_long_as_told_and_pause_stops_its_clock(tmp_path):
    bench = Bench(tmp_path, plan=SittingPlan(1, countdown_s=2.0))
    bench.record([SUCCESS], answers=[SUCCESS], countdowns=[*[TeleopInput()] * 10, PAUSE, *[TeleopInput()] * 20, PAUSE])
    bench.writer.close()
    assert bench.waited == pytest.approx(2.0 + 21 * POLL_S)
    counted = [said for said in bench.said if said.startswith(("recording in", "paused"))]
    assert counted == ["recording in 2", "paused", "recording in 2", "recording in 1"]


def test_what_an_episode_begins_with_is_measured_after_the_countdown(tmp_path):
    bench = Bench(tmp_path, plan=SittingPlan(1, countdown_s=1.0))
    seen_at = []
    observe = bench.robot_env._observe
    bench.robot_env._observe = lambda state: (seen_at.append((bench.said[-1], bench.robot.clock.now())), observe(state))[1]
    bench.sitting._wait = lambda duration: (bench.wait(duration), bench.robot.clock.advance(duration))
    bench.record([PUSH, SUCCESS], answers=[SUCCESS])
    bench.writer.close()
    assert seen_at[0][0] == "recording"
    np.testing.assert_allclose(np.diff(bench.kept()[0].stamp), 0.1)


def test_nothing_is_executed_while_the_person_is_asked(bench):
    sent = []  # a hand on the stick is no answer
    answer = Hand._next

    def watched(inputs):
        if inputs is bench.hand.answers:
            sent.append(len(bench.robot.sent))
        return answer(inputs)

    bench.hand._next = watched
    bench.record([PUSH, SUCCESS], answers=[TeleopInput(action=PUSH.action)] * 5 + [SUCCESS])
    assert len(sent) >= 6
    assert len(set(sent)) == 1


def test_both_kinds_are_recorded_until_there_are_enough(tmp_path):
    plan, tally = SittingPlan(2, failures=2, countdown_s=0.0), SittingTally(successes=1, failures=1)
    bench = Bench(tmp_path, plan=plan, tally=tally)
    assert bench.record([SUCCESS], [SUCCESS], [FAILURE], answers=[SUCCESS, SUCCESS, FAILURE])
    bench.writer.close()
    assert (tally.successes, tally.failures) == (3, 2)
    fulfilled = Bench(tmp_path / "done", plan=plan, tally=tally)
    assert fulfilled.record()
    assert fulfilled.robot.sent == []


def test_an_input_device_that_dies_ends_the_sitting_and_the_episode_is_put_aside(bench):
    with pytest.raises(DeviceError, match="input device: gamepad is unplugged"):
        bench.record([PUSH, DeviceError("gamepad is unplugged")])
    assert bench.kept() == []
    assert [read_episode(path).length for path in list_discarded(bench.out)] == [1]
    assert bench.robot.num_stops >= 1


def test_a_device_that_dies_over_the_question_loses_no_success(bench):
    with pytest.raises(DeviceError, match="unplugged"):
        bench.record([PUSH, SUCCESS], answers=[DeviceError("unplugged")])
    assert [episode.success for episode in bench.kept()] == [True]


def test_a_reset_that_fails_ends_the_sitting(bench):
    bench.robot.fail_next("command", "cable is out")
    with pytest.raises(DeviceError, match="cable is out"):
        bench.record()
    assert bench.sitting.tally.attempts == 0


def test_a_fault_in_an_episode_is_asked_about(bench):
    command, sent = bench.robot.command, []

    def fails_third(targets):
        if bench.said[-1] == "recording":
            sent.append(targets)
            if len(sent) == 3:
                bench.robot.fail_next("command")
        return command(targets)

    bench.robot.command = fails_third
    assert bench.record([PUSH] * 4, answers=[SUCCESS])
    assert any(said.startswith("fake: the cable is out after 3 steps.") for said in bench.said)
    assert [episode.length for episode in bench.kept()] == [2]


def test_a_device_that_never_gets_to_a_first_step_is_given_up(bench):
    command = bench.robot.command

    def fails_while_recording(targets):
        if bench.said[-1] == "recording":
            bench.robot.fail_next("command", "drives are off")
        return command(targets)

    bench.robot.command = fails_while_recording
    with pytest.raises(DeviceError, match="3 episodes in a row ended before their first step: fake: drives are off"):
        bench.record()
    assert bench.kept() == []


def test_a_full_disk_ends_the_sitting_with_the_robot_held_and_complete_episodes_intact(tmp_path, monkeypatch):
    bench = Bench(tmp_path, plan=SittingPlan(3, countdown_s=0.0))
    replace = zarr_array.replace
    written = []

    def filling(path, data):
        written.append(path)
        if bench.sitting.tally.successes == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(path, data)

    monkeypatch.setattr(zarr_array, "replace", filling)
    with pytest.raises(DatasetError, match="No space left on device; complete episodes are intact"):
        bench.record([PUSH, SUCCESS], [PUSH, SUCCESS], answers=[SUCCESS, SUCCESS])
    assert bench.robot.num_stops >= 2
    monkeypatch.undo()
    assert [episode.length for episode in load_dataset(bench.out, on_damage=lambda *_: None)] == [2]


def test_ctrl_c_in_an_episode_puts_it_aside(bench):
    with pytest.raises(KeyboardInterrupt):
        bench.record([PUSH, KeyboardInterrupt()])
    assert bench.kept() == []
    assert len(list_discarded(bench.out)) == 1
    assert list_open(bench.out) == []
    assert bench.robot.num_stops >= 1
    assert bench.said[-1] == ""


def test_a_plan_needs_something_to_do():
    for wrong in ({"episodes": 0}, {"episodes": -1}, {"episodes": 1, "failures": -1}, {"episodes": 1, "countdown_s": -1.0}):
        with pytest.raises(ConfigError):
            SittingPlan(**wrong)
    assert SittingPlan(0, failures=3).failures == 3
