"""An update of the world-model agent leaves its device alone: it reads nothing from it, and mixes it with no other."""

from itertools import repeat

import pytest
import torch
from toy_modem import SPECS, toy_modem, toy_windows
from unreadable import Unreadable

from robot_rl.data.transfer import moved


@pytest.mark.parametrize("kind", sorted(SPECS))
def test_an_update_reads_nothing_from_its_device_and_uses_no_other(kind, monkeypatch):
    batch = moved(toy_windows(toy_modem(kind)), torch.device("meta"))
    monkeypatch.setattr(torch, "Generator", Unreadable)
    agent = toy_modem(kind, device="meta")
    metrics = agent.update(repeat(batch))
    assert agent.critic_updates == 1
    assert {value.device.type for value in metrics.unread().values()} == {"meta"}
