from unittest import mock

import pytest
import torch

from robot_rl.agents.lazy_metrics import LazyMetrics, as_floats

VALUES = {"a": torch.tensor(1.5), "b": 2, "c": torch.tensor(3), "d": torch.tensor(0.25, dtype=torch.float64)}
FLOATS = {"a": 1.5, "b": 2.0, "c": 3.0, "d": 0.25}


@pytest.fixture
def waits():
    """Counts how often a device is waited for."""
    counter = mock.Mock()

    def counted(read):
        def call(self):
            counter()
            return read(self)

        return call

    tensor = torch.Tensor
    with mock.patch.multiple(
        tensor, tolist=counted(tensor.tolist), item=counted(tensor.item), __float__=counted(tensor.__float__)
    ):
        yield counter


@pytest.mark.parametrize(
    "read",
    [
        dict,
        lambda metrics: {**metrics},
        lambda metrics: {} | metrics,
        lambda metrics: dict(metrics.items()),
        lambda metrics: dict(zip(metrics, metrics.values(), strict=True)),
        lambda metrics: {name: metrics[name] for name in metrics},
        lambda metrics: {name: metrics.get(name) for name in metrics},
    ],
    ids=["dict", "unpacked", "merged", "items", "values", "by name", "get"],
)
def test_every_way_of_reading_gives_floats_and_waits_once(read, waits):
    metrics = LazyMetrics(VALUES)
    assert waits.call_count == 0
    for _ in range(2):
        found = read(metrics)
        assert found == FLOATS
        assert list(found) == list(FLOATS)
        assert {type(value) for value in found.values()} == {float}
    assert waits.call_count == 1


def test_unread_values_are_what_was_given(waits):
    assert LazyMetrics(VALUES).unread()["a"] is VALUES["a"]
    assert waits.call_count == 0


def test_what_is_not_there_is_the_default():
    assert LazyMetrics(VALUES).get("nosuch", 3) == 3
    assert LazyMetrics().get("nosuch") is None


def test_double_precision_is_kept():
    exact = 1.0 + 2.0**-40
    assert as_floats({"a": torch.tensor(exact, dtype=torch.float64), "b": exact}) == {"a": exact, "b": exact}
