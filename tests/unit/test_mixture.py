"""Laws of mixing replay buffers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.data.batch import BatchSpec
from robot_rl.data.mixture import Mixture, split
from robot_rl.data.replay import ReplayBuffer
from robot_rl.errors import ConfigError, DatasetError, SpecMismatch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition


def env_spec(dim=1):
    obs = {"state/x": ArraySpec((dim,)), "image/front": ArraySpec((2, 2, 3), "uint8")}
    return EnvSpec("counting", obs, ActionSpec(("x",)), control_dt=0.1, max_steps=100)


def buffer(length, *, is_demo=False, dim=1):
    """One episode that observes 0, 1, ... online and 100, 101, ... in demos."""
    out = ReplayBuffer(env_spec(dim), 100, seed=int(is_demo), is_demo=is_demo)

    def observe(t):
        x = t + 100 * is_demo
        return {"state/x": np.full(dim, x, np.float32), "image/front": np.full((2, 2, 3), x, np.uint8)}

    out.begin_episode(EpisodeInfo("counting", "policy"))
    for t in range(length):
        out.add(Transition(observe(t), np.zeros(1, np.float32), 1.0, observe(t + 1), False, False))
    return out


@given(st.integers(1, 1000), st.lists(st.floats(0, 1e6), min_size=1, max_size=6).filter(any))
def test_split_adds_up_and_is_within_one_of_the_exact_share(total, weights):
    counts = split(total, weights)
    assert sum(counts) == total
    for count, weight in zip(counts, weights, strict=True):
        assert abs(count - total * (weight / sum(weights))) < 1 + 1e-6
        assert count >= 0


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -0.1], [1.0, float("nan")]])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ConfigError, match="weights"):
        split(10, weights)


@pytest.mark.parametrize(("weights", "num_demos"), [((0.5, 0.5), 16), ((3, 1), 8), ((0.0, 1.0), 32)])
@pytest.mark.parametrize("spec", [BatchSpec(32), BatchSpec(32, horizon=3), BatchSpec(32, n_step=3)])
def test_shares_are_exact_and_marked(weights, num_demos, spec):
    batch = Mixture([buffer(20), buffer(20, is_demo=True)], weights).sample(spec)
    assert batch.is_demo.sum() == num_demos
    x = batch.obs["state/x"][..., 0]
    assert torch.all((x >= 100) == batch.is_demo.bool())
    assert torch.equal(batch.obs["image/front"][..., 1, 1, 2].float(), x)


def test_the_schedule_follows_environment_steps():
    mixture = Mixture([buffer(5), buffer(5, is_demo=True)], lambda env_steps: (env_steps, 100 - env_steps))
    batches = mixture.batches(BatchSpec(10))
    shares = []
    for mixture.env_steps in (0, 30, 100):
        shares.append(int(next(batches).is_demo.sum()))
    assert shares == [10, 7, 0]


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.0, 1.0), (1.0, 0.0)])
def test_an_empty_buffer_leaves_its_share_to_the_others(weights):
    assert Mixture([buffer(9), buffer(0, is_demo=True)], weights).sample(BatchSpec(7)).is_demo.sum() == 0
    assert Mixture([buffer(2), buffer(9, is_demo=True)], weights).sample(BatchSpec(7, 3)).is_demo.sum() == 7


def test_no_window_anywhere_names_the_longest_run():
    with pytest.raises(DatasetError, match="no stored episode has 5 steps; longest run is 3"):
        Mixture([buffer(3), buffer(2, is_demo=True)]).sample(BatchSpec(4, 5))


def test_buffers_and_weights_must_fit_each_other():
    with pytest.raises(SpecMismatch, match=r"float32 \[2\] instead of float32 \[1\]"):
        Mixture([buffer(3), buffer(3, dim=2)])
    with pytest.raises(ConfigError, match=r"3 weights .* for 2 replay buffers"):
        Mixture([buffer(3), buffer(3)], (1, 1, 1))


def test_sampling_resumes_from_its_state():
    mixture = Mixture([buffer(30), buffer(30, is_demo=True)])
    mixture.env_steps = 7
    state = mixture.state_dict()
    first = mixture.sample(BatchSpec(16)).obs["state/x"]
    other = Mixture([buffer(30), buffer(30, is_demo=True)])
    other.sample(BatchSpec(3))
    other.load_state_dict(state)
    assert other.env_steps == 7
    assert torch.equal(other.sample(BatchSpec(16)).obs["state/x"], first)
