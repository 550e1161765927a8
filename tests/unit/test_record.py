"""Laws of rollouts and of recording demonstrations."""

import logging

import numpy as np
import pytest

from demos.record import record
from robot_rl.data.episodes import load_dataset
from robot_rl.envs.rollout import run_episode
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo

INFO = EpisodeInfo("walk", "policy")


class Walk:
    """Counts steps; the seed's parity decides whether step 3 succeeds or step 5 runs out of time."""

    env_spec = EnvSpec("walk", {"state/x": ArraySpec((1,))}, ActionSpec(("x",)), control_dt=0.5, max_steps=5)

    def __init__(self, *, dies_at=None, rejected=()):
        self.seeds, self.dies_at, self.rejected = [], dies_at, rejected

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.t = 0
        return self._observe(), {"stamp": 10.0}

    def step(self, action):
        self.t += 1
        if self.t == self.dies_at:
            raise KeyboardInterrupt
        success = self.t == 3 and self.seeds[-1] % 2 == 0
        info = {
            "action": action * 0.5 if self.t == 2 else action,
            "policy_action": action,
            "is_intervention": self.t == 2,
            "clamped": self.t == 1,
            "success": success,
            "stamp": 10.0 + 0.5 * self.t,
            "true_success": success,
            "fault": "camera 'wrist' failed" if self.t == 5 else "",
            "exertion": None,
            "discard": self.t == 3 and len(self.seeds) - 1 in self.rejected,
        }
        return self._observe(), 1.0 if success else 0.25, success, self.t == 5, info

    def _observe(self):
        return {"state/x": np.array([self.t], np.float32)}


class Steady:
    """Always acts 0.8."""

    version = 4
    begun = 0

    def begin_episode(self):
        self.begun += 1

    def act(self, obs, *, explore):
        return np.array([0.8 if explore else 0.6], np.float32)


class Memory:
    """An ExperienceSink that remembers calls."""

    def __init__(self):
        self.episodes, self.ended = [], 0

    def begin_episode(self, info):
        self.episodes.append((info, []))

    def add(self, transition):
        self.episodes[-1][1].append(transition)

    def end_episode(self):
        self.ended += 1

    def discard_episode(self):
        self.episodes.pop()


def test_a_rollout_tells_its_sinks_every_step_but_a_fault():
    env, policy, sinks = Walk(), Steady(), (Memory(), Memory())
    result = run_episode(env, policy, seed=1, explore=True, info=INFO, sinks=sinks)
    assert (result.length, result.success, result.return_, result.interventions) == (5, False, 1.25, 1)
    assert result.fault == "camera 'wrist' failed"
    assert env.seeds == [1]
    assert policy.begun == 1
    for sink in sinks:
        ((info, steps),) = sink.episodes
        assert info is INFO
        assert sink.ended == 1
        assert [float(s.obs["state/x"][0]) for s in steps] == [0, 1, 2, 3]  # the fault's step measured nothing
        assert [float(s.next_obs["state/x"][0]) for s in steps] == [1, 2, 3, 4]
        assert [s.stamp for s in steps] == [10.0, 10.5, 11.0, 11.5]  # of obs, not of next_obs
        assert not any(s.terminated for s in steps)
        assert [s.is_intervention for s in steps] == [False, True, False, False]
        assert [s.clamped for s in steps] == [True, False, False, False]
        np.testing.assert_allclose([s.action[0] for s in steps], [0.8, 0.4, 0.8, 0.8])
        np.testing.assert_allclose([s.policy_action[0] for s in steps], [0.8] * 4)
        assert {s.policy_version for s in steps} == {4}


def test_success_terminates_and_is_counted():
    sink = Memory()
    result = run_episode(Walk(), Steady(), seed=2, explore=False, info=INFO, sinks=(sink,))
    assert (result.length, result.success, result.fault) == (3, True, "")
    assert [s.terminated for s in sink.episodes[0][1]] == [False, False, True]
    assert [s.success for s in sink.episodes[0][1]] == [False, False, True]


def test_an_episode_that_a_person_rejects_is_forgotten_by_all_sinks():
    sinks = (Memory(), Memory())
    result = run_episode(Walk(rejected=[0]), Steady(), seed=2, explore=False, info=INFO, sinks=sinks)
    assert result.is_discarded
    assert [sink.episodes for sink in sinks] == [[], []]
    assert not run_episode(Walk(), Steady(), seed=2, explore=False, info=INFO, sinks=sinks).is_discarded
    assert [len(sink.episodes) for sink in sinks] == [1, 1]


