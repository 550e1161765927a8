import logging

import numpy as np
import pytest
import torch

from robot_rl.errors import RunError
from robot_rl.training import checkpoints


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        assert [type(key) for key in a] == [type(key) for key in b]
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, torch.Tensor | np.ndarray):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert raw(a).tobytes() == raw(b).tobytes()
    else:
        assert a == b


def raw(array):
    return array.contiguous().reshape(-1).view(torch.uint8).numpy() if isinstance(array, torch.Tensor) else array


flat = torch.arange(12.0)
STATES = {
    "plain": {
        "none": None,
        "flag": True,
        "int": 3,
        "float": 0.1,
        "text": "äé",
        "nested": {"list": [1, [2.5, "x"], []]},
    },
    "special_floats": {"inf": float("inf"), "minus": -float("inf")},
    "big_ints": np.random.default_rng(0).bit_generator.state,
    "integer_keys": {"state": {0: {"step": torch.tensor(3.0)}, 10: {}}, "7": "text key"},
    "tuples": {"betas": (0.9, 0.999), "mixed": [(1, "a"), ()]},
    "bytes": {"rng": b"\x00\xff\x10", "empty": b""},
    "tensors": {
        "bfloat16": torch.arange(5, dtype=torch.bfloat16),
        "float16": torch.ones(2, 3, dtype=torch.float16),
        "bool": torch.tensor([True, False]),
        "int64": torch.tensor(2**60),
        "empty": torch.zeros(0, 4),
        "uint8": torch.get_rng_state(),
    },
    "views_of_one_memory": {"a": flat[:6].view(2, 3), "b": flat[6:], "all": flat, "transposed": flat.view(3, 4).T},
    "arrays": {
        "uint8": np.arange(5, dtype=np.uint8),
        "uint32": np.arange(5, dtype=np.uint32),
        "float64": np.eye(3)[:, ::-1],
        "scalar": np.array(2.5),
        "nan": np.array([np.nan, np.inf]),
        "bool": np.array([True]),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    },
    "empty": {},
}


@pytest.mark.parametrize("name", STATES)
def test_what_was_saved_comes_back_with_types_order_and_bits(tmp_path, name):
    path = checkpoints.save(tmp_path, 42, STATES[name])
    step, state = checkpoints.load(path)
    assert step == 42
    assert_same(state, STATES[name])


def test_an_optimizer_goes_on_as_if_nothing_had_happened(tmp_path):
    def build():
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        return layer, torch.optim.Adam(layer.parameters(), lr=0.1)

    def learn(layer, optimizer):
        optimizer.zero_grad()
        layer(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()

    layer, optimizer = build()
    learn(layer, optimizer)
    checkpoints.save(tmp_path, 1, {"layer": dict(layer.state_dict()), "optimizer": optimizer.state_dict()})
    learn(layer, optimizer)
    other, other_optimizer = build()
    found = checkpoints.latest(tmp_path)
    assert found is not None
    other.load_state_dict(found[1]["layer"])
    other_optimizer.load_state_dict(found[1]["optimizer"])
    learn(other, other_optimizer)
    assert torch.equal(layer.weight, other.weight)


def test_loaded_arrays_are_writable(tmp_path):
    _, state = checkpoints.load(checkpoints.save(tmp_path, 0, {"x": np.zeros(3)}))
    state["x"][0] = 1.0


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"agent": {"x": [1, object()]}}, r"state\['agent'\]\['x'\]\[1\] is a object"),
        ({"agent": {(1, 2): 3}}, r"state\['agent'\] has key \(1, 2\)"),
        ({"flags": {True: 1}}, "has key True"),
        ({"count": np.int64(3)}, r"state\['count'\] is a int64"),
        ({"names": np.array(["a"])}, r"state\['names'\] is a ndarray"),
    ],
)
def test_what_cannot_be_stored_is_named_and_nothing_is_written(tmp_path, state, message):
    with pytest.raises(TypeError, match=message):
        checkpoints.save(tmp_path, 0, state)
    assert not list(tmp_path.iterdir())


def test_the_newest_is_found_by_step_not_by_name_length(tmp_path):
    for step in (5, 40, 300):
        checkpoints.save(tmp_path, step, {"x": step})
    assert checkpoints.latest(tmp_path) == (300, {"x": 300})


def test_no_checkpoint_is_not_an_error(tmp_path):
    assert checkpoints.latest(tmp_path) is None
    assert checkpoints.latest(tmp_path / "missing") is None


def damage_byte(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "cut in the header": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "empty": lambda path: path.write_bytes(b""),
    "one bit": damage_byte,
    "foreign": lambda path: path.write_text("not a checkpoint"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_skipped_with_its_name_and_cause(tmp_path, caplog, damage):
    checkpoints.save(tmp_path, 1, {"x": torch.zeros(8)})
    newest = checkpoints.save(tmp_path, 2, {"x": torch.ones(8)})
    DAMAGES[damage](newest)
    with caplog.at_level(logging.WARNING):
        found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found[0] == 1
    assert f"{newest} is damaged" in caplog.text


def test_only_damaged_checkpoints_are_one_error_not_a_fresh_start(tmp_path, caplog):
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, step, {"x": torch.zeros(8)}).write_bytes(b"")
    with pytest.raises(RunError, match="none of the 3 checkpoints") as caught:
        checkpoints.latest(tmp_path)
    message = str(caught.value)
    assert message.count("is damaged") == 1
    assert "step_000000003.safetensors is damaged" in message
    assert f"remove {tmp_path} and resume" in message
    assert not caplog.records


def test_a_checkpoint_of_another_format_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "FORMAT", 99)
    path = checkpoints.save(tmp_path, 1, {})
    monkeypatch.undo()
    with pytest.raises(RunError, match="has checkpoint format 99; this version reads 1"):
        checkpoints.load(path)


def test_only_the_newest_are_kept(tmp_path):
    for step in range(6):
        checkpoints.save(tmp_path, step, {}, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_000000004.safetensors",
        "step_000000005.safetensors",
    ]


def test_saving_after_going_back_drops_the_future_that_was_given_up(tmp_path):
    checkpoints.save(tmp_path, 100, {"x": "old"})
    checkpoints.save(tmp_path, 50, {"x": "new"}, keep=1)
    assert checkpoints.latest(tmp_path) == (50, {"x": "new"})


def test_a_crash_while_saving_leaves_the_last_one(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 1, {"x": 1})

    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save(tmp_path, 2, {"x": 2})
    assert checkpoints.latest(tmp_path) == (1, {"x": 1})
    assert len(list(tmp_path.iterdir())) == 1
