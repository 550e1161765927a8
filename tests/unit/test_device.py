import pytest
import torch

from robot_rl.errors import ConfigError
from robot_rl.training.device import resolve_device


@pytest.fixture
def num_devices(monkeypatch):
    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


@pytest.mark.parametrize(("name", "count", "expected"), [
    ("auto", 0, "cpu"), ("auto", 1, "cuda"), ("cpu", 2, "cpu"), ("cuda", 1, "cuda"), ("cuda:1", 2, "cuda:1"),
])  # fmt: skip
def test_a_device_that_exists(num_devices, name, count, expected):
    num_devices(count)
    assert resolve_device(name) == expected


@pytest.mark.parametrize(("name", "count", "message"), [
    ("cuda", 0, "no CUDA device; use cpu or auto"), ("cuda:2", 2, "only cuda:0 to cuda:1 exist"),
    ("gpu", 1, "known: auto, cpu, cuda"), ("cuda:x", 1, "known: auto"), ("cuda:", 1, "known: auto"),
    ("cpu:0", 1, "known: auto"), ("", 1, "known: auto"),
])  # fmt: skip
def test_one_that_does_not_is_refused_with_what_does(num_devices, name, count, message):
    num_devices(count)
    with pytest.raises(ConfigError, match=message):
        resolve_device(name)
