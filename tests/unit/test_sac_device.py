"""An update leaves its device alone: it reads nothing from it, mixes it with no other, and is one graph."""

from itertools import repeat

import pytest
import torch
import torch._dynamo
from toy_agents import KINDS, toy_agent, toy_batch
from unreadable import Unreadable

from robot_rl.data.transfer import moved

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@EVERY_KIND
def test_an_update_reads_nothing_from_its_device_and_uses_no_other(kind, monkeypatch):
    batch = moved(toy_batch(toy_agent(kind)), torch.device("meta"))
    monkeypatch.setattr(torch, "Generator", Unreadable)
    agent = toy_agent(kind, "meta")
    metrics = agent.update(repeat(batch))
    assert agent.critic_updates == 2
    assert {value.device.type for value in metrics.unread().values()} == {"meta"}


@EVERY_KIND
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_losses_are_one_graph_each(kind, precision):
    agent = toy_agent(kind, precision=precision)
    step = agent._prepare(toy_batch(agent))
    noise, members = agent._noise(step.continuous), agent._draw_members()
    torch._dynamo.reset()
    for loss, arguments in ((agent._critic_loss, (noise, members)), (agent._actor_loss, (noise, torch.tensor(2.0)))):
        traced = torch.compile(loss, fullgraph=True, backend="eager")
        torch.testing.assert_close(traced(step, *arguments), loss(step, *arguments))


def test_a_cloning_weight_that_decays_does_not_trace_the_actors_loss_again():
    agent = toy_agent("state", bc_halving_steps=1, critic_actor_ratio=1)
    counter = torch._dynamo.testing.CompileCounter()
    torch._dynamo.reset()
    agent._actor_loss = torch.compile(agent._actor_loss, backend=counter)
    batches = repeat(toy_batch(agent))
    for _ in range(4):
        agent.update(batches)
    assert counter.frame_count == 1