@pytest.mark.parametrize("keep", ["success", "all"])
def test_recording_makes_up_for_rejected_attempts(tmp_path, keep):
    env = Walk(rejected=range(12))
    summary = record(env, Steady(), tmp_path, 3, 0, keep=keep)
    seeds = [episode.info.seed for episode in load_dataset(tmp_path)]
    assert summary.kept == len(seeds) == 3
    assert not set(seeds) & set(env.seeds[:12])


def test_an_interrupted_rollout_loses_nothing():
    sink = Memory()
    with pytest.raises(KeyboardInterrupt):
        run_episode(Walk(dies_at=4), Steady(), seed=1, explore=False, info=INFO, sinks=(sink,))
    assert sink.ended == 1
    assert len(sink.episodes[0][1]) == 3


def test_a_failing_sink_does_not_keep_the_others_open():
    class Broken(Memory):
        def add(self, transition):
            raise RuntimeError("broken")

    sinks = (Memory(), Broken(), Memory())
    with pytest.raises(RuntimeError, match="broken"):
        run_episode(Walk(), Steady(), seed=1, explore=False, info=INFO, sinks=sinks)
    assert [sink.ended for sink in sinks] == [1, 1, 1]


def test_the_robot_holds_before_anything_else_when_a_sink_fails():
    order = []

    class Held(Walk):
        def stop(self):
            order.append("held")

    class Full(Memory):
        def add(self, transition):
            raise DatasetError("No space left on device")

        def end_episode(self):
            order.append("closed")

    with pytest.raises(DatasetError, match="No space left"):
        run_episode(Held(), Steady(), seed=1, explore=True, info=INFO, sinks=(Full(),))
    assert order == ["held", "closed"]


def test_recording_keeps_as_many_successes_as_asked_for(tmp_path):
    env, seen = Walk(), []
    summary = record(env, Steady(), tmp_path, 4, 0, on_episode=lambda *args: seen.append(args))
    episodes = load_dataset(tmp_path, env.env_spec)
    assert summary.kept == len(episodes) == summary.successes == 4
    assert summary.attempted == len(env.seeds) == len(seen) > 4
    assert summary.mean_length == 3
    assert all(episode.success and episode.length == 3 for episode in episodes)
    assert [episode.info.seed for episode in episodes] == [seed for seed in env.seeds if seed % 2 == 0]
    assert {(episode.info.task, episode.info.source) for episode in episodes} == {("walk", "demo")}
    assert [attempt for attempt, _, _ in seen] == list(range(len(seen)))
    assert [is_kept for _, _, is_kept in seen] == [seed % 2 == 0 for seed in env.seeds]


def test_recording_keeps_failures_if_told(tmp_path):
    env = Walk()
    summary = record(env, Steady(), tmp_path, 6, 0, keep="all", source="scripted")
    episodes = load_dataset(tmp_path, env.env_spec)
    assert (summary.kept, summary.attempted, len(episodes)) == (6, 6, 6)
    assert {episode.success for episode in episodes} == {True, False}
    assert summary.successes == sum(episode.success for episode in episodes)
    assert {episode.info.source for episode in episodes} == {"scripted"}


def test_recording_gives_up_after_the_attempts_allowed(caplog):
    with caplog.at_level(logging.WARNING):
        summary = record(Walk(), Steady(), Memory(), 50, 0, max_attempts=5)
    assert summary.attempted == 5
    assert summary.kept < 5
    assert f"kept {summary.kept} of 50 wanted episodes in 5 attempts" in caplog.text
    with pytest.raises(ConfigError, match="0 episodes"):
        record(Walk(), Steady(), Memory(), 0, 0)


def test_starts_depend_on_the_seed_and_repeat():
    def starts(seed):
        env = Walk()
        record(env, Steady(), Memory(), 8, seed, keep="all")
        return env.seeds

    assert starts(3) == starts(3)
    assert not set(starts(3)) & set(starts(4))
    assert len(set(starts(3))) == 8


def test_an_interrupted_recording_keeps_what_was_complete(tmp_path):
    def interrupt(attempt, result, is_kept):
        if attempt == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(Walk(), Steady(), tmp_path, 9, 0, keep="all", on_episode=interrupt)
    assert len(load_dataset(tmp_path)) == 3
