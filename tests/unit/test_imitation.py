"""Self-imitation: quick successes count as demonstrations, others do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robot_rl.data.episodes import load_dataset
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.training.config import TrainConfig
from robot_rl.training.experience import Experience
from robot_rl.training.imitation import ALWAYS, QuickestSuccesses
from robot_rl.types import EpisodeInfo, Transition

SPEC = EnvSpec("task", {"state/x": ArraySpec((1,))}, ActionSpec(("x",)), 0.1, 100)
CONFIG = TrainConfig(task="task", self_imitation=True)


def steps(length: int, *, success: bool, start: float = 0.0) -> list[Transition]:
    def obs(t: float) -> dict[str, np.ndarray]:
        return {"state/x": np.array([start + t], np.float32)}

    last = length - 1
    return [
        Transition(
            obs(t), np.zeros(1, np.float32), float(success and t == last), obs(t + 1),
            terminated=success and t == last, truncated=not success and t == last, success=success and t == last,
        )
        for t in range(length)
    ]  # fmt: skip


def demonstrated(tmp_path, config: TrainConfig = CONFIG) -> Experience:
    if not (tmp_path / "demos").exists():
        play(Experience(config, SPEC, tmp_path / "demos", []), steps(9, success=True))
    return Experience(config, SPEC, tmp_path / "episodes", load_dataset(tmp_path / "demos"))


def play(experience: Experience, episode: list[Transition]) -> None:
    experience.begin_episode(EpisodeInfo("task", "policy"))
    for step in episode:
        experience.add(step)
    experience.end_episode()


def test_the_quicker_half_of_recent_successes_is_imitated():
    quickest = QuickestSuccesses(window=4)
    assert [quickest.add(length) for length in [50] * ALWAYS] == [True] * ALWAYS
    quickest = QuickestSuccesses()
    for length in (10, 20, 30, 40, 50):
        quickest.add(length)
    assert not quickest.add(31)
    assert quickest.add(30)


def test_only_recent_successes_are_compared_with():
    quickest = QuickestSuccesses(window=ALWAYS)
    for length in [10] * ALWAYS + [50] * ALWAYS:
        quickest.add(length)
    assert quickest.add(50)


@pytest.mark.parametrize(("success", "added"), [(True, 4), (False, 0)])
def test_only_successes_join_the_demonstrations(tmp_path, success, added):
    experience = demonstrated(tmp_path)
    assert experience.demos is not None
    before = len(experience.demos)
    play(experience, steps(4, success=success))
    assert len(experience.demos) - before == added
    assert len(experience.online) == 4


def test_it_can_be_switched_off(tmp_path):
    experience = demonstrated(tmp_path, replace(CONFIG, self_imitation=False))
    assert experience.demos is not None
    before = len(experience.demos)
    play(experience, steps(4, success=True))
    assert len(experience.demos) == before


def test_a_resumed_run_imitates_what_it_imitated(tmp_path):
    first = demonstrated(tmp_path)
    for length in (10, 20, 30, 40, 50, 60, 15):
        play(first, steps(length, success=True))
    again = demonstrated(tmp_path)
    again.restore()
    assert first.demos is not None
    assert again.demos is not None
    assert len(again.demos) == len(first.demos)
    assert len(again.online) == len(first.online)
