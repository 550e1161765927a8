from __future__ import annotations

import json

import torch

from robot_rl import provenance


def test_what_a_run_was_made_with_is_plain_and_names_processor_and_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Sliderule X")
    described = provenance.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["gpu"] == "Sliderule X"
    assert described["processor"] == provenance.processor() != ""


def test_a_machine_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert provenance.describe()["gpu"] is None
