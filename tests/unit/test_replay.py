"""Laws of replay: episode e, step t observes 1000 e + t, so a batch tells where it came from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_replay import INFO, LENGTHS, SPEC, fill, filled, is_terminated, observe, step

from robot_rl.data import rows as rows_module
from robot_rl.data.batch import BatchSpec
from robot_rl.data.memory import BatchMemory
from robot_rl.data.mixture import Mixture
from robot_rl.data.replay import ReplayBuffer
from robot_rl.data.starts import StartIndex
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.types import Transition


def newest_steps(lengths, capacity):
    steps = [(episode, t) for episode, length in enumerate(lengths) for t in range(length)]
    return steps[-capacity:]


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 40), st.integers(1, 5))
def test_windows_never_cross_episodes_and_all_of_them_are_drawn(lengths, capacity, horizon):
    buffer = filled(lengths, capacity)
    held = set(newest_steps(lengths, capacity))
    expected = {1000 * e + t for e, t in held if all((e, t + k) in held for k in range(horizon))}
    assert len(buffer) == len(held)
    assert buffer.num_starts(horizon) == len(expected)
    if not expected:
        with pytest.raises(DatasetError, match=f"has {horizon} steps; longest run is"):
            buffer.sample(BatchSpec(4, horizon))
        return
    batch = buffer.sample(BatchSpec(500, horizon))
    x = batch.obs["state/x"][..., 0]
    assert torch.all(x[1:] - x[:-1] == 1)
    assert set(x[0].int().tolist()) <= expected
    assert torch.equal(batch.reward, x[:-1])
    assert torch.equal(batch.obs["state/stack"], -x[..., None, None].expand(-1, -1, 2, 2))
    assert torch.equal(batch.obs["image/front"][..., 0, 0, 0], (x % 251).to(torch.uint8))
    assert torch.equal(batch.obs["image/odd"][..., 0, 0, 2], (x % 241).to(torch.uint8))


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 40), st.integers(1, 5), st.booleans())
def test_windows_with_overhang_start_at_every_step_and_stand_still_beyond_the_end(lengths, capacity, horizon, is_last_open):
    buffer = filled(lengths, capacity)
    if is_last_open:
        lengths = [*lengths, 2]
        buffer.begin_episode(INFO)
        for t in range(2):
            buffer.add(step(len(lengths) - 1, t))
    held = newest_steps(lengths, capacity)
    batch = buffer.sample(BatchSpec(600, horizon, overhang=True))
    x = batch.obs["state/x"][..., 0]
    assert set(x[0].int().tolist()) <= {1000 * e + t for e, t in held}
    if len(held) <= 20:
        assert set(x[0].int().tolist()) == {1000 * e + t for e, t in held}
    for column in range(50):
        episode, t = divmod(int(x[0, column]), 1000)
        num_inside = min(horizon, lengths[episode] - t)
        assert batch.inside[:, column].tolist() == [1.0] * num_inside + [0.0] * (horizon - num_inside)
        assert (x[:, column] - x[0, column]).tolist() == [float(min(k, num_inside)) for k in range(horizon + 1)]
        assert batch.reward[:, column].tolist() == [*x[:num_inside, column].tolist(), *[0.0] * (horizon - num_inside)]
        has_ended = num_inside < horizon or t + horizon == lengths[episode]
        is_open = is_last_open and episode == len(lengths) - 1
        assert batch.terminated[:, column].sum() == float(has_ended and not is_open)
        assert (batch.action[num_inside:, column] == 0.0).all()


def test_windows_with_overhang_go_into_a_mixture_of_episodes_that_are_all_too_short():
    buffer = filled([2, 1, 2], 10)
    mixed = Mixture([buffer, filled([], 10, is_demo=True)]).sample(BatchSpec(64, 5, overhang=True))
    assert set(mixed.inside.sum(0).tolist()) == {1.0, 2.0}
    with pytest.raises(DatasetError, match="has 5 steps; longest run is 2"):
        buffer.sample(BatchSpec(4, 5))
    with pytest.raises(ConfigError, match="overhang have n_step 1"):
        BatchSpec(4, 1, n_step=2, overhang=True)


@settings(max_examples=30, deadline=None)
@given(LENGTHS, LENGTHS, st.integers(1, 30), st.integers(2, 5))
def test_a_horizon_first_sampled_early_knows_the_same_windows_as_one_sampled_late(before, after, capacity, horizon):
    early, late = filled(before, capacity), filled(before, capacity)
    early.num_starts(horizon)
    for buffer in (early, late):
        fill(buffer, after, first=len(before))
    assert early.num_starts(horizon) == late.num_starts(horizon)
    if early.num_starts(horizon):
        windows = [buffer.sample(BatchSpec(64, horizon)).obs["state/x"] for buffer in (early, late)]
        assert torch.equal(*windows)


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.integers(1, 40), st.integers(2, 6), st.sampled_from(["truncated", "mixed"]), st.booleans())
def test_n_step_equals_the_sum_written_out(lengths, capacity, n, ends, is_last_open):
    buffer = filled(lengths, capacity, ends)
    if is_last_open:
        lengths = [*lengths, 3]
        buffer.begin_episode(INFO)
        for t in range(3):
            buffer.add(step(len(lengths) - 1, t))
    batch = buffer.sample(BatchSpec(100, n_step=n, discount=0.9))
    for i in range(100):
        episode, t = divmod(int(batch.obs["state/x"][0, i, 0]), 1000)
        steps = min(n, lengths[episode] - t)
        is_end = t + steps == lengths[episode] and not (is_last_open and episode == len(lengths) - 1)
        rewards = [0.9**k * (1000 * episode + t + k) for k in range(steps)]
        assert batch.reward[0, i].item() == pytest.approx(sum(rewards), rel=1e-5)
        assert batch.discount[0, i].item() == pytest.approx(0.9**steps, rel=1e-5)
        assert batch.obs["state/x"][1, i, 0] == 1000 * episode + t + steps
        assert batch.terminated[0, i] == float(is_end and is_terminated(episode, ends))
        assert batch.action[0, i, 0].item() == pytest.approx((1000 * episode + t) / 1e6)


def test_shapes_types_and_flags():
    buffer = filled([7, 7], 50, is_demo=True)
    batch = buffer.sample(BatchSpec(33, 3, discount=0.9))
    assert batch.obs["state/stack"].shape == (4, 33, 2, 2)
    assert batch.obs["image/front"].shape == (4, 33, 2, 4, 3)
    assert batch.obs["image/front"].dtype == torch.uint8
    assert batch.action.shape == (3, 33, 2)
    assert batch.reward.shape == batch.terminated.shape == batch.discount.shape == (3, 33)
    assert torch.all(batch.discount == 0.9)
    assert torch.all(batch.is_demo == 1)
    assert torch.all(filled([7], 50).sample(BatchSpec(8)).is_demo == 0)


def test_terminated_is_set_where_the_task_ended_and_only_there():
    x_and_flag = filled([4, 6], 50).sample(BatchSpec(300))
    is_end = torch.isin(x_and_flag.obs["state/x"][0, :, 0], torch.tensor([3.0, 1005.0]))
    assert torch.equal(x_and_flag.terminated[0], is_end.float())
    assert not filled([4, 6], 50, "truncated").sample(BatchSpec(300)).terminated.any()


def test_starts_are_uniform():
    lengths = [1, 9, 2, 9, 30]
    x = filled(lengths, 40, "truncated").sample(BatchSpec(40_000)).obs["state/x"][0, :, 0]
    counts = torch.unique(x, return_counts=True)[1].float()
    assert len(counts) == 40
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_square < 73  # 99.9% quantile at 39 degrees of freedom


def test_a_new_segment_starts_where_told_and_the_open_one_can_be_sampled():
    buffer = ReplayBuffer(SPEC, 50, seed=0)
    for episode, length in ((0, 3), (5, 4)):  # neither ends
        buffer.begin_episode(INFO)
        for t in range(length):
            buffer.add(step(episode, t))
    starts = buffer.sample(BatchSpec(200, 2)).obs["state/x"][0, :, 0]
    assert set(starts.tolist()) == {0, 1, 5000, 5001, 5002}


def test_steps_outside_an_episode_and_misfits_are_refused_and_leave_no_trace():
    buffer = filled([5], 50)
    with pytest.raises(DatasetError, match="begin_episode"):
        buffer.add(step(1, 0))
    buffer.begin_episode(INFO)
    good = step(1, 0)
    bad_obs = {**observe(1001), "state/x": np.array([np.nan], np.float32)}
    with pytest.raises(DatasetError, match="'state/x' is not finite"):
        buffer.add(Transition(good.obs, good.action, 0.0, bad_obs, False, False))
    with pytest.raises(DatasetError, match=r"action has shape \[3\]; its spec says \[2\]"):
        buffer.add(Transition(good.obs, np.zeros(3), 0.0, good.next_obs, False, False))
    buffer.add(good)
    assert len(buffer) == 6
    assert set(buffer.sample(BatchSpec(200)).obs["state/x"][0, :, 0].tolist()) == {0, 1, 2, 3, 4, 1000}


def test_sampling_resumes_from_its_state():
    buffer = filled([20], 50)
    state = buffer.state_dict()
    first = buffer.sample(BatchSpec(16)).obs["state/x"]
    second = buffer.sample(BatchSpec(16)).obs["state/x"]
    assert not torch.equal(first, second)
    buffer.load_state_dict(state)
    assert torch.equal(buffer.sample(BatchSpec(16)).obs["state/x"], first)


# Forgetting


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.booleans()), min_size=1, max_size=25),
       st.integers(1, 40), st.integers(1, 4))  # fmt: skip
def test_what_was_forgotten_is_in_no_window_and_the_rest_is_as_if_it_had_not_been(episodes, capacity, horizon):
    buffer, held = ReplayBuffer(SPEC, capacity, seed=0), []
    buffer.num_starts(horizon)  # so that starts of windows are kept up to date from here on
    for episode, (length, is_ended, is_discarded) in enumerate(episodes):
        buffer.begin_episode(INFO)
        for t in range(length):
            buffer.add(step(episode, t, truncated=is_ended and t == length - 1))
        held = [*held, *((episode, t) for t in range(length))][-capacity:]
        if is_discarded:
            buffer.discard_episode()
            held = [(e, t) for e, t in held if e != episode]
    starts = {1000 * e + t for e, t in held if all((e, t + k) in held for k in range(horizon))}
    assert len(buffer) == len(held)
    assert buffer.num_starts(horizon) == len(starts)
    if starts:
        x = buffer.sample(BatchSpec(2000, horizon)).obs["state/x"][..., 0]
        assert set(x[0].int().tolist()) == starts
        assert torch.all(x[1:] - x[:-1] == 1)


@pytest.mark.parametrize("n", [2, 3, 9])
def test_an_n_step_look_ends_where_a_segment_ends_also_where_a_longer_one_was_forgotten(n):
    buffer = filled([4], 50, "truncated")
    fill(buffer, [9], first=1, ends="truncated")
    buffer.discard_episode()
    fill(buffer, [2], first=2, ends="truncated")
    batch = buffer.sample(BatchSpec(500, n_step=n, discount=1.0))
    x = batch.obs["state/x"][..., 0]
    ends = torch.where(x[0] >= 2000, 2002.0, 4.0)
    assert torch.equal(x[1], torch.minimum(x[0] + n, ends))


def test_forgetting_twice_forgets_one_segment():
    buffer = filled([5, 6, 7], 50)
    buffer.discard_episode()
    buffer.discard_episode()
    assert len(buffer) == 11


def test_a_segment_without_a_step_is_forgotten_alone():
    buffer = filled([5, 6], 50)
    buffer.begin_episode(INFO)
    buffer.discard_episode()
    assert len(buffer) == 11


def test_a_segment_that_was_forgotten_takes_no_more_steps():
    buffer = filled([5], 50)
    buffer.begin_episode(INFO)
    buffer.add(step(1, 0))
    buffer.discard_episode()
    with pytest.raises(DatasetError, match="begin_episode first"):
        buffer.add(step(1, 1))


@given(st.lists(st.tuples(st.integers(-80, 120), st.booleans()), max_size=12))
def test_a_start_index_is_a_queue_that_is_dropped_from_at_both_ends(counts):
    index, expected, row = StartIndex(), [], 0
    for count, at_end in counts:
        for _ in range(count):  # append
            index.append(row)
            expected.append(row)
            row += 2
        for _ in range(min(-count, len(expected))):  # drop
            index.drop_last() if at_end else index.drop_first()
            expected.pop(-1 if at_end else 0)
        assert index.rows().tolist() == expected
        assert not expected or (index.first, index.last) == (expected[0], expected[-1])
    if expected:
        assert set(index.draw(200, torch.Generator().manual_seed(0)).tolist()) <= set(expected)


@pytest.mark.parametrize("eager_bytes", [0, 1 << 40])
def test_growing_keeps_what_was_stored(monkeypatch, eager_bytes):
    monkeypatch.setattr(rows_module, "START_ROWS", 2)
    monkeypatch.setattr(rows_module, "EAGER_BYTES", eager_bytes)
    lengths = [1] * 300  # twice as many rows as steps
    x = filled(lengths, 200, "truncated").sample(BatchSpec(4000)).obs["state/x"][..., 0]
    assert torch.all(x[1] - x[0] == 1)
    assert x.min() == 100_000
    assert len(torch.unique(x[0])) == 200


def test_batches_do_not_share_memory_while_somebody_looks_at_them():
    buffer = filled([30], 50)
    image = buffer.sample(BatchSpec(64)).obs["image/front"][0, :3]  # a view is all that is left of the batch
    before = image.clone()
    for _ in range(10):
        buffer.sample(BatchSpec(64))
    assert torch.equal(image, before)


def test_memory_is_used_again_once_the_last_view_is_gone():
    memory = BatchMemory()
    tensor = memory.empty(4, 8, dtype=torch.int64)
    view, address = tensor[2], tensor.data_ptr()
    del tensor
    assert memory.empty(4, 8, dtype=torch.int64).data_ptr() != address
    del view
    assert address in {block.data_ptr() for block in [memory.empty(4, 8, dtype=torch.int64) for _ in range(3)]}
