"""Laws of an episode that waits for its verdict: until then no reader sees it, whatever dies; after it, it says one thing."""

import os

import numpy as np
import pytest

from demos.pending import PendingEpisode, Verdict
from demos.resume import Recovered, recover_demos
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import list_discarded, list_episodes, list_open, load_dataset, read_episode, recover
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition

SPEC = EnvSpec("counting", {"state/x": ArraySpec((1,))}, ActionSpec(("x",)), control_dt=0.25, max_steps=50)
INFO = EpisodeInfo("counting", "demo")


def step(x, *, success=False, reward=0.25, truncated=False, terminated=False):
    obs, next_obs = ({"state/x": np.array([value], np.float32)} for value in (x, x + 1))
    return Transition(obs, np.zeros(1, np.float32), reward, next_obs, terminated, truncated, success=success)


class Bench:
    def __init__(self, tmp_path):
        self.out, self.failures = tmp_path / "out", tmp_path / "failures"
        self.seconds, self.seen = 0.0, []
        self.writer = EpisodeWriter(self.out, SPEC, now=self.tick)
        self.pending = PendingEpisode(self.writer, self.failures, self.seen.append)

    def tick(self):
        self.seconds += 1.0
        return self.seconds

    def run(self, successes, **end):
        self.pending.begin_episode(INFO)
        for t, success in enumerate(successes):
            ends = end or {"truncated": True}
            last = ends if t == len(successes) - 1 else {}
            self.pending.add(step(t, success=bool(success), reward=1.0 if success else 0.25, **last))
        self.pending.end_episode()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_nobody_sees_an_episode_that_has_not_been_judged_and_a_crash_loses_its_last_step(bench):
    bench.run([0, 0, 1], terminated=True)
    assert len(bench.seen) == 3
    assert load_dataset(bench.out, on_damage=lambda *_: None) == []
    (path,) = recover(bench.out)
    assert read_episode(path).length == 2


def test_a_success_keeps_its_labels(bench):
    bench.run([0, 1, 1])
    path = bench.pending.close(Verdict.SUCCESS)
    episode = read_episode(path)
    assert episode.successes.tolist() == [False, True, True]
    assert (episode.terminated.any(), episode.truncated.tolist()) == (False, [False, False, True])
    assert list_episodes(bench.out) == [path]


@pytest.mark.parametrize("end", [{"terminated": True}, {"truncated": True}])
def test_a_failure_is_one_in_every_step_and_keeps_what_was_paid_for_anything_else(bench, end):
    bench.run([0, 1, 0, 1], **end)
    path = bench.pending.close(Verdict.FAILURE)
    (episode,) = load_dataset(bench.failures)
    assert path == list_episodes(bench.failures)[0]
    assert not episode.successes.any()
    assert episode.reward.tolist() == [0.25, 0.0, 0.25, 0.0]
    assert not episode.terminated.any()
    assert episode.truncated.tolist() == [False, False, False, True]
    assert list(bench.out.iterdir()) == []


def test_failures_may_go_where_successes_go(tmp_path):
    bench = Bench(tmp_path)
    bench.pending = PendingEpisode(bench.writer, bench.out)
    for verdict in (Verdict.FAILURE, Verdict.SUCCESS):
        bench.run([0, 1])
        bench.pending.close(verdict)
    assert [episode.success for episode in load_dataset(bench.out)] == [False, True]


def test_one_that_nobody_judged_is_put_aside_as_it_was(bench):
    bench.run([0, 1], terminated=True)
    bench.run([0])
    assert bench.pending.close(Verdict.DISCARD) == list_discarded(bench.out)[-1]
    first, second = (read_episode(path) for path in list_discarded(bench.out))
    assert (first.successes.tolist(), first.terminated.tolist()) == ([False, True], [False, True])
    assert second.length == 1
    assert list_episodes(bench.out) == list_open(bench.out) == []


def test_without_a_step_there_is_nothing_to_judge(bench):
    bench.pending.begin_episode(INFO)
    for verdict in Verdict:
        assert bench.pending.close(verdict) is None
    assert not bench.out.exists()


def test_failures_on_another_file_system_are_refused_before_anything_is_recorded(tmp_path, monkeypatch):
    stat = os.stat

    def two_disks(path, *args, **kwargs):
        found = stat(path, *args, **kwargs)
        return os.stat_result((*found[:2], 77, *found[3:])) if str(path) == str(tmp_path / "usb") else found

    (tmp_path / "usb").mkdir()
    monkeypatch.setattr("demos.pending.os.stat", two_disks)
    with pytest.raises(ConfigError, match="usb/failures must be on the same file system"):
        PendingEpisode(EpisodeWriter(tmp_path / "out", SPEC), tmp_path / "usb" / "failures")


def test_a_failure_that_cannot_be_moved_stays_aside_and_intact(bench):
    bench.failures.write_text("a file is in the way")
    bench.run([0, 0])
    with pytest.raises(DatasetError, match="it is where it was, and intact"):
        bench.pending.close(Verdict.FAILURE)
    assert [read_episode(path).length for path in list_discarded(bench.out)] == [2]


def test_resuming_keeps_what_had_succeeded_and_puts_the_rest_aside(bench):
    for successes in ([0, 0, 1, 1], [0, 0, 0]):
        bench.run(successes)
        bench.pending = PendingEpisode(EpisodeWriter(bench.out, SPEC, now=bench.tick), bench.failures)  # the process died
        bench.writer = bench.pending._writer
    assert recover_demos(bench.out) == Recovered(kept=1, put_aside=1)
    assert [episode.successes.tolist() for episode in load_dataset(bench.out)] == [[False, False, True]]
    assert [read_episode(path).length for path in list_discarded(bench.out)] == [2]
    assert recover_demos(bench.out) == Recovered(kept=0, put_aside=0)
