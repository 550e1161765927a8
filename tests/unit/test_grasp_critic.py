"""Laws of the discrete gripper critic and of the hybrid agent around it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_rl.agents.grasp_critic import GraspCritic, double_q_value, margin_loss
from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.batch import Batch
from robot_rl.errors import ConfigError
from robot_rl.nn.actor_critic import Inputs
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

OBS = {"state/arm/x": ArraySpec((2,)), "state/gripper/opening": ArraySpec((1,))}
SPEC = EnvSpec("hybrid", OBS, ActionSpec(("x", "y", "gripper"), discrete=(2,)), 0.1, 10)
CONFIG = SACConfig(batch_size=32, hidden_dims=(16,), utd_ratio=1.0, critic_actor_ratio=1, critic_lr=3e-3)
TWO = EnvSpec(
    "two",
    {"state/left/opening": ArraySpec((1,)), "state/right/opening": ArraySpec((1,))},
    ActionSpec(("x", "left", "y", "right"), discrete=(1, 3)),
    0.1,
    10,
)


def critic(spec=SPEC, config=CONFIG) -> GraspCritic:
    return GraspCritic(spec, 3, config, torch.Generator().manual_seed(0))


def batches(opening=1.0, size=32, reward=0.0, demos=0.0):
    generator = torch.Generator().manual_seed(0)
    while True:
        state = {
            "state/arm/x": torch.randn(2, size, 2, generator=generator),
            "state/gripper/opening": torch.full((2, size, 1), opening),
        }
        action = torch.rand(1, size, 3, generator=generator) * 2 - 1
        action[..., 2] = torch.randint(-1, 2, (1, size), generator=generator).float()
        ones = torch.ones(1, size)
        yield Batch(state, action, reward * ones, ones, 0.98 * ones, demos * ones[0])


def obs(opening=1.0):
    return {"state/arm/x": np.zeros(2, np.float32), "state/gripper/opening": np.array([opening], np.float32)}


def test_commands_and_actions_are_inverse():
    grasp = critic(TWO)
    commands = torch.arange(9)
    action = torch.zeros(9, 4)
    action[:, [1, 3]] = grasp.decode(commands)
    assert torch.equal(grasp.encode(action), commands)
    assert len({tuple(row) for row in grasp.decode(commands).tolist()}) == 9


def test_gripper_values_are_read_by_thresholds():
    action = torch.zeros(5, 3)
    action[:, 2] = torch.tensor([-0.9, -0.4, 0.0, 0.4, 0.9])
    assert critic().encode(action).tolist() == [0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("opening", "grip", "cost"),
    [(1.0, -1.0, 0.02), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.5, -1.0, 0.0), (0.5, 0.0, 0.0), (0.5, 1.0, 0.02)],
)
def test_only_a_command_that_toggles_costs(opening, grip, cost):
    state = {"state/gripper/opening": torch.tensor([[opening]])}
    assert critic().toggle_penalty(state, torch.tensor([[0.0, 0.0, grip]])).item() == pytest.approx(cost)


def test_each_of_two_grippers_pays():
    state = {"state/left/opening": torch.tensor([[1.0]]), "state/right/opening": torch.tensor([[0.0]])}
    assert critic(TWO).toggle_penalty(state, torch.tensor([[0.0, -1.0, 0.0, 1.0]])).item() == pytest.approx(0.04)


def test_the_penalty_needs_to_see_the_opening():
    spec = replace(SPEC, obs={"state/arm/x": ArraySpec((3,))})
    with pytest.raises(ConfigError, match="state/gripper/opening"):
        critic(spec)
    critic(spec, replace(CONFIG, grasp_penalty=0.0))


def test_double_q_takes_the_targets_value_of_the_online_choice():
    online, target = critic(), critic()
    x = torch.randn(6, 3)
    with torch.no_grad():
        target.mlp[-1].bias += torch.tensor([3.0, -1.0, 2.0])
    choice = online(x).argmax(-1)
    torch.testing.assert_close(double_q_value(online, target, Inputs(x, {})), target(x)[torch.arange(6), choice])


def test_the_margin_is_a_lead_over_all_other_commands():
    q = torch.tensor([[0.0, 0.5, 0.2], [0.0, 0.5, 0.2]])
    loss = [margin_loss(q, torch.tensor([1, 1]), torch.tensor(weight), 0.4) for weight in ([1.0, 0.0], [0.0, 0.0])]
    assert loss[0].item() == pytest.approx(0.1)
    assert loss[1].item() == 0.0
    assert margin_loss(q, torch.tensor([1, 1]), torch.ones(2), 0.2).item() == 0.0


def test_the_penalty_enters_the_grippers_values_and_no_others():
    agent, source = SAC(SPEC, replace(CONFIG, grasp_penalty=0.5, target_clip=(0.0, 1.0))), batches(opening=1.0)
    for _ in range(300):
        agent.update(source)
    x = agent.networks.encoder({key: torch.as_tensor(value)[None] for key, value in obs().items()})
    close, stay, open_ = agent.grasp(x)[0].tolist()
    assert close == pytest.approx(-0.5, abs=0.1)
    assert stay == pytest.approx(0.0, abs=0.1)
    assert open_ == pytest.approx(0.0, abs=0.1)
    assert agent.critic(x, torch.zeros(1, 2)).abs().max() < 0.1
    assert agent.act(obs(), explore=False)[2] in (0.0, 1.0)


def test_target_entropy_counts_continuous_dimensions_only():
    assert SAC(SPEC, CONFIG)._target_entropy == -1.0


def test_actions_come_in_the_environments_order():
    agent = SAC(TWO, replace(CONFIG, grasp_penalty=0.0, grasp_epsilon=1.0))
    state = {"state/left/opening": np.ones(1, np.float32), "state/right/opening": np.ones(1, np.float32)}
    actions = np.stack([agent.act(state, explore=True) for _ in range(60)])
    assert set(np.unique(actions[:, [1, 3]])) == {-1.0, 0.0, 1.0}
    assert np.isin(actions[:, [0, 2]], (-1.0, 0.0, 1.0)).mean() < 0.1


def test_cloning_teaches_the_gripper_too():
    def demonstrations():
        for batch in batches(demos=1.0):
            batch.action[..., 2] = (batch.obs["state/arm/x"][:1, :, 0] > 0).float()
            yield batch

    agent = SAC(SPEC, CONFIG)
    agent.pretrain_actor(demonstrations(), 300)
    for x, grip in ((1.0, 1.0), (-1.0, 0.0)):
        state = obs() | {"state/arm/x": np.array([x, 0.0], np.float32)}
        assert agent.act(state, explore=False)[2] == grip


def test_a_restored_hybrid_agent_continues_bit_by_bit():
    agent, source = SAC(SPEC, CONFIG), batches(demos=1.0)
    agent.update(source)
    other = SAC(SPEC, CONFIG, seed=5)
    other.load_state_dict(agent.state_dict())
    batch = next(source)
    agent.update(iter([batch]))
    other.update(iter([batch]))
    assert all(torch.equal(a, b) for a, b in zip(agent.state_dict().values(), other.state_dict().values(), strict=True))
