"""Entries that replay holds several variants of, crops of a frame for example: a batch holds one, drawn at random."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_replay import INFO, SPEC, filled

from robot_rl.data import rows as rows_module
from robot_rl.data.batch import BatchSpec
from robot_rl.data.replay import ReplayBuffer
from robot_rl.data.spec_json import check_same_spec, spec_from_json, spec_to_json
from robot_rl.errors import ConfigError, DatasetError, SpecMismatch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import Transition

VARIED = {
    "state/x": ArraySpec((1,)),
    "feature/front": ArraySpec((4, 2, 2), "float16", variants=3),
    "feature/wrist": ArraySpec((3, 1, 1), "float16", variants=2),
    "image/front": ArraySpec((2, 4, 3), "uint8"),
}
VARIED_SPEC = EnvSpec("counting", VARIED, ActionSpec(("x", "y")), control_dt=0.1, max_steps=100)


def observe_varied(x):
    """Variant v of an entry is full of x + v / 4, in float16."""
    return {
        "state/x": np.array([x], np.float32),
        "feature/front": np.stack([np.full((4, 2, 2), x + v / 4, np.float16) for v in range(3)]),
        "feature/wrist": np.stack([np.full((3, 1, 1), x + v / 4, np.float16) for v in range(2)]),
        "image/front": np.full((2, 4, 3), x, np.uint8),
    }


def varied(lengths, capacity, spec=VARIED_SPEC):
    """Return a buffer whose episode e, step t observes 20 e + t."""
    buffer = ReplayBuffer(spec, capacity, seed=0)
    for episode, length in enumerate(lengths):
        buffer.begin_episode(INFO)
        for x in range(20 * episode, 20 * episode + length):
            is_last = x == 20 * episode + length - 1
            now, later = observe_varied(x), observe_varied(x + 1)
            buffer.add(Transition(now, np.zeros(2, np.float32), float(x), later, is_last, False))
    return buffer


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=10), st.integers(1, 40), st.integers(1, 3), st.integers(1, 3))
def test_a_batch_holds_one_whole_variant_of_the_right_step(lengths, capacity, horizon, n):
    buffer = varied(lengths, capacity)
    if not buffer.num_starts(horizon):
        return
    batch = buffer.sample(BatchSpec(100, horizon) if n == 1 else BatchSpec(100, n_step=n))
    x = batch.obs["state/x"][..., 0]
    for key, variants in (("feature/front", 3), ("feature/wrist", 2)):
        feature = batch.obs[key]
        assert feature.dtype == torch.float16
        assert feature.shape == (*x.shape, *VARIED[key].shape)
        drawn = 4 * (feature.float() - x[..., None, None, None])
        assert torch.equal(drawn, drawn[..., :1, :1, :1].expand_as(drawn))
        assert set(drawn.unique().tolist()) <= set(range(variants))
    assert torch.equal(batch.obs["image/front"][..., 0, 0, 0], x.to(torch.uint8))


def test_variants_are_uniform_and_independent_between_time_steps_and_entries():
    batch = varied([10], 50).sample(BatchSpec(24_000))
    x = batch.obs["state/x"][..., 0]
    front, wrist = (4 * (batch.obs[f"feature/{camera}"][..., 0, 0, 0].float() - x) for camera in ("front", "wrist"))
    for first, second, cells in ((front[0], front[1], 9), (wrist[0], wrist[1], 4), (front[0], wrist[0], 6)):
        counts = torch.unique(torch.stack([first, second]), dim=1, return_counts=True)[1].float()
        assert len(counts) == cells
        assert ((counts - 24_000 / cells) ** 2 / (24_000 / cells)).sum() < 27  # 99.9% quantile at 8 degrees of freedom


def test_drawing_of_variants_resumes_from_its_state():
    buffer = varied([20], 50)
    state = buffer.state_dict()
    first = buffer.sample(BatchSpec(64)).obs["feature/front"]
    buffer.load_state_dict(state)
    assert torch.equal(buffer.sample(BatchSpec(64)).obs["feature/front"], first)


def test_entries_with_one_variant_leave_the_drawing_of_windows_as_it_was():
    generator = torch.Generator().manual_seed(0)
    x = filled([20], 50).sample(BatchSpec(64)).obs["state/x"][0, :, 0]
    assert torch.equal(x, torch.randint(20, (64,), generator=generator).float())
    again = filled([20], 50)
    again.sample(BatchSpec(64))
    expected = torch.randint(20, (64,), generator=generator).float()
    assert torch.equal(again.sample(BatchSpec(64)).obs["state/x"][0, :, 0], expected)


def test_growing_keeps_all_variants(monkeypatch):
    monkeypatch.setattr(rows_module, "START_ROWS", 2)
    batch = varied([10] * 6, 60).sample(BatchSpec(4000))
    drawn = 4 * (batch.obs["feature/front"][..., 0, 0, 0].float() - batch.obs["state/x"][..., 0])
    assert set(drawn.unique().tolist()) == {0, 1, 2}
    assert len(batch.obs["state/x"][0].unique()) == 60


def test_a_misfit_of_variants_says_what_was_expected():
    buffer = ReplayBuffer(VARIED_SPEC, 10, seed=0)
    buffer.begin_episode(INFO)
    good, action = observe_varied(0), np.zeros(2, np.float32)
    for wrong, message in (
        (good["feature/front"][0], r"has shape \[4, 2, 2\]; its spec says \[3, 4, 2, 2\]: 3 variants of \[4, 2, 2\]"),
        (good["feature/front"].astype(np.float32) + 1e5, "'feature/front' is not finite"),  # beyond float16
    ):
        with pytest.raises(DatasetError, match=message):
            buffer.add(Transition(good, action, 0.0, {**good, "feature/front": wrong}, False, False))


@pytest.mark.parametrize("array", [ArraySpec((1,), variants=2), ArraySpec((1,), "float16", variants=0)])
def test_impossible_variants_are_refused(array):
    with pytest.raises(ConfigError, match=f"{array.variants} variants of {array.dtype} 'x'"):
        ReplayBuffer(EnvSpec("counting", {"x": array}, ActionSpec(("x",)), 0.1, 100), 10, seed=0)


def test_variants_survive_json_and_are_part_of_what_must_agree():
    assert spec_from_json(json.loads(json.dumps(spec_to_json(VARIED_SPEC)))) == VARIED_SPEC
    old = spec_to_json(SPEC)
    for entry in old["obs"].values():
        del entry["variants"]  # as specs were written before there were any
    assert spec_from_json(old) == SPEC
    fewer = replace(VARIED_SPEC, obs={**VARIED, "feature/wrist": ArraySpec((3, 1, 1), "float16")})
    with pytest.raises(SpecMismatch, match=r"float16 \[3, 1, 1\] instead of float16 \[3, 1, 1\] in 2 variants"):
        check_same_spec(fewer, VARIED_SPEC, "replay")


def test_a_row_counts_the_bytes_of_all_variants():
    table = 4 * (1 + 2 + 3)  # state, action, reward and flags
    assert varied([1], 10).layout.nbytes == table + 2 * (3 * 16 + 2 * 3) + 24
