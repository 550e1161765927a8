"""The update on a GPU: the CPU's numbers, no waiting, compiled or captured or neither."""

from dataclasses import fields
from itertools import count, repeat

import pytest
import torch
from on_cuda import draw_on_the_cpu, never_waiting
from toy_agents import KINDS, toy_agent, toy_batch

from robot_rl.agents.sac import SAC, Transitions
from robot_rl.data.transfer import moved, prefetched
from robot_rl.nn.actor_critic import Inputs

pytestmark = pytest.mark.gpu
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
CUDA = torch.device("cuda")


def assert_same_gradients(found: SAC, expected: SAC) -> None:
    """Compare by length: where a ReLU opens, rounding decides whether a single sample counts."""
    moments = found.state_dict()
    for name, value in expected.state_dict().items():
        if name.startswith("optimizer/") and "/mean/" in name:
            assert (moments[name].cpu() - value).norm() <= 0.03 * value.norm() + 1e-7, name


def tensors(step: Transitions) -> list[torch.Tensor]:
    """Everything that a loss may read."""
    found: list[torch.Tensor] = []
    for part in (getattr(step, field.name) for field in fields(step)):
        if isinstance(part, Inputs):
            found += [part.state, *part.views.values()]
        else:
            found += [part] if isinstance(part, torch.Tensor) else part.values()
    return found


@EVERY_KIND
def test_updates_are_those_of_the_cpu(kind, monkeypatch):
    here, there = (toy_agent(kind, device, utd_ratio=1.0, critic_actor_ratio=1) for device in ("cpu", "cuda"))
    for agent in (here, there):
        draw_on_the_cpu(agent, monkeypatch)
    for seed in range(3):
        batch = toy_batch(here, seed)
        expected, found = here.update(repeat(batch)), there.update(repeat(moved(batch, CUDA)))
        assert {**found} == pytest.approx({**expected}, rel=2e-3, abs=1e-4)
        if seed == 0:  # later, a gradient that is nearly 0 may have moved a weight up in one and down in the other
            assert_same_gradients(found=there, expected=here)


@EVERY_KIND
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_update_never_waits_for_the_device(kind, precision):
    agent = toy_agent(kind, "cuda", precision=precision)
    batches = prefetched((toy_batch(agent, seed) for seed in count()), "cuda")
    for _ in range(3):
        agent.update(batches)  # libraries are loaded and memory is taken at first
    with never_waiting():
        agent.update(batches)


@EVERY_KIND
def test_shorter_products_learn_much_the_same(kind):
    exact, short = toy_agent(kind, "cuda"), toy_agent(kind, "cuda", precision="bfloat16")
    batch = moved(toy_batch(exact), CUDA)
    expected, found = ({**agent.update(repeat(batch))} for agent in (exact, short))
    assert found == pytest.approx(expected, rel=0.1, abs=0.05)


@pytest.mark.slow
@EVERY_KIND
def test_compiled_updates_are_those_of_eager_ones(kind):
    pytest.importorskip("triton")
    eager, compiled = toy_agent(kind, "cuda"), toy_agent(kind, "cuda", compile=True)
    batches = [moved(toy_batch(eager, seed), CUDA) for seed in range(2)]
    for _ in range(3):
        expected, found = eager.update(iter(batches)), compiled.update(iter(batches))
        assert {**found} == pytest.approx({**expected}, rel=5e-3, abs=1e-3)


@EVERY_KIND
def test_the_losses_and_their_gradients_are_captured(kind):
    agent = toy_agent(kind, "cuda")
    first, second = (agent._prepare(moved(toy_batch(agent, seed), CUDA)) for seed in (0, 1))
    noise, members, weight = agent._noise(first.continuous), agent._draw_members(), torch.ones((), device=CUDA)

    def gradients() -> tuple[torch.Tensor, ...]:
        critic = agent._critic_loss(first, noise, members)[0]
        actor = agent._actor_loss(first, noise, weight)[0]
        return (
            *torch.autograd.grad(critic, list(agent.critic.parameters())),
            *torch.autograd.grad(actor, list(agent.actor.parameters())),
        )

    graph, outputs = captured(gradients)
    for mine, other in zip(tensors(first), tensors(second), strict=True):
        mine.copy_(other)
    noise.normal_()
    graph.replay()
    for found, expected in zip(outputs, gradients(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def captured(function):
    """Return a CUDA graph of a function without arguments, and the tensors in which its outputs appear at every replay."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # libraries are loaded and memory is taken at first
        for _ in range(3):
            function()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function()
    return graph, outputs
